"""What a backup is as a whole: a restore point taken, and then copied onwards to wherever the plan says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from haechi import process
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.operations import replicate
from haechi.operations.backup import BackedUp, back_up
from haechi.operations.desk import Desk
from haechi.operations.service import Service


def protect(
    service: Service, desk: Desk, reporter: Reporter, *, tags: Sequence[str] = (), retention: bool = True
) -> BackedUp:
    """Take a point and bring it, and whatever was missed before, onwards. A copy that does not arrive makes it
    partial; it is made up for the next time."""
    done = back_up(service, desk, reporter, tags=tags, retention=retention)
    if not service.onward or process.interrupted():
        return done
    planned = replicate.plan(service, by_itself=True)
    copied = replicate.execute(service, planned.missing, desk, reporter)
    failed: dict[str, HaechiError] = {**planned.away}
    failed |= {one.target: one.problem for one in copied if one.problem}
    arrived = tuple(one.copy for one in copied if one.copy and one.point.id == done.point.id)
    point = replace(done.point, copies=(*done.point.copies, *arrived))
    return replace(
        done, point=point, failed={**done.failed, **failed}, copied=len([c for c in copied if c.copy])
    )
