"""Brings a snapshot back: into a new data directory, on which a member is started to prove it.

The member listens on the loopback alone, on ports that nobody knows, and is ended again; what it has proven is what
lies beside then.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from haechi import clock
from haechi.errors import HaechiError, ProgramMissing, ServerUnavailable
from haechi.events import Reporter
from haechi.i18n import _
from haechi.places._base import Place
from haechi.process import Completed, Running
from haechi.sources._base import Comparison, PartReader
from haechi.sources._etcd import facts
from haechi.sources._etcd.checked import Checked
from haechi.sources._etcd.options import Options, Target
from haechi.sources._etcd.program import CTL, UTL, ByProgram

SERVER = "etcd"
_PORTS = range(20000, 32000)  # below those that systems give to connections
_TRIES = 5
_PATIENCE = 60.0  # seconds for a member to read its data
_LONG = 3600.0

# Where it is to lie decides who owns it: the user whom etcd runs as must be able to write there.
_RECEIVE = r"""
umask 077
rm -rf "$1".under-way_*
mkdir -p "$2" && cat >"$2/snapshot.db"
"""
_SETTLE = r"""
owner=$(stat -c %u:%g "$3" 2>/dev/null) && chown -R "$owner" "$1" 2>/dev/null
final=$2 number=2
while [ -e "$final" ] && [ "$4" = beside ]; do final=$2-$number number=$((number + 1)); done
[ ! -e "$final" ] || { echo "$final is there already" >&2; exit 1; }
mv "$1" "$final" && sync && echo "$final"
"""
# What the container's own member is told by its environment is not for this one.
_SERVE = r"""
for name in $(env | sed -n 's/^\(ETCD_[A-Z0-9_]*\)=.*/\1/p'); do unset "$name"; done
exec etcd "$@"
"""


@dataclass(frozen=True)
class Room:
    """Where one restore works: `beside` is the path that it lies beside or becomes."""

    place: Place
    options: Options
    beside: str
    stamp: str

    @property
    def under_way(self) -> str:
        return f"{self.beside}.under-way_{self.stamp}"

    def run(self, *argv: str) -> Completed:
        return self.place.run(list(argv), user=self.options.run_as, deadline=_LONG)


def bring(
    room: Room, part: PartReader, expected: Mapping[str, Any], target: Target, reporter: Reporter
) -> list[Comparison]:
    """A proven data directory in the room; nothing of it stays if this raises."""
    tool = _tool(room.place)
    with ExitStack() as undo:
        undo.callback(_remove, room)
        _receive(room, part, reporter)
        name, peer = _identity(expected, target)
        with reporter.step(_("Making the data directory"), unit=""):
            restoring = [tool, "snapshot", "restore", f"{room.under_way}/snapshot.db"]
            room.place.run(
                [
                    *restoring,
                    f"--data-dir={room.under_way}/new",
                    f"--name={name}",
                    f"--initial-cluster={name}={peer}",
                    f"--initial-advertise-peer-urls={peer}",
                ],
                env={"ETCDCTL_API": "3"},
                user=room.options.run_as,
                deadline=_LONG,
            )
        room.run("rm", "-f", f"{room.under_way}/snapshot.db")
        with reporter.step(_("Starting a member on it"), unit=""):
            compared = _prove(room, name, expected)
        undo.pop_all()
    return compared


def settle(room: Room, what: str, final: str, like: str, *, beside: bool) -> str:
    """What is proven gets its name, and the owner of what it lies beside. `beside`, any name like it will do."""
    how = "beside" if beside else "new"
    try:
        done = room.run("sh", "-c", _SETTLE, "haechi", f"{room.under_way}/{what}", final, like, how)
    finally:
        _remove(room)
    return done.stdout.decode().strip()


def able(place: Place) -> bool:
    """Whether a snapshot can come back there."""
    return place.has(SERVER) and place.has(CTL)


def _tool(place: Place) -> str:
    """Since version 3.6 only etcdutl restores. etcdctl asks the member that is started on it."""
    tool = UTL if place.has(UTL) else CTL
    if not able(place):
        raise ProgramMissing(
            _("etcd and etcdctl are not both in {place}.").format(place=place.name),
            hint=_(
                "Name a place that has them: --to at=docker:NAME --to directory=PATH. "
                "The snapshot alone comes with --to file=PATH."
            ),
        )
    return tool


def _receive(room: Room, part: PartReader, reporter: Reporter) -> None:
    with (
        reporter.step(part.info.name, part.info.size or None) as step,
        Checked(part.open()) as stream,
        room.place.start(
            ["sh", "-c", _RECEIVE, "haechi", room.beside, room.under_way],
            stdin=cast(BinaryIO, stream),
            user=room.options.run_as,
        ) as running,
    ):
        running.check()
        step.advance(stream.size)


def _identity(expected: Mapping[str, Any], target: Target) -> tuple[str, str]:
    saved = expected.get("member", {})
    name = target.name or saved.get("name") or "default"
    return name, target.peer_url or next(iter(saved.get("peers", ())), "http://localhost:2380")


def _prove(room: Room, name: str, expected: Mapping[str, Any]) -> list[Comparison]:
    """A port may be taken by somebody: then by another one."""
    for left in reversed(range(_TRIES)):
        client, peer = secrets.SystemRandom().sample(_PORTS, 2)
        argv = [
            *("sh", "-c", _SERVE, SERVER),
            f"--data-dir={room.under_way}/new",
            f"--name={name}",
            f"--listen-client-urls=http://127.0.0.1:{client}",
            f"--advertise-client-urls=http://127.0.0.1:{client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            "--heartbeat-interval=10",  # a cluster of one elects itself sooner
            "--election-timeout=100",
        ]
        with room.place.start(argv, user=room.options.run_as) as running:
            member = ByProgram(room.place, room.options, f"http://127.0.0.1:{client}")
            if _await(member, running):
                return facts.compare(member, expected)
            if not left or "address already in use" not in running.said:
                raise ServerUnavailable(
                    _("No member starts on what came back: {reason}").format(
                        reason=running.said[-500:] or "-"
                    ),
                    hint=_("The snapshot may be of a newer version than the etcd in {place}.").format(
                        place=room.place.name
                    ),
                    detail=running.said,
                    retryable=False,
                )
    raise AssertionError("the last try returns or raises")


def _await(member: ByProgram, running: Running) -> bool:
    """Whether it answers as the one that it is to be, before it ends."""
    until = clock.monotonic() + _PATIENCE
    while running.is_alive and clock.monotonic() < until:
        with suppress(ServerUnavailable):
            if member.status().leader:
                return running.is_alive
        clock.sleep(0.1)
    return False


def _remove(room: Room) -> None:
    with suppress(HaechiError):
        room.run("rm", "-rf", room.under_way)
