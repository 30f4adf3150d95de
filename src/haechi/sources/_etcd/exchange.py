"""The exchange of what etcd works in: `member`, within its data directory, by rename.

The data directory itself is often where a volume is mounted, and cannot be renamed; etcd passes over what else lies
in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haechi import clock, process
from haechi.errors import HaechiError, ServerUnavailable, UsageMistake
from haechi.i18n import _
from haechi.places._base import Place
from haechi.sources._etcd.member import Member
from haechi.sources._etcd.options import Options

MEMBER = "member"
_PATIENCE = 60.0
_COMMAND = 300.0


def visible(options: Options, place: Place) -> Path:
    """The data directory as this host sees it. Raises UsageMistake."""
    if options.host_dir is not None:
        return options.host_dir
    if options.data_dir is None or not place.is_local:
        raise UsageMistake(
            _("From here, etcd's data directory at {place} cannot be exchanged.").format(place=place.name),
            hint=_(
                "Give `host_dir`, where this host sees it (docker volume inspect), or do it there: stop etcd, "
                "mv member member.before, mv member.haechi_… member, start etcd."
            ),
        )
    return Path(options.data_dir)


@contextmanager
def stopped(options: Options, place: Place, member: Member) -> Iterator[None]:
    """Nobody works in it meanwhile. Is it started again, it must answer."""
    visible(options, place)
    if options.stop is None or options.start is None:
        if _answers(member):
            raise UsageMistake(
                _("etcd is running, and would go on writing into what is exchanged."),
                hint=_("Stop it, exchange, start it; or give the commands `stop` and `start` in the plan."),
            )
        yield
        return
    process.run(options.stop, deadline=_COMMAND)
    try:
        if _answers(member):
            raise UsageMistake(
                _("etcd still answers after “{command}”.").format(command=" ".join(options.stop)),
                hint=_("Correct `stop` in the plan."),
            )
        yield
    finally:
        process.run(options.start, deadline=_COMMAND)
    _await(member)


def _answers(member: Member) -> bool:
    try:
        member.status()
    except ServerUnavailable:
        return False
    except HaechiError as problem:
        # A place that is gone with the container that was stopped does not answer either.
        return not problem.retryable
    return True


def _await(member: Member) -> None:
    until = clock.monotonic() + _PATIENCE
    while not _answers(member):
        if clock.monotonic() > until:
            raise ServerUnavailable(
                _("etcd was started on what came back, and does not answer."),
                hint=_("Look into its log; `haechi beside undo` puts the old one back."),
                retryable=False,
            )
        clock.sleep(0.2)
