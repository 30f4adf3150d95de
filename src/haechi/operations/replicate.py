"""Brings copies onwards, from one destination to another: off-site, to the NAS, into a vault with another key.

The service itself is not asked again. What is missing over there and would stay there is brought, the newest first;
so a destination that was away gets what it has missed the next time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

from haechi import clock
from haechi.errors import HaechiError, StoreUnavailable
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Copy, Keep, Outcome, PartInfo, Proof, ProofState, RestorePoint
from haechi.operations import locate
from haechi.operations.carrying import Counted
from haechi.operations.desk import Desk, Entry
from haechi.operations.destination import CopiesFrom, Destination, GivesEntries, TakesEntries
from haechi.operations.mirrored import kept_again
from haechi.operations.service import Onward, Service
from haechi.retention import decide


@dataclass(frozen=True)
class Copied:
    """What came of one point; `problem` is why it did not arrive."""

    point: RestorePoint
    source: str
    target: str
    seconds: float
    copy: Copy | None = None
    moved: bool = False
    problem: HaechiError | None = None


@dataclass(frozen=True)
class Missing:
    """One point on its way, as planned."""

    point: RestorePoint
    source: Destination
    onward: Onward


@dataclass(frozen=True)
class Planned:
    """What would be brought, the newest first; and which destinations could not be asked."""

    missing: Sequence[Missing]
    away: Mapping[str, HaechiError]


def plan(service: Service, *, to: Sequence[str] = (), by_itself: bool = False) -> Planned:
    """What is missing where. Changes nothing. `by_itself`: only what goes onwards without being asked."""
    missing: list[Missing] = []
    away: dict[str, HaechiError] = {}
    for onward in service.onward:
        target = onward.destination
        if (to and target.name not in to) or (by_itself and not onward.by_itself):
            continue
        try:
            source = service.destination(onward.source)
            missing += [Missing(point, source, onward) for point in _missing(service, source, target)]
        except HaechiError as problem:
            away[target.name] = problem
    return Planned(missing, away)


def execute(service: Service, planned: Sequence[Missing], desk: Desk, reporter: Reporter) -> list[Copied]:
    """Bring them. One that fails does not stop the others, unless its destination is away."""
    done: list[Copied] = []
    if not planned:
        return done
    with desk.alone_with(f"{service.name}.copy"), desk.run("copy", service.name, reporter) as entry:
        away: dict[str, HaechiError] = {}
        for one in planned:
            target = one.onward.destination
            if target.name in away:
                done.append(_failed(one, away[target.name], 0.0))
                continue
            result = _bring(service, one, entry)
            if isinstance(result.problem, StoreUnavailable):
                away[target.name] = result.problem
            done.append(result)
        failed = [one.problem for one in done if one.problem]
        if failed:
            entry.outcome = Outcome.PARTIAL if len(failed) < len(done) else Outcome.FAILURE
            entry.error = failed[0].as_dict()
        entry.bytes_read = sum(one.point.size for one in done if one.copy)
        entry.bytes_stored = sum(one.copy.size for one in done if one.copy)
    return done


def _missing(service: Service, source: Destination, target: Destination) -> list[RestorePoint]:
    """What is not there and would stay there: nothing is brought only to be removed again."""
    here, there = source.points(service.name), target.points(service.name)
    present = {point.id for point in there}
    missing = [p for p in here if p.id not in present and locate.SAFETY not in p.tags]
    keep = service.keep.get(target.name)
    if keep is not None and keep != Keep():
        decisions = decide([*there, *missing], keep, now=clock.now(), zone=service.zone)
        stays = {decision.point.id for decision in decisions if decision.stays}
        missing = [point for point in missing if point.id in stays]
    return sorted(missing, key=lambda p: p.time, reverse=True)


def _bring(service: Service, one: Missing, entry: Entry) -> Copied:
    began = clock.monotonic()
    target = one.onward.destination
    try:
        point = one.source.describe(one.point)
        copy = _carry(service, point, one.source, target, entry.reporter)
        entry.keep_copy(replace(point, copies=(*point.copies, copy)))
        moved = one.onward.move and _move(point, copy, one, entry)
    except HaechiError as problem:
        return _failed(one, problem, clock.monotonic() - began)
    return Copied(point, one.source.name, target.name, clock.monotonic() - began, copy, moved)


def _carry(
    service: Service, point: RestorePoint, source: Destination, target: Destination, reporter: Reporter
) -> Copy:
    """By the way of their own where the two have one; else part by part, as a backup would."""
    if isinstance(target, CopiesFrom):
        copy = target.copy_from(source, point, reporter)
        if copy is not None:
            return copy
    parts: list[PartInfo] = []
    with target.intake(service.name, reporter) as intake:
        for part in point.parts:
            title = _("{point} to {where}: {part}").format(point=point.id, where=target.name, part=part.name)
            every = source.entries(point, part.name) if isinstance(source, GivesEntries) else None
            if every is not None and isinstance(intake, TakesEntries):
                size = intake.entries(part, kept_again(part, every), reporter)
                parts.append(replace(part, size=size))
                continue
            with (
                reporter.step(title, part.size or None) as step,
                source.open_part(point, part.name) as stream,
            ):
                counted = Counted(stream, step)
                intake.part(part, cast(BinaryIO, counted))
            parts.append(replace(part, size=counted.count))
        copy = intake.commit(replace(point, parts=tuple(parts), copies=()), {})
    if point.held:
        target.hold(replace(point, copies=(copy,)), True)
    return copy


def _move(point: RestorePoint, copy: Copy, one: Missing, entry: Entry) -> bool:
    """The first copy goes only when the new one has been read to its end where it lies."""
    target = one.onward.destination
    began = clock.monotonic()
    target.verify(replace(point, copies=(copy,)), "all", entry.reporter)
    seconds = clock.monotonic() - began
    entry.prove(Proof(point.id, target.name, ProofState.VERIFIED, clock.now(), "all", seconds))
    one.source.remove([one.point], entry.reporter)
    entry.lose_copy(point, one.source.name)
    return True


def _failed(one: Missing, problem: HaechiError, seconds: float) -> Copied:
    return Copied(one.point, one.source.name, one.onward.destination.name, seconds, problem=problem)
