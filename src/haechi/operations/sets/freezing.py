"""A short freeze of writes while a set is taken; it ends in any case.

After an error, Ctrl-C and a termination signal the thaw is part of the way out. A killed process cannot do it: so a
second process watches, in a session of its own, and thaws when the first is gone. Should that be killed as well (the
machine fails, or a supervisor kills the whole group), a mark on the disk is left; whoever works with the set next
thaws first, and `haechi set thaw` does it at once.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from haechi import clock, process
from haechi.errors import HaechiError, PartlyDone, VaultLocked
from haechi.events import Reporter
from haechi.fileio import private_directory, write_atomic
from haechi.i18n import _
from haechi.operations import hooks
from haechi.operations.acts import Told
from haechi.operations.desk import Desk
from haechi.operations.doctor import Finding, Health
from haechi.operations.hooks import Hook
from haechi.operations.sets.recovery_set import RecoverySet

_DONE = b"thawed\n"
_FAREWELL = 10.0  # seconds
_TRIES = 50


@contextmanager
def frozen(of: RecoverySet, desk: Desk, told: Told, reporter: Reporter) -> Iterator[dict[str, HaechiError]]:
    """Freeze, and thaw whatever happens. Afterwards, what it yields holds what did not go well in thawing."""
    failed: dict[str, HaechiError] = {}
    if not of.freeze and not of.thaw:
        yield failed
        return
    with ExitStack() as stack:
        tell = _watch(of, stack)
        try:
            _mark(of, desk)
            for hook in of.freeze:
                hooks.carry_out(hook, _freezing(hook), {**told, "HAECHI_WHEN": "freeze"}, reporter)
            yield failed
        finally:
            hooks.undisturbed(lambda: failed.update(_thaw(of, desk, told, reporter)))
            if not failed:
                tell()


def is_frozen(of: RecoverySet, desk: Desk) -> bool:
    """Whether a run that ended without a word has left its mark. Asked by whoever holds the set's lock."""
    return _marker(of, desk).exists()


def thaw_what_is_left(of: RecoverySet, desk: Desk, reporter: Reporter) -> None:
    """If a killed run has left it frozen. Raises PartlyDone if that does not go well."""
    if not is_frozen(of, desk):
        return
    reporter.warn(_("A run that was killed has left “{set}” frozen; it is thawed first.").format(set=of.name))
    thaw(of, desk, reporter)


def thaw(of: RecoverySet, desk: Desk, reporter: Reporter) -> None:
    """Carry out what ends a freeze, frozen or not. Raises PartlyDone if one of it does not go well."""
    with desk.run("set-thaw", of.name, reporter) as entry:
        told = {"HAECHI_OPERATION": "set-thaw", "HAECHI_SET": of.name, "HAECHI_RUN": entry.run}
        failed: dict[str, HaechiError] = {}
        hooks.undisturbed(lambda: failed.update(_thaw(of, desk, told, entry.reporter)))
        raise_if_still_frozen(of, failed)


def examine(name: str, state: Path) -> list[Finding]:
    """Whether a set is frozen at this moment, for whoever looks at everything. A healthy one is not worth a line."""
    try:
        about = json.loads(_marker_of(name, state).read_text())
    except (OSError, ValueError):
        return []
    return [
        Finding(
            f"set.{name}",
            Health.WARNING,
            _("Frozen since {began}, by process {pid}.").format(
                began=about.get("began", "?"), pid=about.get("pid", "?")
            ),
            _("If that run is gone: haechi set thaw {set}").format(set=name),
        )
    ]


def raise_if_still_frozen(of: RecoverySet, failed: dict[str, HaechiError]) -> None:
    if failed:
        raise PartlyDone(
            _("“{set}” may still be frozen: {names}.").format(set=of.name, names=", ".join(failed)),
            hint="\n".join(e.hint for e in failed.values() if e.hint)
            or _("See to it by hand, or try again with: haechi set thaw {set}").format(set=of.name),
        )


def wait_for_orphanage() -> bool:
    """For the process that watches: whether the other one has gone without having thawed."""
    with suppress(OSError):
        return _DONE not in sys.stdin.buffer.read()
    return True


@contextmanager
def alone_at_last(of: RecoverySet, desk: Desk) -> Iterator[None]:
    """The lock of a process that is being killed is let go a moment after its pipes are."""
    for attempt in range(_TRIES):
        with ExitStack() as stack:
            try:
                stack.enter_context(desk.alone_with(lock_of(of)))
            except VaultLocked:
                if attempt == _TRIES - 1:
                    raise
                clock.sleep(0.2)
                continue
            yield
            return


def lock_of(of: RecoverySet) -> str:
    """What whoever works with the set is alone with."""
    return f"set.{of.name}"


def _thaw(of: RecoverySet, desk: Desk, told: Told, reporter: Reporter) -> dict[str, HaechiError]:
    failed = hooks.carry_out_all(of.thaw, _thawing, {**told, "HAECHI_WHEN": "thaw"}, reporter)
    if not failed:
        _marker(of, desk).unlink(missing_ok=True)
    return failed


def _watch(of: RecoverySet, stack: ExitStack) -> Callable[[], None]:
    """Start the process that thaws should this one be killed; what tells it that all is well."""
    if not of.guardian or not of.thaw:
        return lambda: None
    with process.spared():
        watching = stack.enter_context(process.start(of.guardian, feed=True))

    def tell() -> None:
        with suppress(OSError, ValueError):
            watching.stdin.write(_DONE)
            watching.stdin.close()
        until = clock.monotonic() + _FAREWELL
        while watching.is_alive and clock.monotonic() < until:
            clock.sleep(0.02)

    return tell


def _mark(of: RecoverySet, desk: Desk) -> None:
    path = _marker(of, desk)
    about = {"set": of.name, "host": desk.host, "pid": os.getpid(), "began": clock.now().isoformat()}
    write_atomic(path, json.dumps(about).encode())


def _marker(of: RecoverySet, desk: Desk) -> Path:
    private_directory(desk.state / "sets")
    return _marker_of(of.name, desk.state)


def _marker_of(name: str, state: Path) -> Path:
    return state / "sets" / f"{name}.frozen"


def _freezing(hook: Hook) -> str:
    return _("freeze: {hook}").format(hook=hook.title)


def _thawing(hook: Hook) -> str:
    return _("thaw: {hook}").format(hook=hook.title)
