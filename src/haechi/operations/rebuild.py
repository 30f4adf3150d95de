"""Makes the journal's record of restore points again from what lies in the vaults and archives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from haechi.errors import HaechiError, PartlyDone
from haechi.events import Reporter
from haechi.i18n import _
from haechi.journal.book import Journal, RebuildReport
from haechi.model import RestorePoint
from haechi.operations.destinations.destination import Destination


@dataclass(frozen=True)
class Rebuilt:
    """What came of it. What could not be read is as it was in the journal."""

    report: RebuildReport
    failed: Mapping[str, HaechiError]

    def raise_if_partial(self) -> None:
        if self.failed:
            raise PartlyDone(
                _("Not all could be read: {names}.").format(names=", ".join(self.failed)),
                hint=_("What the journal knew about them is as it was. Run it again once they answer."),
            )


def rebuild(
    places: Iterable[tuple[Destination, str | None]], journal: Journal, reporter: Reporter
) -> Rebuilt:
    """Read these destinations, each as a whole or for one service. Idempotent; keeps runs and proofs."""
    points: list[RestorePoint] = []
    read: list[tuple[str, str | None]] = []
    failed: dict[str, HaechiError] = {}
    for destination, service in places:
        title = _("Reading {name}").format(name=destination.name)
        try:
            with reporter.step(title, unit=_("points")) as step:
                found = destination.points(service)
                step.advance(len(found))
        except HaechiError as problem:
            failed[destination.name] = problem
            reporter.warn(f"{destination.name}: {problem.message}")
            continue
        points += found
        read.append((destination.name, service))
    return Rebuilt(journal.rebuild(points, read), failed)
