"""etcd: the whole key space as one snapshot, checked as it passes, and proven by a member that is started on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from haechi import clock
from haechi.errors import NotThere, ProgramMissing, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import PartInfo, RestorePoint
from haechi.places._base import Place
from haechi.places._open import open_place
from haechi.process import BUFFER
from haechi.sources import _beside, _reading
from haechi.sources._base import (
    Capture,
    Comparison,
    Part,
    PartReader,
    Probe,
    Rehearsed,
    Restored,
    Source,
    Wanted,
)
from haechi.sources._etcd import exchange, facts, rehearsal, restore
from haechi.sources._etcd.checked import FORM, Checked
from haechi.sources._etcd.gateway import ByHttp
from haechi.sources._etcd.member import Member
from haechi.sources._etcd.options import Options, Target
from haechi.sources._etcd.program import CTL, ByProgram
from haechi.sources._newfile import new_file

__all__ = ["Options", "Target", "Etcd", "build"]

PART = "etcd-snapshot.db"


def build(name: str, options: Options, place: Place) -> Source:
    return Etcd(name, options, place)


def main_form(_options: Options) -> str:
    """What archives must be able to hold."""
    return FORM


class Etcd:
    """Satisfies `Source`, `Rehearsable` and `Exchangeable`."""

    kept_as = _beside.KEPT_AS

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    def member(self) -> Member:
        return ByHttp(self.options) if self.options.url else ByProgram(self.place, self.options)

    def probe(self) -> Probe:
        if not self.options.url:
            self.place.probe()
            if not self.place.has(CTL):
                raise ProgramMissing(
                    _("The program “{program}” is not in {place}.").format(
                        program=CTL, place=self.place.name
                    ),
                    hint=_(
                        "Install it there (Debian: apt-get install etcd-client), or give `url` instead of `at`."
                    ),
                )
        member = self.member()
        status = member.status()
        warnings = [
            _("etcd tells of a trouble of its own: {reason} Look at `etcdctl alarm list`.").format(reason=e)
            for e in status.errors
        ]
        if not status.leader:
            warnings.append(_("The cluster has no leader: this member may be behind the others."))
        member.count(status.revision)  # as the capture does: a user who may not is found now
        return Probe(
            status.version,
            status.size,
            {"revision": status.revision, "member": status.member},
            tuple(warnings),
        )

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        member = self.member()
        status = member.status()
        found = facts.gather(member, status)
        moment = clock.now()
        with ExitStack() as stack:
            streams: list[Checked] = []

            def begin() -> BinaryIO:
                streams.append(Checked(member.snapshot(stack), member.explain))
                return cast(BinaryIO, streams[-1])

            def told() -> Mapping[str, Any]:
                done = [s for s in streams if s.whole]
                return {**found, "size": done[-1].size, "sha256": done[-1].sum} if done else found

            yield Capture(moment, [Part(PartInfo(PART, FORM), begin, status.size)], told)

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        if wanted.only:
            raise UsageMistake(
                _("A snapshot of etcd comes back as a whole."),
                hint=_("Restore it elsewhere, and copy the keys from there: --to directory=PATH"),
            )
        target = Target.read(wanted.target)
        part = _snapshot_of(parts)
        if target.file is not None:
            return _into_file(point, part, target.file, reporter)
        place = open_place(target.at) if target.at else self.place
        directory = target.directory or (None if target.at else self.options.data_dir)
        if directory is None:
            raise UsageMistake(
                _("It is not said where the data directory is."),
                hint=_(
                    "Name it with `data_dir` in the plan, or a new one: --to directory=PATH; the snapshot alone "
                    "comes with --to file=PATH."
                ),
            )
        if wanted.in_place and not target.directory:
            self._in_use()  # what cannot be exchanged is said before anything is done
        stamp = f"{clock.now():%Y%m%d_%H%M%S}"
        beside = target.directory or f"{directory.rstrip('/')}/{exchange.MEMBER}"
        room = restore.Room(place, self.options, beside.rstrip("/"), stamp)
        compared = restore.bring(room, part, point.facts, target, reporter)
        if target.directory:
            parent = str(Path(room.beside).parent)
            where = restore.settle(room, "new", room.beside, parent, beside=False)
        else:
            named = f"{room.beside}.haechi_{stamp}"
            where = restore.settle(room, f"new/{exchange.MEMBER}", named, directory, beside=True)
        if wanted.in_place and not target.directory and all(c.equal for c in compared):
            self.swap(room.beside)
            where = room.beside
        return Restored(
            where if place.is_local else f"{where} ({place.name})",
            tuple(compared),
            {"came_back": {room.beside: where}, "beside": not target.directory and not wanted.in_place},
        )

    def rehearse(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> AbstractContextManager[Rehearsed]:
        return rehearsal.rehearse(self, point, parts, wanted, into, reporter)

    def listing(
        self, point: RestorePoint, parts: Mapping[str, PartReader], reporter: Reporter
    ) -> Mapping[str, int]:
        return {"bytes_in": _reading.through(parts.values(), lambda s: cast(BinaryIO, Checked(s)), reporter)}

    def lying_beside(self) -> Sequence[_beside.Beside]:
        return _beside.lying([self._in_use()])

    def swap(self, name: str) -> str:
        with exchange.stopped(self.options, self.place, self.member()):
            return str(_beside.swap(self._in_use()) or "")

    def undo(self, name: str) -> str:
        with exchange.stopped(self.options, self.place, self.member()):
            return str(_beside.undo(self._in_use()) or "")

    def finish(self, name: str) -> Sequence[str]:
        return _beside.finish(self._in_use())

    def _in_use(self) -> Path:
        """What etcd works in, as this host sees it. Raises UsageMistake."""
        return exchange.visible(self.options, self.place) / exchange.MEMBER


def _snapshot_of(parts: Mapping[str, PartReader]) -> PartReader:
    if not parts:
        raise NotThere(_("This restore point has no snapshot of etcd."))
    return parts.get(PART) or next(iter(parts.values()))


def _into_file(point: RestorePoint, part: PartReader, path: Path, reporter: Reporter) -> Restored:
    with (
        reporter.step(part.info.name, part.info.size or None) as step,
        Checked(part.open()) as stream,
        new_file(path) as file,
    ):
        shutil.copyfileobj(stream, file, BUFFER)
        step.advance(stream.size)
    found = {"size": stream.size, "sha256": stream.sum}
    compared = [
        Comparison(key, point.facts[key], value) for key, value in found.items() if key in point.facts
    ]
    return Restored(str(path), tuple(compared))
