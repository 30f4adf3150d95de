"""Throwaway directories for rehearsals: private, on a disk, gone afterwards, also after a kill."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from haechi import clock
from haechi.errors import UsageMistake
from haechi.events import Reporter
from haechi.fileio import explain, held_lock
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.sources._base import Address, PartReader, Rehearsed, Restored, Source, Wanted

_PREFIX = "haechi-drill-"
_LOCK = ".lock"
_YOUNG = 5  # seconds


@dataclass
class Throwaway:
    """The directory, and after the block whether it is really gone."""

    path: Path

    @property
    def left(self) -> tuple[str, ...]:
        return (str(self.path),) if os.path.lexists(self.path) else ()


@contextmanager
def directory(into: str | None, *, passable: bool = False) -> Iterator[Throwaway]:
    """A new directory below `into`, or where there is room. `passable`: another user's server may pass through it."""
    parent = Path(into) if into else _roomy()
    sweep(parent)
    try:
        made = Throwaway(Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)))
    except OSError as problem:
        raise explain(problem, parent) from None
    with held_lock(made.path / _LOCK):  # says to a later sweep that somebody is at it
        if passable:
            made.path.chmod(0o711)
        try:
            yield made
        finally:
            _remove(made.path)


@contextmanager
def rehearse(
    source: Source,
    point: RestorePoint,
    parts: Mapping[str, PartReader],
    wanted: Wanted,
    into: str | None,
    reporter: Reporter,
    target: Callable[[Path], Mapping[str, object]],
    stands: Callable[[Restored, Path], tuple[Address, object]],
) -> Iterator[Rehearsed]:
    """For sources that can come back in a directory: `target` says how to ask for one, `stands` what lies there
    then."""
    with directory(into) as place:
        there = replace(wanted, target={**wanted.target, **target(place.path)}, in_place=False)
        began = clock.monotonic()
        restored = source.restore(point, parts, there, reporter)
        seconds = clock.monotonic() - began
        rehearsed = Rehearsed(restored, str(place.path), seconds)
        rehearsed.address, rehearsed.standing = stands(restored, place.path)
        yield rehearsed
    rehearsed.left = place.left


class _Standing(Source, Protocol):
    def into(self, place: Path) -> Mapping[str, object]: ...
    def standing(self, restored: Restored, place: Path) -> tuple[Address, object]: ...


class ByDirectory:
    """The rehearsals of a source that always comes back in a directory, and says by `standing` what lies there."""

    def into(self, place: Path) -> Mapping[str, object]:
        """The target that asks for it."""
        return {"directory": place / "restored"}

    def rehearse(
        self: _Standing,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> AbstractContextManager[Rehearsed]:
        return rehearse(self, point, parts, wanted, into, reporter, self.into, self.standing)


def sweep(parent: Path) -> list[Path]:
    """Remove what killed rehearsals have left here, their servers included."""
    if not parent.is_dir():
        raise UsageMistake(
            _("{path} is no directory in which something could be rehearsed.").format(path=parent),
            hint=_("Make it, or name another with --into."),
        )
    gone = []
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if path.is_symlink() or path.stat().st_uid != os.geteuid():
                continue
            with held_lock(path / _LOCK) as abandoned:
                if abandoned and _is_old(path):
                    _remove(path)
                    gone.append(path)
    return gone


def sweep_usual() -> list[Path]:
    """The same where places are made when nobody names another."""
    return sweep(_roomy())


def _is_old(path: Path) -> bool:
    """One that was made this very moment may not have its lock yet."""
    return _now() - path.stat().st_ctime > _YOUNG


def _now() -> float:
    return clock.now().timestamp()


def _remove(path: Path) -> None:
    for pid in _working_in(path):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    until = clock.monotonic() + 5
    while _working_in(path) and clock.monotonic() < until:
        clock.sleep(0.05)
    for _attempt in range(3):  # a server that ends may still write its last file
        shutil.rmtree(path, onerror=partial(_open_up, path))
        if not path.exists():
            return
        clock.sleep(0.1)


def _open_up(ours: Path, remove: object, path: str, _problem: object) -> None:
    """A restored directory may forbid its owner to empty it. What lies above ours, /var/tmp, is everybody's."""
    with suppress(OSError):
        if Path(path) != ours:
            Path(path).parent.chmod(0o700)
        Path(path).chmod(0o700)
        if callable(remove):
            remove(path)


def _working_in(path: Path) -> list[int]:
    """Processes whose working directory lies there: servers that were started for a rehearsal."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "cwd").readlink().is_relative_to(path) and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def _roomy() -> Path:
    """/tmp may be a small piece of memory; /var/tmp is a disk. TMPDIR says otherwise."""
    usual = Path("/var/tmp")
    return usual if "TMPDIR" not in os.environ and os.access(usual, os.W_OK) else Path(tempfile.gettempdir())
