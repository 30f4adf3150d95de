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
    return done if process.interrupted() else bring_onwards(service, done, desk, reporter)


def bring_onwards(service: Service, done: BackedUp, desk: Desk, reporter: Reporter) -> BackedUp:
    """Its second half: the copies that are made from other copies, by themselves."""
    if not service.onward and len(service.destinations) < 2:
        return done
    planned = replicate.plan(service, by_itself=True, without=done.failed)
    copied = replicate.execute(service, planned.missing, desk, reporter)
    failed: dict[str, HaechiError] = {**planned.away}
    failed |= {one.target: one.problem for one in copied if one.problem}
    arrived = tuple(one.copy for one in copied if one.copy and one.point.id == done.point.id)
    gone = {one.source for one in copied if one.moved and one.point.id == done.point.id}
    kept = tuple(copy for copy in (*done.point.copies, *arrived) if copy.where not in gone)
    point = replace(done.point, copies=kept)
    return replace(
        done, point=point, failed={**done.failed, **failed}, copied=len([c for c in copied if c.copy])
    )
