"""Recovery sets: services of one application, taken as one point and restored together.

Each member's point carries three tags: `set:erp`, `set-run:…` (what belongs together) and `set-of:postgres+minio`
(what there must be). So the vaults alone explain which points are one, and whether it is whole.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo

from haechi import clock
from haechi.errors import HaechiError, NotThere, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Keep, RestorePoint
from haechi.operations import locate
from haechi.operations.hooks import Hook
from haechi.operations.service import Service
from haechi.retention import decide

SET, RUN, OF = "set:", "set-run:", "set-of:"


@dataclass(frozen=True)
class Reference:
    """Every value of the query, asked of one member, must exist in others."""

    sql: str
    of: str
    exists_in: tuple[str, ...]
    where: Mapping[str, str] = field(default_factory=dict)  # by member, in its source's own words
    database: str = ""
    title: str = ""

    @property
    def named(self) -> str:
        return self.title or self.sql


@dataclass(frozen=True)
class RecoverySet:
    """Built by `app`. Members are in the order in which they are taken, and come back."""

    name: str
    members: tuple[Service, ...]
    zone: tzinfo
    keep: Keep | None = None
    freeze: tuple[Hook, ...] = ()
    thaw: tuple[Hook, ...] = ()
    references: tuple[Reference, ...] = ()
    guardian: tuple[str, ...] = ()  # the command line that thaws should this process be killed

    def member(self, name: str) -> Service:
        return next(member for member in self.members if member.name == name)

    def tags(self, run: str) -> tuple[str, ...]:
        """Of every member's point."""
        return SET + self.name, RUN + run, OF + "+".join(member.name for member in self.members)


@dataclass(frozen=True)
class SetPoint:
    """Points that were taken as one. `lacking` are members without a copy."""

    set: str
    run: str
    points: Mapping[str, RestorePoint]
    lacking: tuple[str, ...] = ()

    @property
    def time(self) -> datetime:
        """Nothing in it is older."""
        return min(point.time for point in self.points.values())

    @property
    def whole(self) -> bool:
        return not self.lacking

    @property
    def size(self) -> int:
        return sum(point.size for point in self.points.values())


def new_run() -> str:
    return f"{clock.now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def points(
    of: RecoverySet, reporter: Reporter, copy: str | None = None, unread: dict[str, HaechiError] | None = None
) -> list[SetPoint]:
    """Every point of the set, whole or not, oldest first; read from the copies themselves. With `unread`, a member
    none of whose copies can be read is written there and hides no other; all points lack it then."""
    found: dict[str, dict[str, RestorePoint]] = {}
    wanted: dict[str, tuple[str, ...]] = {}
    for member in of.members:
        among = (member.destination(copy),) if copy else member.destinations
        try:
            gathered = locate.gather(among, member.name, reporter)
        except HaechiError as problem:
            if unread is None:
                raise
            unread[member.name] = problem
            continue
        for point in gathered:
            run = _tag(point, RUN)
            if run and SET + of.name in point.tags:
                found.setdefault(run, {})[member.name] = point
                wanted[run] = tuple(_tag(point, OF).split("+"))
    made = [
        SetPoint(of.name, run, there, tuple(name for name in wanted[run] if name not in there))
        for run, there in found.items()
    ]
    return sorted(made, key=lambda p: (p.time, p.run))


def choose(found: Sequence[SetPoint], which: str, of: RecoverySet) -> SetPoint:
    """The newest whole one for `latest` or not after a moment; the one of a run, whole or not."""
    if not found:
        raise NotThere(
            _("This set was never taken."),
            hint=_("Take it with: haechi set backup {name}").format(name=of.name),
        )
    named = [point for point in found if point.run.startswith(which)]
    if len(named) == 1:
        return named[0]
    whole = [point for point in found if point.whole]
    if which != locate.LATEST:
        moment = locate.moment_of(which, of.zone)
        if named or moment is None:
            raise (UsageMistake if named else NotThere)(
                _("“{which}” is no one point of the set.").format(which=which),
                hint=_("It has: {ids}").format(ids=", ".join(p.run for p in (named or found)[-5:])),
            )
        whole = [point for point in whole if point.time <= moment]
    if not whole:
        newest = found[-1]
        raise NotThere(
            _("No point of the set is whole; the newest, {run}, lacks {names}.").format(
                run=newest.run, names=", ".join(newest.lacking) or "-"
            ),
            hint=_("Restore a part of it with: --point {run} --without {names}").format(
                run=newest.run, names=",".join(newest.lacking) or "-"
            ),
        )
    return whole[-1]


def what_stays(
    sets: Sequence[Callable[[], RecoverySet]], own: Sequence[RestorePoint], where: str, reporter: Reporter
) -> dict[str, str]:
    """Why points of one service stay in one destination, whatever its own rules say: by their ids.

    The newest whole point of each set loses no member, neither of all copies nor of those in this destination, and
    what the set's own rule keeps stays together. When it cannot be found out, nothing that belongs to a set goes.
    """
    stays: dict[str, str] = {}
    if not any(_tag(point, RUN) for point in own):
        return stays
    for build in sets:
        try:
            of = build()
            runs = _runs_that_stay(of, points(of, reporter), where)
        except HaechiError as problem:
            reporter.warn(problem.message)
            stays |= {p.id: _("belongs to a set that cannot be read now") for p in own if _tag(p, RUN)}
            continue
        stays |= {p.id: runs[_tag(p, RUN)] for p in own if SET + of.name in p.tags and _tag(p, RUN) in runs}
    return stays


def _runs_that_stay(of: RecoverySet, found: Sequence[SetPoint], where: str) -> dict[str, str]:
    whole = [point for point in found if point.whole]
    here = [p for p in whole if all(any(c.where == where for c in one.copies) for one in p.points.values())]
    stays: dict[str, str] = {}
    if of.keep is not None and whole:
        as_points = [
            RestorePoint(id=p.run, service=of.name, source="set", time=p.time, held=_held(p)) for p in whole
        ]
        for decision in decide(as_points, of.keep, now=clock.now(), zone=of.zone):
            if decision.stays:
                stays[decision.point.id] = _("the set “{set}”: {reasons}").format(
                    set=of.name, reasons=", ".join(decision.reasons)
                )
    for newest in (whole[-1:], here[-1:]):
        for point in newest:
            stays[point.run] = _("newest whole point of the set “{set}”").format(set=of.name)
    return stays


def _held(point: SetPoint) -> bool:
    """One member's hold holds the others, too."""
    return any(one.held for one in point.points.values())


def _tag(point: RestorePoint, prefix: str) -> str:
    return next((tag.removeprefix(prefix) for tag in point.tags if tag.startswith(prefix)), "")


def without(of: RecoverySet, names: Sequence[str]) -> RecoverySet:
    """The set without these members, and without the references that concern them."""
    unknown = set(names) - {member.name for member in of.members}
    if unknown:
        raise UsageMistake(
            _("“{name}” is not one of this set's services.").format(name=sorted(unknown)[0]),
            hint=_("It has: {names}").format(names=", ".join(m.name for m in of.members)),
        )
    return replace(
        of,
        members=tuple(member for member in of.members if member.name not in names),
        references=tuple(
            replace(reference, exists_in=tuple(n for n in reference.exists_in if n not in names))
            for reference in of.references
            if reference.of not in names and set(reference.exists_in) - set(names)
        ),
    )
