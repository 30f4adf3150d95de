"""Each copy of a service as it stands where it lies: how new, how far behind, how far proven; and the rule of copies.

What the plan wants is one thing; here only a copy that could be looked at and holds a good point counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from haechi import legs
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.legs import Leg, Rule
from haechi.model import Proof, ProofState, RestorePoint
from haechi.operations import locate
from haechi.operations.desk import Desk
from haechi.operations.proving.proofs import by_point, copy_state
from haechi.operations.service import Service


@dataclass(frozen=True)
class CopyStanding:
    """One vault or archive of a service. `problem`: why it could not be looked at."""

    where: str
    points: int = 0
    size: int = 0  # what all its copies there take
    newest: RestorePoint | None = None
    state: ProofState | None = None  # of the newest
    behind: timedelta | None = None  # the newest point of all is so much newer; none here at all is None
    verified_at: datetime | None = None  # when a point there was last read to its end
    restored_at: datetime | None = None  # when one last came back from there
    problem: HaechiError | None = None

    @property
    def counts(self) -> bool:
        return self.newest is not None and self.state is not ProofState.FAILED


@dataclass(frozen=True)
class Spread:
    """A service with all its copies, and the legs of the rule as they really stand."""

    service: str
    rule: Rule
    copies: Sequence[CopyStanding]
    legs: Sequence[Leg]

    @property
    def missing(self) -> list[Leg]:
        return legs.missing(self.legs)


def spreads(services: Iterable[Service], desk: Desk, reporter: Reporter) -> list[Spread]:
    """In the plan's order."""
    return [_spread(service, desk, reporter) for service in services]


def last_drill(proofs: Iterable[Proof]) -> bool | None:
    """Whether the last drill or restore passed; None when there never was one."""
    drills = [proof for proof in proofs if proof.depth == "restore"]
    if not drills:
        return None
    return max(drills, key=lambda p: p.time).state is ProofState.RESTORED


def _spread(service: Service, desk: Desk, reporter: Reporter) -> Spread:
    proofs = desk.proofs(service.name, reporter)
    held: dict[str, list[RestorePoint]] = {}
    away: dict[str, HaechiError] = {}
    for destination in service.everywhere:
        try:
            held[destination.name] = [
                point for point in destination.points(service.name) if locate.SAFETY not in point.tags
            ]
        except HaechiError as problem:
            away[destination.name] = problem
    newest = max((point.time for points in held.values() for point in points), default=None)
    copies = [
        CopyStanding(where.name, problem=away[where.name])
        if where.name in away
        else _copy(where.name, held[where.name], newest, proofs)
        for where in service.everywhere
    ]
    lies = [service.lies[copy.where] for copy in copies if copy.counts and copy.where in service.lies]
    judged = legs.legs(service.rule, lies, last_drill(proofs))
    return Spread(service.name, service.rule, copies, judged)


def _copy(
    where: str, points: Sequence[RestorePoint], newest: datetime | None, proofs: Sequence[Proof]
) -> CopyStanding:
    there = [proof for proof in proofs if proof.where == where]
    last = max(points, key=lambda p: (p.time, p.id), default=None)
    known = by_point(there)
    read = [p.time for p in there if p.state is ProofState.VERIFIED and p.depth == "all"]
    restored = [p.time for p in there if p.state is ProofState.RESTORED]
    return CopyStanding(
        where,
        points=len(points),
        size=sum(copy.size for point in points for copy in point.copies),
        newest=last,
        state=copy_state(known.get(last.id, ()), where) if last else None,
        behind=newest - last.time if last and newest else None,
        verified_at=max([*read, *restored], default=None),
        restored_at=max(restored, default=None),
    )
