"""Takes a restore point of a service: captured once, carried to every destination, looked at again, then recorded.

The story of a backup, top to bottom. Nothing old is touched before the new point counts; a destination that is
away does not fail the others.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from haechi import clock, process
from haechi.errors import DeadlinePassed, HaechiError, JournalUnavailable, PartlyDone, StoreUnavailable
from haechi.events import Reporter, Step
from haechi.i18n import _
from haechi.model import Outcome, PartInfo, Proof, ProofState, RestorePoint
from haechi.operations import hooks, retain
from haechi.operations.desk import Desk, Entry
from haechi.operations.destinations.carrying import Counted, Siblings, carry
from haechi.operations.destinations.destination import (
    PLAN,
    Destination,
    Intake,
    OpensAhead,
    TakesEntries,
    TakesSeveral,
    TakesTrees,
)
from haechi.operations.service import Service
from haechi.operations.watching import anomalies
from haechi.sources._base import Capture, Part

_PAUSES = (5, 30)  # seconds before a capture that broke off is begun anew


@dataclass(frozen=True)
class BackedUp:
    """What a backup came to. `failed` names the destinations that did not get their copy, `unhooked` what was to be
    done after it and did not go well."""

    point: RestorePoint
    failed: Mapping[str, HaechiError] = field(default_factory=dict)
    seconds: float = 0.0
    bytes_read: int = 0
    bytes_stored: int = 0
    expired: int = 0
    copied: int = 0  # points that were brought onwards afterwards
    usual: bool = True  # alike those before it; else old points stay until a person has looked
    unhooked: Mapping[str, HaechiError] = field(default_factory=dict)

    def raise_if_partial(self) -> None:
        if self.failed:
            raise PartlyDone(
                _("{service}: the copy for {names} is missing.").format(
                    service=self.point.service, names=", ".join(self.failed)
                ),
                hint="\n".join(f"{name}: {e.message} {e.hint}".strip() for name, e in self.failed.items()),
            )
        hooks.raise_if_any_failed(self.point.service, self.unhooked)


def back_up(
    service: Service, desk: Desk, reporter: Reporter, *, tags: Sequence[str] = (), retention: bool = True
) -> BackedUp:
    """Take one restore point. Raises if no destination got a copy; a partial success is told by the result."""
    with desk.alone_with(service.name), desk.run("backup", service.name, reporter) as entry:
        began = clock.monotonic()
        with hooks.around(
            service.hooks, "backup", service.told("backup", entry.run), entry.reporter
        ) as hooked:
            taken = _take_patiently(service, desk, entry, tuple(tags))
            hooked.point = taken.point.id
            failed = {**taken.failed, **_look_again(service, entry, taken.point)}
            if len(failed) == len(service.destinations):
                raise next(iter(failed.values()))
            hooked.outcome = Outcome.PARTIAL if failed else Outcome.SUCCESS
        expired = 0
        seconds = clock.monotonic() - began
        usual = not _unusual(service, desk, entry, seconds)
        if retention and not failed and usual:
            expired = retain.after_backup(service, desk, entry.reporter)
        problems = {**failed, **hooked.failed}
        entry.outcome = Outcome.PARTIAL if problems else Outcome.SUCCESS
        entry.error = next((e.as_dict() for e in problems.values()), {})
        return replace(
            taken, failed=failed, expired=expired, seconds=seconds, unhooked=hooked.failed, usual=usual
        )


def _unusual(service: Service, desk: Desk, entry: Entry, seconds: float) -> bool:
    """Whether it, or one since a person last looked, is unlike those before it: then old points stay."""
    before: list[anomalies.Measure] = []
    with suppress(JournalUnavailable):  # without a history nothing is unusual
        runs = desk.journal.runs(service=service.name, operation="backup", limit=anomalies.HISTORY + 1)
        accepted = desk.journal.runs(service=service.name, operation=anomalies.ACCEPT, limit=1)
        before = anomalies.history(runs, accepted)
    found = anomalies.look(anomalies.Measure(entry.bytes_read, entry.bytes_stored, seconds), before)
    if found:
        anomalies.notice(desk, service.name, found, entry.reporter)
    for what in found:
        entry.reporter.warn(
            _("{service}: {what}. No old point is let go until you have looked: haechi alarms").format(
                service=service.name, what=what
            )
        )
    with suppress(JournalUnavailable):  # without the journal retention lets nothing go by itself
        return anomalies.standing(desk, service.name) is not None
    return bool(found)


def _take_patiently(service: Service, desk: Desk, entry: Entry, tags: tuple[str, ...]) -> BackedUp:
    """A capture that breaks off under way, as when a connection is lost, is begun anew: never spliced.

    What fails before the first has begun is told at once, to somebody who may be watching. A storage was patient
    already.
    """
    begun = threading.Event()
    for pause in (*_PAUSES, None):
        try:
            return _take(service, desk, entry, tags, begun)
        except (DeadlinePassed, StoreUnavailable):
            raise
        except HaechiError as problem:
            if pause is None or not problem.retryable or not begun.is_set() or process.interrupted():
                raise
            entry.reporter.warn(
                _("{service}: {reason} Beginning anew in {seconds} seconds.").format(
                    service=service.name, reason=problem.message, seconds=pause
                )
            )
            _wait(pause)
            if process.interrupted():
                raise
    raise AssertionError("the last try returns or raises")


def _wait(seconds: float) -> None:
    """Not a moment longer than whoever wants us to end."""
    until = clock.monotonic() + seconds
    while clock.monotonic() < until and not process.interrupted():
        clock.sleep(0.2)


def _take(
    service: Service, desk: Desk, entry: Entry, tags: tuple[str, ...], begun: threading.Event
) -> BackedUp:
    reporter = entry.reporter
    for destination in service.destinations:
        if isinstance(destination, OpensAhead):
            destination.begin()
    with ExitStack() as stack:
        capture = stack.enter_context(service.source.capture(reporter))
        failed: dict[str, HaechiError] = {}
        intakes = _open_intakes(service.destinations, service.name, reporter, stack, failed)
        begun.set()
        parts = _carry_all(capture, intakes, reporter, failed, desk)
        with reporter.step(_("{service}: counting what was saved").format(service=service.name), unit=""):
            facts = capture.facts()
        point = RestorePoint(
            id=f"{capture.time:%Y%m%dT%H%M%SZ}-{service.name}-{secrets.token_hex(2)}",
            service=service.name,
            source=service.kind,
            time=capture.time,
            run=entry.run,
            host=desk.host,
            size=sum(part.size for part in parts),
            parts=tuple(parts),
            facts=facts,
            tags=(*service.tags, *tags),
            plan_digest=desk.plan.digest,
        )
        point = _commit(point, desk, intakes, failed)
    entry.take_down(point)
    entry.bytes_read = point.size
    entry.bytes_stored = sum(copy.size for copy in point.copies)
    return BackedUp(point, failed, bytes_read=entry.bytes_read, bytes_stored=entry.bytes_stored)


def _open_intakes(
    destinations: Sequence[Destination],
    service: str,
    reporter: Reporter,
    stack: ExitStack,
    failed: dict[str, HaechiError],
) -> dict[str, Intake]:
    intakes: dict[str, Intake] = {}
    for destination in destinations:
        try:
            intakes[destination.name] = stack.enter_context(destination.intake(service, reporter))
        except HaechiError as problem:
            failed[destination.name] = problem
    if not intakes:
        raise next(iter(failed.values()))
    return intakes


def _carry_all(
    capture: Capture,
    intakes: dict[str, Intake],
    reporter: Reporter,
    failed: dict[str, HaechiError],
    desk: Desk,
) -> list[PartInfo]:
    """Every part to every intake, several at once where all can; an intake that fails is out from then on."""
    guard = threading.Lock()
    siblings = Siblings()

    def bring(part: Part) -> PartInfo:
        with desk.slots, siblings.together(), reporter.step(part.info.name, part.expected) as step:
            with guard:
                takers = dict(intakes)
            size, lost = _carry_one(part, takers, reporter.within(step), step, siblings)
            with guard:
                for name, problem in lost.items():
                    failed.setdefault(name, problem)
                    intakes.pop(name, None)
                if not intakes:
                    raise next(iter(failed.values()))
        return replace(part.info, size=size)

    several = all(isinstance(intake, TakesSeveral) and intake.side_by_side for intake in intakes.values())
    if len(capture.parts) == 1 or not several:
        return [bring(part) for part in capture.parts]
    with ThreadPoolExecutor(desk.parallel, thread_name_prefix="part") as pool:
        under_way = [pool.submit(bring, part) for part in capture.parts]
        try:
            return [one.result() for one in under_way]
        except BaseException as problem:
            for one in under_way:
                one.cancel()
            if isinstance(problem, HaechiError) and siblings.cause:
                raise siblings.cause from None
            raise


def _carry_one(
    part: Part, intakes: Mapping[str, Intake], reporter: Reporter, step: Step, siblings: Siblings
) -> tuple[int, dict[str, HaechiError]]:
    """A tree as a tree to those who take it so, entries as entries, and a stream to the others."""
    size, lost = 0, dict[str, HaechiError]()
    growing = []
    for name, intake in intakes.items():
        try:
            if part.tree and isinstance(intake, TakesTrees):
                growing.append(name)
                size = intake.tree(part, reporter)
            elif part.entries and isinstance(intake, TakesEntries):
                growing.append(name)
                size = intake.entries(part, reporter)
        except HaechiError as problem:
            lost[name] = problem
    streaming = {name: intake for name, intake in intakes.items() if name not in growing}
    if streaming:
        with part.open() as stream, siblings.reading(stream):
            counted = Counted(stream, step, siblings)
            try:
                lost |= carry(part.info, counted, streaming)  # type: ignore[arg-type]
            except HaechiError as problem:
                if counted.failed:
                    raise  # it would fail for everybody
                lost |= dict.fromkeys(streaming, problem)
        size = size or counted.count
    return size, lost


def _commit(
    point: RestorePoint, desk: Desk, intakes: Mapping[str, Intake], failed: dict[str, HaechiError]
) -> RestorePoint:
    copies = []
    for name, intake in intakes.items():
        try:
            copies.append(intake.commit(point, {PLAN: desk.plan.text.encode()}))
        except HaechiError as problem:
            failed[name] = problem
    if not copies:
        raise next(iter(failed.values()))
    return replace(point, copies=tuple(copies))


def _look_again(service: Service, entry: Entry, point: RestorePoint) -> dict[str, HaechiError]:
    """A copy that cannot be found whole right after it was written never counts."""
    failed: dict[str, HaechiError] = {}
    for copy in point.copies:
        began = clock.monotonic()
        state = ProofState.TAKEN
        try:
            service.destination(copy.where).verify(point, "structure", entry.reporter)
        except HaechiError as problem:
            failed[copy.where] = problem
            state = ProofState.FAILED
        seconds = clock.monotonic() - began
        entry.prove(Proof(point.id, copy.where, state, clock.now(), "structure", seconds))
    return failed
