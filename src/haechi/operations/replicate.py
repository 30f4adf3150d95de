"""Brings copies onwards, from one destination to another: off-site, to the NAS, into a vault with another key.

The service itself is not asked again. What is missing over there and would stay there is brought, the newest first;
so a destination that was away gets what it has missed the next time. That holds as well for those that backups are
written to directly: one that was away gets its copy from another one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import BinaryIO, cast

from haechi import clock
from haechi.errors import (
    ClockWrong,
    HaechiError,
    KeysExpired,
    KeysWrong,
    NotThere,
    StoreRefused,
    StoreUnavailable,
)
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Copy, Keep, Outcome, PartInfo, Proof, ProofState, RestorePoint
from haechi.operations import locate
from haechi.operations.desk import Desk, Entry
from haechi.operations.destinations.carrying import Counted
from haechi.operations.destinations.destination import (
    PLAN,
    CopiesFrom,
    Destination,
    GivesAttachments,
    GivesEntries,
    ReadsBack,
    TakesEntries,
)
from haechi.operations.destinations.mirrored import kept_again
from haechi.operations.service import Onward, Service
from haechi.retention import decide
from haechi.schedule import Window


@dataclass(frozen=True)
class Copied:
    """What came of one point; `problem` is why it did not arrive, or why the first copy did not go."""

    point: RestorePoint
    source: str
    target: str
    seconds: float
    copy: Copy | None = None
    moved: bool = False
    problem: HaechiError | None = None


@dataclass(frozen=True)
class Missing:
    """One point on its way, as planned. `there`: it has arrived already, and its first copy is to go."""

    point: RestorePoint
    source: Destination
    onward: Onward
    there: Copy | None = None


@dataclass(frozen=True)
class Planned:
    """What would be brought, the newest first; which destinations could not be asked, and which wait for their
    hours."""

    missing: Sequence[Missing]
    away: Mapping[str, HaechiError]
    waiting: Mapping[str, Window] = field(default_factory=dict)


def plan(
    service: Service,
    *,
    to: Collection[str] = (),
    by_itself: bool = False,
    without: Collection[str] = (),
    at_any_hour: bool = False,
) -> Planned:
    """What is missing where. Changes nothing. `by_itself`: only what goes onwards without being asked; `without`:
    destinations that are known to be away."""
    missing: list[Missing] = []
    away: dict[str, HaechiError] = {}
    waiting: dict[str, Window] = {}
    for onward in _ways(service):
        target = onward.destination
        if (to and target.name not in to) or (by_itself and not onward.by_itself) or target.name in without:
            continue
        if not at_any_hour and not _is_time(onward, service):
            assert onward.hours
            waiting[target.name] = onward.hours
            continue
        try:
            if onward in service.onward:
                source = service.destination(onward.source)
                missing += [Missing(point, source, onward) for point in _missing(service, source, target)]
                missing += _to_go(service, source, onward) if onward.move else ()
            else:
                missing += _made_up(service, onward, without)
        except HaechiError as problem:
            away[target.name] = problem
    return Planned(missing, away, waiting)


def execute(
    service: Service,
    planned: Sequence[Missing],
    desk: Desk,
    reporter: Reporter,
    *,
    at_any_hour: bool = False,
) -> list[Copied]:
    """Bring them. One that fails does not stop the others, unless its destination is away or refuses us."""
    done: list[Copied] = []
    if not planned:
        return done
    with desk.alone_with(f"{service.name}.copy"), desk.run("copy", service.name, reporter) as entry:
        away: dict[str, HaechiError] = {}  # by either end
        late: set[str] = set()
        for one in planned:
            target = one.onward.destination
            if closed := away.get(target.name) or away.get(one.source.name):
                done.append(_failed(one, closed, 0.0))
                continue
            if one.there or not (at_any_hour or _in_time(one, service, late, entry.reporter)):
                continue
            result = bring(service, one, entry)
            if isinstance(result.problem, StoreUnavailable):
                away[target.name] = result.problem
            elif isinstance(result.problem, StoreRefused):
                away |= _refusing(service, one, result.problem)
            done.append(result)
        done += _move_all(service, planned, done, entry)
        failed = [one.problem for one in done if one.problem]
        if failed:
            entry.outcome = Outcome.PARTIAL if any(one.copy for one in done) else Outcome.FAILURE
            entry.error = failed[0].as_dict()
        entry.bytes_read = sum(one.point.size for one in done if one.copy)
        entry.bytes_stored = sum(one.copy.size for one in done if one.copy)
    return done


def _ways(service: Service) -> Iterator[Onward]:
    """What the plan copies, after what the destinations of backups lack."""
    if len(service.destinations) > 1:
        yield from (Onward(destination) for destination in service.destinations)
    yield from service.onward


def _made_up(service: Service, onward: Onward, without: Collection[str]) -> list[Missing]:
    """What a destination of backups lacks, each from the first of the others that has it. Files that somebody else
    has put into an archive are no backups of ours."""
    target = onward.destination
    target.points(service.name)  # it may be this one that is away, and not those that it gets its copies from
    found: dict[str, Missing] = {}
    for source in service.destinations:
        if source.name == target.name or source.name in without:
            continue
        with suppress(HaechiError):
            for point in _missing(service, source, target):
                if point.source:
                    found.setdefault(point.id, Missing(point, source, onward))
    return sorted(found.values(), key=lambda one: one.point.time, reverse=True)


def _is_time(onward: Onward, service: Service) -> bool:
    return onward.hours is None or onward.hours.covers(clock.now(), service.zone)


def _in_time(one: Missing, service: Service, late: set[str], reporter: Reporter) -> bool:
    """What was planned within the hours may come to its turn after them; a point under way goes to its end."""
    name = one.onward.destination.name
    if name not in late and not _is_time(one.onward, service):
        late.add(name)
        reporter.note(
            _("{where}: its hours ({hours}) are over; the rest waits for them.").format(
                where=name, hours=one.onward.hours
            )
        )
    return name not in late


def _refusing(service: Service, one: Missing, problem: StoreRefused) -> dict[str, HaechiError]:
    """Which of the two ends lets us in no more, such as with keys that have expired, and why. Where both still do,
    what was refused was this one point alone."""
    found: dict[str, HaechiError] = {}
    for end in (one.onward.destination, one.source):
        try:
            end.points(service.name)
        except HaechiError as trouble:
            found[end.name] = trouble
    if not found and isinstance(problem, KeysExpired | KeysWrong | ClockWrong):
        found[one.onward.destination.name] = problem  # of what is known already nobody had to ask the storage
    return found


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


def _to_go(service: Service, source: Destination, onward: Onward) -> list[Missing]:
    """What has arrived over there, and whose first copy is here still: a run that was cut short left it."""
    there = {point.id: point for point in onward.destination.points(service.name)}
    return [
        Missing(point, source, onward, there[point.id].copies[0])
        for point in source.points(service.name)
        if point.id in there and not point.held
    ]


def bring(
    service: Service, one: Missing, entry: Entry, make_room: Callable[[], None] | None = None
) -> Copied:
    """One point, with whatever goes wrong told by the result. `make_room` takes away what stands in its place: as
    late as the target allows, where it can after the new copy has been read back."""
    began = clock.monotonic()
    target = one.onward.destination
    try:
        point = one.source.describe(one.point)
        copy = _carry(service, point, one.source, target, entry.reporter, make_room or (lambda: None))
        entry.keep_copy(replace(point, copies=(*point.copies, copy)))
    except HaechiError as problem:
        return _failed(one, problem, clock.monotonic() - began)
    return Copied(point, one.source.name, target.name, clock.monotonic() - began, copy)


def _carry(
    service: Service,
    point: RestorePoint,
    source: Destination,
    target: Destination,
    reporter: Reporter,
    make_room: Callable[[], None],
) -> Copy:
    """By the way of their own where the two have one; else part by part, as a backup would."""
    if isinstance(target, CopiesFrom):
        copy = target.copy_from(source, point, reporter)
        if copy is not None:
            return copy
    parts: list[PartInfo] = []
    with target.intake(service.name, reporter) as intake:
        if not isinstance(intake, ReadsBack):
            make_room()  # nobody would know that the new one lies there
        for part in point.parts:
            title = _("{point} to {where}: {part}").format(point=point.id, where=target.name, part=part.name)
            every = source.entries(point, part.name) if isinstance(source, GivesEntries) else None
            if every is not None and isinstance(intake, TakesEntries):
                size = intake.entries(kept_again(part, every), reporter)
                parts.append(replace(part, size=size))
                continue
            with (
                reporter.step(title, part.size or None) as step,
                source.open_part(point, part.name) as stream,
            ):
                counted = Counted(stream, step)
                intake.part(part, cast(BinaryIO, counted))
            parts.append(replace(part, size=counted.count))
        if isinstance(intake, ReadsBack):
            intake.read_back()
            make_room()
        copy = intake.commit(replace(point, parts=tuple(parts), copies=()), _beside(source, point))
    if point.held:
        target.hold(replace(point, copies=(copy,)), True)
    return copy


def _beside(source: Destination, point: RestorePoint) -> dict[str, bytes]:
    """The plan that was kept beside it: this may be all that survives."""
    if isinstance(source, GivesAttachments):
        with suppress(NotThere):
            return {PLAN: source.attachment(point, PLAN)}
    return {}


def _move_all(
    service: Service, planned: Sequence[Missing], done: Sequence[Copied], entry: Entry
) -> list[Copied]:
    """The first copies go last, and only those that nobody else is to be copied from any more."""
    arrived = {(one.point.id, one.source, one.target): one.copy for one in done if one.copy}
    moved: list[Copied] = []
    lacking: dict[tuple[str, str], Callable[[str], str]] = {}
    for one in planned:
        target = one.onward.destination
        copy = one.there or arrived.get((one.point.id, one.source.name, target.name))
        if not one.onward.move or copy is None or one.point.held:
            continue
        way = one.source.name, target.name
        if way not in lacking:
            lacking[way] = _who_lacks(service, one.source, target)
        if waits := lacking[way](one.point.id):
            entry.reporter.note(
                _("{point} stays in {where} until {other} has it, too.").format(
                    point=one.point.id, where=one.source.name, other=waits
                )
            )
            continue
        began = clock.monotonic()
        try:
            _move(one.point, copy, one, entry)
            moved.append(Copied(one.point, *way, clock.monotonic() - began, moved=True))
        except HaechiError as problem:
            moved.append(_failed(one, problem, clock.monotonic() - began))
    return moved


def _who_lacks(service: Service, source: Destination, target: Destination) -> Callable[[str], str]:
    """Who else is copied to from there and has not got a point yet; nothing when nobody waits for it."""
    waiting: dict[str, str] = {}
    unknown = ""
    for other in service.onward:
        name = other.destination.name
        if name == target.name or service.destination(other.source).name != source.name:
            continue
        try:
            waiting |= {point.id: name for point in _missing(service, source, other.destination)}
        except HaechiError:  # what it has nobody knows now
            unknown = name
    return lambda point: unknown or waiting.get(point, "")


def _move(point: RestorePoint, copy: Copy, one: Missing, entry: Entry) -> None:
    """The first copy goes only when the new one has been read to its end where it lies."""
    target = one.onward.destination
    began = clock.monotonic()
    target.verify(replace(point, copies=(copy,)), "all", entry.reporter)
    seconds = clock.monotonic() - began
    entry.prove(Proof(point.id, target.name, ProofState.VERIFIED, clock.now(), "all", seconds))
    one.source.remove([one.point], entry.reporter)
    entry.lose_copy(point, one.source.name)


def _failed(one: Missing, problem: HaechiError, seconds: float) -> Copied:
    return Copied(one.point, one.source.name, one.onward.destination.name, seconds, problem=problem)
