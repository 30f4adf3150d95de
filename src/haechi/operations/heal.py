"""Mends the copies of a service from one another.

A vault gets its damaged blobs from the other vaults; a damaged copy in an archive is made anew from one that was read
to its end just now. Nothing is taken away before something whole has been found to put in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from haechi import clock
from haechi.errors import Damaged, HaechiError
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Outcome, Proof, ProofState, RestorePoint
from haechi.operations import replicate
from haechi.operations.desk import Desk, Entry
from haechi.operations.destinations.destination import Destination
from haechi.operations.destinations.into_vault import VaultDestination
from haechi.operations.destinations.later import Later
from haechi.operations.replicate import Missing
from haechi.operations.service import Onward, Service
from haechi.vault.heal import HealReport, heal


@dataclass(frozen=True)
class Healed:
    """One copy that was damaged. `source` is where what is whole came from; `problem`: why it is damaged still."""

    point: RestorePoint
    where: str
    source: str = ""
    problem: HaechiError | None = None


@dataclass(frozen=True)
class Mended:
    """What came of one service."""

    vaults: dict[str, HealReport]
    copies: Sequence[Healed]

    @property
    def healthy(self) -> bool:
        return all(report.healthy for report in self.vaults.values()) and not any(
            c.problem for c in self.copies
        )


def mend(service: Service, desk: Desk, reporter: Reporter) -> Mended:
    """Every copy of the service is read to its end, and what is damaged mended. One that is away is left alone."""
    with desk.alone_with(f"{service.name}.copy"), desk.run("heal", service.name, reporter) as entry:
        vaults = _vaults(service, entry.reporter)
        copies = [
            _mend(service, destination, point, problem, entry)
            for destination in service.everywhere
            if destination.name not in vaults
            for point, problem in _damaged(service, destination, entry)
        ]
        done = Mended(vaults, copies)
        if not done.healthy:
            entry.outcome = Outcome.PARTIAL
            entry.error = next((c.problem.as_dict() for c in copies if c.problem), {"code": Damaged.code})
        return done


def _vaults(service: Service, reporter: Reporter) -> dict[str, HealReport]:
    """Each from all the others that can be reached."""
    known: dict[str, VaultDestination] = {}
    for destination in service.everywhere:
        try:
            real = destination.real if isinstance(destination, Later) else destination
        except HaechiError as problem:
            reporter.warn(f"{destination.name}: {problem.message}")
            continue
        if isinstance(real, VaultDestination):
            known[real.name] = real
    reports = {}
    for name, one in known.items():
        others = [other.vault for other in known.values() if other.name != name]
        with reporter.step(_("{where}: reading every byte").format(where=name), unit=""):
            reports[name] = heal(one.vault, others, reporter=reporter)
    return reports


def _damaged(
    service: Service, destination: Destination, entry: Entry
) -> list[tuple[RestorePoint, HaechiError]]:
    found: list[tuple[RestorePoint, HaechiError]] = []
    try:
        points = [point for point in destination.points(service.name) if point.source]
    except HaechiError as problem:
        entry.reporter.warn(f"{destination.name}: {problem.message}")
        return found
    for point in points:
        try:
            destination.verify(point, "all", entry.reporter)
        except Damaged as problem:
            found.append((point, problem))
        except HaechiError as problem:  # it went away: that says nothing about the copy
            entry.reporter.warn(f"{destination.name}: {problem.message}")
            return found
    return found


def _mend(
    service: Service, destination: Destination, point: RestorePoint, problem: HaechiError, entry: Entry
) -> Healed:
    """The damaged copy goes when another one has been read to its end, and where the destination can have both when
    the new one has been read back there: half of it may be worth something while the line may still break."""
    gone = False

    def make_room() -> None:
        nonlocal gone
        if not gone:
            destination.remove([point], entry.reporter)
            entry.lose_copy(point, destination.name)
            gone = True

    for source in service.everywhere:
        if source.name == destination.name:
            continue
        try:
            there = next((p for p in source.points(service.name) if p.id == point.id), None)
            if there is None:
                continue
            source.verify(there, "all", entry.reporter)
            whole = source.describe(there)
            copied = replicate.bring(service, Missing(whole, source, Onward(destination)), entry, make_room)
            if copied.copy is None:
                problem = copied.problem or problem
                continue
            destination.verify(replace(whole, copies=(copied.copy,)), "all", entry.reporter)
            entry.prove(Proof(point.id, destination.name, ProofState.VERIFIED, clock.now(), "all"))
            return Healed(point, destination.name, source.name)
        except HaechiError as trouble:
            problem = trouble
    return Healed(point, destination.name, problem=problem)
