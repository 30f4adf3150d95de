"""Brings a recovery set back: every member beside, each compared, references audited, and only then all swapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from haechi import clock
from haechi.errors import HaechiError, NotThere, PartlyDone, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Outcome
from haechi.operations import exchange, locate, restore
from haechi.operations.desk import Desk
from haechi.operations.restore import Brought, RestorePlan
from haechi.operations.sets import audit as set_audit
from haechi.operations.sets import freezing, recovery_set
from haechi.operations.sets.audit import Finding
from haechi.operations.sets.recovery_set import RecoverySet, SetPoint
from haechi.sources._base import Exchangeable, Wanted


@dataclass(frozen=True)
class SetPlan:
    """What would be done: every member's copy has been found, and can be asked what will be asked of it."""

    set: RecoverySet
    point: SetPoint
    members: tuple[RestorePlan, ...]


@dataclass(frozen=True)
class SetBrought:
    """What came back. `swapped` is empty if something was not as it should be."""

    point: SetPoint
    brought: Mapping[str, Brought]
    findings: Sequence[Finding] = ()
    swapped: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def different(self) -> list[str]:
        """Members that are not what was saved."""
        return [name for name, done in self.brought.items() if not done.restored.equal]

    @property
    def dangling(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.holds]

    @property
    def good(self) -> bool:
        return not self.different and not self.dangling


def plan(
    of: RecoverySet,
    reporter: Reporter,
    *,
    which: str = locate.LATEST,
    copy: str | None = None,
    without: Sequence[str] = (),
    targets: Mapping[str, Mapping[str, str]] | None = None,
    jobs: int = 2,
) -> SetPlan:
    """Find the point and a copy of each member. Raises, before anything is touched, if one is missing."""
    targets = targets or {}
    found = recovery_set.points(of, reporter, copy)
    if without:
        found = [replace(p, lacking=tuple(n for n in p.lacking if n not in without)) for p in found]
    chosen = recovery_set.without(of, [*without])
    point = recovery_set.choose(found, which, of)
    lacking = [*point.lacking, *(m.name for m in chosen.members if m.name not in point.points)]
    if lacking:
        raise NotThere(
            _("{run} lacks {names}: nothing was touched.").format(
                run=point.run, names=", ".join(dict.fromkeys(lacking))
            ),
            hint=_("Choose a whole point (haechi set list), or leave them out: --without {names}").format(
                names=",".join(dict.fromkeys(lacking))
            ),
        )
    for member in chosen.members:
        if not isinstance(member.source, Exchangeable) and member.name not in targets:
            raise UsageMistake(
                _("“{service}” is not restored beside, so it cannot come back with the others.").format(
                    service=member.name
                ),
                hint=_(
                    "Say where to with --to {service}.KEY=VALUE, or leave it out: --without {service}"
                ).format(service=member.name),
            )
    # What comes back somewhere else is not what the service's own queries would find.
    chosen = replace(
        chosen,
        references=tuple(r for r in chosen.references if not {r.of, *r.exists_in} & set(targets)),
    )
    set_audit.demand(chosen)
    plans = [
        restore.plan(
            member,
            reporter,
            which=point.points[member.name].id,
            copy=copy,
            wanted=Wanted(target=targets.get(member.name, {}), jobs=jobs),
        )
        for member in chosen.members
    ]
    return SetPlan(chosen, point, tuple(plans))


def execute(planned: SetPlan, desk: Desk, reporter: Reporter, *, swap: bool = False) -> SetBrought:
    """Carry it out. Nothing that is in use is touched before everything has come back, compared and audited."""
    of = planned.set
    with desk.alone_with(freezing.lock_of(of)), desk.run("set-restore", of.name, reporter) as entry:
        began = clock.monotonic()
        brought: dict[str, Brought] = {}
        for member in planned.members:
            try:
                brought[member.service.name] = restore.execute(member, desk, entry.reporter)
            except HaechiError:
                _say_what_lies_beside(brought, entry.reporter)
                raise
        findings = set_audit.audit(of, desk, entry.reporter, beside=True)
        done = SetBrought(planned.point, brought, findings)
        swapped: Mapping[str, Mapping[str, str]] = {}
        if not done.good:
            entry.outcome = Outcome.FAILURE
        elif swap:
            swapped = _swap_all(planned, brought, desk, entry.reporter)
        return replace(done, swapped=swapped, seconds=clock.monotonic() - began)


def _swap_all(
    planned: SetPlan, brought: Mapping[str, Brought], desk: Desk, reporter: Reporter
) -> dict[str, Mapping[str, str]]:
    """All or none: should one fail, those before it are taken back."""
    swapped: dict[str, Mapping[str, str]] = {}
    for member in planned.members:
        service = member.service
        if member.wanted.target.keys() - {"checks"}:
            continue  # it lies where it was asked for
        try:
            swapped[service.name] = exchange.swap(
                service, desk, reporter, brought[service.name].restored.names
            )
        except BaseException as problem:
            stuck = _take_back(planned, swapped, desk, reporter)
            if stuck and isinstance(problem, HaechiError):
                raise PartlyDone(
                    _("{service} could not be put in place, and {names} could not be taken back.").format(
                        service=service.name, names=", ".join(stuck)
                    ),
                    hint=problem.message
                    + "\n"
                    + "\n".join(
                        _("Take it back with: haechi beside undo {service}").format(service=name)
                        for name in stuck
                    ),
                ) from problem
            raise
    return swapped


def _take_back(
    planned: SetPlan, swapped: Mapping[str, Mapping[str, str]], desk: Desk, reporter: Reporter
) -> list[str]:
    stuck = []
    for name, kept in reversed(list(swapped.items())):
        service = planned.set.member(name)
        reporter.warn(_("{service}: taken back, because another member failed.").format(service=name))
        try:
            exchange.undo(service, desk, reporter, [one for one, old in kept.items() if old])
        except HaechiError as problem:
            reporter.warn(f"{name}: {problem.message}")
            stuck.append(name)
    return stuck


def _say_what_lies_beside(brought: Mapping[str, Brought], reporter: Reporter) -> None:
    for name in brought:
        reporter.note(
            _(
                "What came back of {service} still lies beside; remove it with: haechi beside finish {service}"
            ).format(service=name)
        )
