"""What the drill of a whole stack came to: member by member, reference by reference, and the time until it served."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from haechi.errors import HaechiError
from haechi.i18n import _, recipe
from haechi.model import Promise, Report, RestorePoint
from haechi.operations.proving.critical_path import Stage, critical
from haechi.operations.service import Service
from haechi.operations.sets.audit import Finding
from haechi.operations.stacks.stack import LeftOut
from haechi.operations.stacks.trials import Tried
from haechi.sources import _saying
from haechi.sources._base import Comparison, Rehearsed

_NAMED = 5  # of what differs or dangles; the report has all of it


@dataclass
class Back:
    """One member: what came back of it, or why nothing did."""

    service: Service
    point: RestorePoint
    copy: str
    rehearsed: Rehearsed | None = None
    problem: HaechiError | None = None
    waited_for: str = ""  # the member that did not come back, so that this one was not tried
    held: ExitStack = field(default_factory=ExitStack, repr=False)  # closing it takes the throwaway down
    stood: float = 0.0  # since when, for the order in which they go

    @property
    def good(self) -> bool:
        return bool(self.rehearsed and self.rehearsed.restored.equal)

    @property
    def differences(self) -> Sequence[Comparison]:
        return [c for c in self.rehearsed.restored.comparisons if not c.equal] if self.rehearsed else ()


@dataclass
class StackDrilled:
    """One drill of a whole stack. `seconds` until it served, so its RTO; `whole` with taking it down again."""

    name: str
    promise: Promise
    members: dict[str, Back] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    tried: Sequence[Tried] = ()
    stages: Sequence[Stage] = ()
    seconds: float = 0.0
    whole: float = 0.0
    left: tuple[str, ...] = ()
    problem: HaechiError | None = None  # the audit could not be made
    report: Report | None = None
    left_out: Sequence[LeftOut] = ()
    expected: Sequence[timedelta] = ()

    @property
    def passed(self) -> bool:
        return (
            self.problem is None
            and all(one.good for one in self.members.values())
            and all(finding.holds for finding in self.findings)
            and all(one.good for one in self.tried)
            and not self.left
        )

    @property
    def too_slow(self) -> bool:
        return bool(self.promise.rto and self.seconds > self.promise.rto.total_seconds())

    @property
    def path(self) -> list[Stage]:
        """What the whole had to wait for until it served."""
        return critical([stage for stage in self.stages if stage.kind != "remove"])


def told(done: StackDrilled) -> dict[str, object]:
    """What the report says: enough to judge by it without this installation."""
    path = done.path
    rto = done.promise.rto
    return {
        "set": done.name,
        "passed": done.passed,
        "seconds": round(done.seconds, 3),
        "whole_seconds": round(done.whole, 3),
        "rto_promised": rto.total_seconds() if rto else None,
        "expected": [time.total_seconds() for time in done.expected],
        "not_done": [{"what": one.what, "why": one.why} for one in done.left_out],
        "members": [_member(one) for one in done.members.values()],
        "audit": [
            {
                "of": f.reference.of,
                "reference": f.reference.named,
                "exists_in": f.service,
                "checked": f.checked,
                "dangling": f.dangling,
                "values": list(f.first),
            }
            for f in done.findings
        ],
        "trials": [
            {
                "apart": one.apart,
                "kept_out": list(one.kept_out),
                "answers": [
                    {"what": c.what, "saved": c.expected, "found": c.found, "equal": c.equal}
                    for c in one.answers
                ],
                "error": one.problem.as_dict() | {"detail": one.problem.detail} if one.problem else None,
            }
            for one in done.tried
        ],
        "left": list(done.left),
        "error": done.problem.as_dict() if done.problem else None,
        "critical_path": [stage.title for stage in path],
        "steps": [
            {
                "kind": stage.kind,
                "about": stage.subject,
                "title": stage.title,
                "made_of": recipe(stage.title),
                "began": stage.began,
                "seconds": stage.seconds,
                "error": stage.error,
                "critical": stage in path,
            }
            for stage in done.stages
        ],
    }


def _member(one: Back) -> dict[str, object]:
    found = one.rehearsed
    return {
        "service": one.service.name,
        "kind": one.service.kind,
        "point": one.point.id,
        "state_of": one.point.time.isoformat(),
        "size": one.point.size,
        "copy": one.copy,
        "where": found.where if found else "",
        "good": one.good,
        "restore_seconds": round(found.seconds, 3) if found else None,
        "compared": len(found.restored.comparisons) if found else 0,
        "different": [{"what": c.what, "saved": c.expected, "found": c.found} for c in one.differences],
        "error": one.problem.as_dict() if one.problem else None,
        "waited_for": one.waited_for,
    }


def why(done: StackDrilled) -> list[str]:
    """What is not as it should be, a line each."""
    lines = []
    for name, one in done.members.items():
        if one.problem:
            lines.append(f"{name}: {one.problem.message}")
        elif one.waited_for:
            lines.append(
                _("{service}: not tried, because {other} did not come back").format(
                    service=name, other=one.waited_for
                )
            )
        elif one.differences:
            what = ", ".join(_saying.name(c.what) for c in one.differences[:_NAMED])
            lines.append(_("{service}: not what was saved: {what}").format(service=name, what=what))
    lines += [
        _("{service} names {count} things that {other} does not have: {values}").format(
            service=f.reference.of, count=f.dangling, other=f.service, values=", ".join(f.first[:_NAMED])
        )
        for f in done.findings
        if not f.holds
    ]
    if done.problem:
        lines.append(done.problem.message)
    for tried in done.tried:
        lines += [tried.problem.message] if tried.problem else []
        lines += [
            _("{what}: expected {expected}, found {found}").format(
                what=c.what, expected=c.expected, found=c.found
            )
            for c in tried.answers
            if not c.equal
        ]
    lines += [_("Could not be taken away again: {name}").format(name=name) for name in done.left]
    return lines
