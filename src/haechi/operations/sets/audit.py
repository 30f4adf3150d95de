"""Audits the references between a set's services: what one names must exist in the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from haechi.errors import UsageMistake
from haechi.events import Reporter, Step
from haechi.i18n import _
from haechi.model import Outcome
from haechi.operations.desk import Desk
from haechi.operations.service import Service
from haechi.operations.sets.recovery_set import RecoverySet, Reference
from haechi.sources._base import Answering, Searchable

SHOWN = 20


@dataclass(frozen=True)
class Finding:
    """One reference into one service: how many values were looked for, and which are not there."""

    reference: Reference
    service: str
    checked: int
    dangling: int
    first: tuple[str, ...]  # of the dangling ones, as many as were asked for

    @property
    def holds(self) -> bool:
        return not self.dangling


def demand(of: RecoverySet) -> None:
    """Raise unless every reference can be audited. Asks no service anything."""
    for reference in of.references:
        asked = of.member(reference.of)
        if not isinstance(asked.source, Answering):
            raise _unable(asked, _("answers no SQL"))
        for name in reference.exists_in:
            if not isinstance(of.member(name).source, Searchable):
                raise _unable(of.member(name), _("cannot be searched for references"))


def audit(
    of: RecoverySet, desk: Desk, reporter: Reporter, *, beside: bool = False, shown: int | None = SHOWN
) -> list[Finding]:
    """Ask every reference, of what is in use or, with `beside`, of what has come back. Dangling ones are a result.

    `shown` is how many of them are named each time; None names all.
    """
    demand(of)
    if not of.references:
        return []
    with desk.run("set-audit", of.name, reporter) as entry:
        findings = [
            _look(of, reference, name, entry.reporter, beside, shown)
            for reference in of.references
            for name in reference.exists_in
        ]
        broken = [finding for finding in findings if not finding.holds]
        if broken:
            entry.outcome = Outcome.FAILURE
            entry.error = {
                "code": "not-verified",
                "message": "; ".join(f"{f.reference.of} → {f.service}: {f.dangling}" for f in broken),
            }
        return findings


def _look(
    of: RecoverySet, reference: Reference, name: str, reporter: Reporter, beside: bool, shown: int | None
) -> Finding:
    asked, searched = of.member(reference.of).source, of.member(name).source
    assert isinstance(asked, Answering) and isinstance(searched, Searchable)
    title = _("references of {service} in {other}").format(service=reference.of, other=name)
    with reporter.step(title, unit=_("values")) as step:
        values = _Counted(asked.values(reference.sql, reference.database, beside=beside), step)
        dangling, first = 0, list[str]()
        for value in searched.missing(values, reference.where.get(name, ""), beside=beside):
            dangling += 1
            if shown is None or len(first) < shown:
                first.append(value)
    return Finding(reference, name, values.count, dangling, tuple(first))


class _Counted:
    def __init__(self, values: Iterable[str], step: Step):
        self._values = values
        self._step = step
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        for value in self._values:
            self.count += 1
            self._step.advance(1)
            yield value


def _unable(service: Service, what: str) -> UsageMistake:
    return UsageMistake(
        _("“{service}” is of the kind “{kind}”, which {what}.").format(
            service=service.name, kind=service.kind, what=what
        ),
        hint=_("Take this reference out of the set's audit."),
    )
