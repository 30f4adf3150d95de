"""Brings a restore point back: chosen, planned, carried out, compared, and written down as proof.

The default never destroys: what comes back lies beside what is there. Over it, only when asked, and only after
the present state has been saved as a point of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from haechi import clock
from haechi.errors import Damaged, HaechiError, NotVerified
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Outcome, Proof, ProofState, RestorePoint
from haechi.operations import hooks, locate
from haechi.operations.backup import back_up
from haechi.operations.desk import Desk, Entry
from haechi.operations.destinations.destination import Destination, GivesEntries, GivesTrees
from haechi.operations.service import Service
from haechi.sources._base import Foretelling, Foretold, PartReader, Restored, Wanted


@dataclass(frozen=True)
class RestorePlan:
    """What would be done: shown and confirmed before anything is."""

    service: Service
    point: RestorePoint  # with its facts
    source: Destination  # the copy that is read
    wanted: Wanted
    foretold: Foretold = field(default_factory=Foretold)


@dataclass(frozen=True)
class Brought:
    """What came back, how long it took, and the point that undoes an in-place restore."""

    point: RestorePoint
    restored: Restored
    seconds: float
    safety: RestorePoint | None = None
    unhooked: Mapping[str, HaechiError] = field(default_factory=dict)  # what was to be done after it


def plan(
    service: Service,
    reporter: Reporter,
    *,
    which: str = locate.LATEST,
    copy: str | None = None,
    wanted: Wanted,
) -> RestorePlan:
    """Find the point and the copy to read. Changes nothing."""
    sources = (service.destination(copy),) if copy else service.everywhere
    points = locate.gather(sources, service.name, reporter)
    point = locate.choose(points, which, service.zone)
    source = service.destination(point.copies[0].where)
    point, wanted = source.describe(point), with_checks(service, wanted)
    foretold = Foretold()
    if isinstance(service.source, Foretelling):
        foretold = service.source.foretell(point, readers(point, source, reporter), wanted, reporter)
    return RestorePlan(service, point, source, wanted, foretold)


def with_checks(service: Service, wanted: Wanted) -> Wanted:
    """What the plan asks of everything that comes back is asked of this."""
    if not service.checks:
        return wanted
    return replace(wanted, target={"checks": service.checks, **wanted.target})


def execute(planned: RestorePlan, desk: Desk, reporter: Reporter) -> Brought:
    """Carry the plan out. When it fails, what was there before is as it was."""
    service, point = planned.service, planned.point
    safety = None
    if planned.wanted.in_place:
        reporter.note(_("Saving the present state of {service} first.").format(service=service.name))
        safety = back_up(service, desk, reporter, tags=(locate.SAFETY,), retention=False).point
    with desk.alone_with(service.name), desk.run("restore", service.name, reporter) as entry:
        entry.point = point.id
        entry.bytes_read = point.size
        began = clock.monotonic()
        told = service.told("restore", entry.run, point.id)
        try:
            with hooks.around(service.hooks, "restore", told, entry.reporter) as hooked:
                parts = readers(point, planned.source, entry.reporter)
                restored = service.source.restore(point, parts, planned.wanted, entry.reporter)
                hooked.outcome = Outcome.SUCCESS if restored.equal else Outcome.FAILURE
        except (Damaged, NotVerified) as problem:
            # Only what is wrong with the copy speaks against it; a server that is away does not.
            _prove(planned, entry, ProofState.FAILED, began, error=problem.as_dict())
            raise
        _prove(
            planned,
            entry,
            ProofState.RESTORED if restored.equal else ProofState.FAILED,
            began,
            where=restored.where,
            compared=len(restored.comparisons),
            different=[c.what for c in restored.comparisons if not c.equal],
        )
        if hooked.failed:
            entry.outcome = Outcome.PARTIAL
            entry.error = next(iter(hooked.failed.values())).as_dict()
        return Brought(point, restored, clock.monotonic() - began, safety, hooked.failed)


def readers(point: RestorePoint, source: Destination, reporter: Reporter) -> dict[str, PartReader]:
    """The point's parts as its copy there gives them."""
    trees = source if isinstance(source, GivesTrees) else None
    entries = source if isinstance(source, GivesEntries) else None
    return {
        part.name: PartReader(
            part,
            partial(source.open_part, point, part.name),
            trees.unfolder(point, part.name, reporter) if trees and part.form == "tar" else None,
            entries.entries(point, part.name) if entries and part.form == "tar" else None,
        )
        for part in point.parts
    }


def _prove(planned: RestorePlan, entry: Entry, state: ProofState, began: float, **detail: object) -> None:
    if state is ProofState.RESTORED and planned.wanted.only:
        return  # a part that came back proves that part, not the point
    seconds = clock.monotonic() - began
    entry.prove(Proof(planned.point.id, planned.source.name, state, clock.now(), "restore", seconds, detail))
