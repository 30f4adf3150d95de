"""Takes a restore point of a service: captured once, carried to every destination, looked at again, then recorded.

The story of a backup, top to bottom. Nothing old is touched before the new point counts; a destination that is
away does not fail the others.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from haechi import clock
from haechi.errors import HaechiError, PartlyDone
from haechi.events import Reporter, Step
from haechi.i18n import _
from haechi.model import Outcome, PartInfo, Proof, ProofState, RestorePoint
from haechi.operations import retain
from haechi.operations.carrying import Counted, carry
from haechi.operations.desk import Desk, Entry
from haechi.operations.destination import Destination, Intake, TakesTrees
from haechi.operations.service import Service
from haechi.sources._base import Capture, Part


@dataclass(frozen=True)
class BackedUp:
    """What a backup came to. `failed` names the destinations that did not get their copy."""

    point: RestorePoint
    failed: Mapping[str, HaechiError] = field(default_factory=dict)
    seconds: float = 0.0
    bytes_read: int = 0
    bytes_stored: int = 0
    expired: int = 0

    def raise_if_partial(self) -> None:
        if self.failed:
            raise PartlyDone(
                _("{service}: the copy for {names} is missing.").format(
                    service=self.point.service, names=", ".join(self.failed)
                ),
                hint="\n".join(f"{name}: {e.message} {e.hint}".strip() for name, e in self.failed.items()),
            )


def back_up(
    service: Service, desk: Desk, reporter: Reporter, *, tags: Sequence[str] = (), retention: bool = True
) -> BackedUp:
    """Take one restore point. Raises if no destination got a copy; a partial success is told by the result."""
    with desk.alone_with(service.name), desk.run("backup", service.name, reporter) as entry:
        began = clock.monotonic()
        taken = _take(service, desk, entry, tuple(tags))
        failed = {**taken.failed, **_look_again(service, entry, taken.point)}
        if len(failed) == len(service.destinations):
            raise next(iter(failed.values()))
        expired = 0
        if retention and not failed:
            expired = retain.after_backup(service, desk, entry.reporter)
        entry.outcome = Outcome.PARTIAL if failed else Outcome.SUCCESS
        entry.error = next((e.as_dict() for e in failed.values()), {})
        return replace(taken, failed=failed, expired=expired, seconds=clock.monotonic() - began)


def _take(service: Service, desk: Desk, entry: Entry, tags: tuple[str, ...]) -> BackedUp:
    reporter = entry.reporter
    with ExitStack() as stack:
        capture = stack.enter_context(service.source.capture(reporter))
        failed: dict[str, HaechiError] = {}
        intakes = _open_intakes(service.destinations, service.name, reporter, stack, failed)
        parts = _carry_all(capture, intakes, reporter, failed)
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
    capture: Capture, intakes: dict[str, Intake], reporter: Reporter, failed: dict[str, HaechiError]
) -> list[PartInfo]:
    """Every part to every intake; an intake that fails is out from then on."""
    carried = []
    for part in capture.parts:
        with reporter.step(part.info.name, part.expected) as step:
            size, lost = _carry_one(part, intakes, reporter.within(step), step)
        for name, problem in lost.items():
            failed[name] = problem
            del intakes[name]
        if not intakes:
            raise next(iter(lost.values()))
        carried.append(replace(part.info, size=size))
    return carried


def _carry_one(
    part: Part, intakes: Mapping[str, Intake], reporter: Reporter, step: Step
) -> tuple[int, dict[str, HaechiError]]:
    """A tree as a tree to those who take it so, and as a stream to the others."""
    size, lost = 0, dict[str, HaechiError]()
    growing = {name: i for name, i in intakes.items() if part.tree and isinstance(i, TakesTrees)}
    for name, intake in growing.items():
        assert part.tree
        try:
            size = intake.tree(part.info, part.tree, reporter)
        except HaechiError as problem:
            lost[name] = problem
    streaming = {name: intake for name, intake in intakes.items() if name not in growing}
    if streaming:
        with part.open() as stream:
            counted = Counted(stream, step)
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
            copies.append(intake.commit(point, {"plan.toml": desk.plan.text.encode()}))
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
