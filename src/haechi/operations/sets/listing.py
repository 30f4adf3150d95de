"""The points of a set, each with how far its members are proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.operations.desk import Desk
from haechi.operations.proving.proofs import CopyState, by_point, standing
from haechi.operations.sets import recovery_set
from haechi.operations.sets.recovery_set import RecoverySet, SetPoint


@dataclass(frozen=True)
class Row:
    point: SetPoint
    proven: Mapping[str, CopyState]  # by member: the best that any copy of its point has reached
    unread: Mapping[str, HaechiError] = field(default_factory=dict)  # members of which nobody can know now


def list_points(
    of: RecoverySet,
    desk: Desk,
    reporter: Reporter,
    *,
    copy: str | None = None,
    unread: dict[str, HaechiError] | None = None,
) -> list[Row]:
    """Every point of the set, oldest first. With `copy`, what is proven is of the copies there. With `unread`, a
    member that cannot be read is written there and hides no other."""
    found = recovery_set.points(of, reporter, copy, unread)
    known = {member.name: by_point(desk.proofs(member.name, reporter)) for member in of.members}
    return [
        Row(
            point,
            {name: standing(one, known.get(name, {}).get(one.id, ())) for name, one in point.points.items()},
            {name: unread[name] for name in point.lacking if unread and name in unread},
        )
        for point in found
    ]
