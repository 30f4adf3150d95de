"""Goes through a checklist: a machine ticks off what it sees, a person is asked for the rest, the result is signed.

What a machine can see comes from the same looks that raise alarms, so a list that says “backups ran” is never kinder
than the alarms are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Outcome, ProofState, Report
from haechi.operations.desk import Desk
from haechi.operations.proving import reports
from haechi.operations.stacks.stack import SCENARIO
from haechi.operations.stacks.status import StackStanding
from haechi.operations.status import Standing
from haechi.operations.watching.alarms import Alarm
from haechi.schedule import Schedule

MACHINE = "haechi"
_LOOKED_AT = 50  # reports of one list
_NAMED = 8  # updates that wait; the package manager has all of them
PATIENCE = timedelta(hours=12)  # people have other things to do, too


class Result(StrEnum):
    DONE = "done"
    FAILED = "failed"  # looked at, and not in order
    OPEN = "open"  # nobody has looked


@dataclass(frozen=True)
class Line:
    """One line of a list. `auto` is what a machine can look at for it."""

    item: str
    auto: str | None = None
    show: tuple[str, ...] = ()
    scenario: str | None = None  # the one that it rehearses; else any whole stack

    @property
    def mend(self) -> Sequence[str]:
        """What to run where it is not in order: what the list shows, or what goes with what was looked at."""
        known = _MENDS.get(self.auto or "")
        return self.show or ((known,) if known else ())


@dataclass(frozen=True)
class Checklist:
    name: str
    lines: Sequence[Line]
    title: str = ""
    who: str = ""
    when: Schedule | None = None


@dataclass(frozen=True)
class Answer:
    """What became of a line, who says so, and what they add."""

    item: str
    result: Result
    by: str
    note: str = ""


@dataclass(frozen=True)
class Gone:
    """A list that was gone through."""

    checklist: Checklist
    by: str
    answers: Sequence[Answer]
    report: Report | None = None

    @property
    def complete(self) -> bool:
        return all(answer.result is Result.DONE for answer in self.answers)

    @property
    def broken(self) -> Sequence[Answer]:
        return [answer for answer in self.answers if answer.result is Result.FAILED]


@dataclass(frozen=True)
class State:
    """What a machine can look at."""

    standings: Sequence[Standing]
    alarms: Sequence[Alarm]
    offsite: Mapping[str, bool]  # by service: whether its newest point lies off-site, too
    wholes: Sequence[StackStanding] = ()
    delivered: Mapping[str, datetime | None] = field(default_factory=dict)  # by way: when something last was
    updates: Callable[[], Sequence[str] | None] = lambda: None  # security updates that wait

    def look(self, line: Line, since: datetime | None) -> tuple[Result, str] | None:
        """What it sees; None where a machine sees nothing. `since`: when the list was last gone through."""
        if line.auto == "scenario":
            return _scenario(self, line.scenario)
        if line.auto == "alerts":
            return _alerts(self, since)
        look = _LOOKS.get(line.auto or "")
        return look(self) if look else None


Ask = Callable[[Line], Answer | None]


def go_through(checklist: Checklist, state: State, by: str, ask: Ask, desk: Desk, reporter: Reporter) -> Gone:
    """Line by line. `ask` answers for a person, or None when nobody can."""
    with desk.run("checklist", checklist.name, reporter) as entry:
        earlier = desk.journal.reports.find(kind="checklist", subject=checklist.name, limit=1)
        since = earlier[0].time if earlier else None
        answers = [_answer(line, state, since, ask) for line in checklist.lines]
        gone = Gone(checklist, by, answers)
        body = {
            "name": checklist.name,
            "title": checklist.title,
            "by": by,
            "complete": gone.complete,
            "items": [
                {"item": a.item, "result": a.result.value, "by": a.by, "note": a.note} for a in answers
            ],
        }
        report = reports.keep(desk, "checklist", checklist.name, body, entry.reporter)
        if not gone.complete:
            entry.outcome = Outcome.FAILURE if gone.broken else Outcome.PARTIAL
        return Gone(checklist, by, answers, report)


def next_steps(checklist: Checklist, broken: Sequence[Answer]) -> list[str]:
    """What to run for the lines that are not in order: each once, in the order of the list."""
    items = {answer.item for answer in broken}
    return list(dict.fromkeys(step for line in checklist.lines if line.item in items for step in line.mend))


def due(checklist: Checklist, desk: Desk, now: datetime, zone: tzinfo) -> datetime | None:
    """Since when it is due; None while it is not, or never is. Lines that nobody has looked at leave it due."""
    if checklist.when is None:
        return None
    previous = checklist.when.previous_fire(now, zone)
    if previous is None:
        return None
    kept = desk.journal.reports.find(kind="checklist", subject=checklist.name, limit=_LOOKED_AT)
    if any(report.time >= previous and not _left_open(report) for report in kept):
        return None
    return previous


def _left_open(report: Report) -> bool:
    return any(item["result"] == Result.OPEN.value for item in json.loads(report.body)["items"])


def overdue(lists: Sequence[Checklist], desk: Desk, now: datetime, zone: tzinfo) -> list[Alarm]:
    """Those that nobody has gone through although they were due half a day ago."""
    found = []
    for one in lists:
        since = due(one, desk, now, zone)
        if since is not None and since + PATIENCE < now:
            text = _("nobody has gone through this checklist since it was due")
            found.append(Alarm("checklist", one.name, text, f"haechi checklist {one.name}", since))
    return found


def _answer(line: Line, state: State, since: datetime | None, ask: Ask) -> Answer:
    seen = state.look(line, since)
    if seen is not None:
        return Answer(line.item, seen[0], MACHINE, seen[1])
    return ask(line) or Answer(line.item, Result.OPEN, "")


def _backups(state: State) -> tuple[Result, str]:
    return _unless(state, {"failure", "overdue"}, lambda s: s.newest is None, _("no restore point"))


def _disk(state: State) -> tuple[Result, str]:
    return _unless(state, {"disk"})


def _verified(state: State) -> tuple[Result, str]:
    good = {ProofState.VERIFIED, ProofState.RESTORED}
    return _unless(state, set(), lambda s: s.state not in good, _("the newest point is not verified"))


def _drilled(state: State) -> tuple[Result, str]:
    return _unless(state, {"drill-failed"}, lambda s: s.restored_at is None, _("never restored"))


def _offsite(state: State) -> tuple[Result, str]:
    missing = [name for name, there in state.offsite.items() if not there]
    if missing:
        return Result.FAILED, _("not off-site: {names}").format(names=", ".join(missing))
    return Result.DONE, ""


def _promises(state: State) -> tuple[Result, str]:
    return _unless(state, {"promise-broken"}, lambda s: s.broken, _("broken"))


def _scenario(state: State, name: str | None) -> tuple[Result, str] | None:
    """Whether it came back whole within the time between two of its drills."""
    wanted = None if name is None else SCENARIO + name
    chosen = [one for one in state.wholes if one.scheduled and wanted in (None, one.name)]
    if not chosen:
        return None
    said = [f"{one.subject}: {why}" for one in chosen if (why := _not_rehearsed(one))]
    return (Result.FAILED, "; ".join(said)) if said else (Result.DONE, "")


def _not_rehearsed(one: StackStanding) -> str:
    if one.drilled_at is None:
        return _("never drilled")
    if not one.passed:
        return _("the last drill failed")
    return _("the drill is overdue") if one.overdue else ""


def _alerts(state: State, since: datetime | None) -> tuple[Result, str] | None:
    """Whether something was delivered by each way since the list was last gone through."""
    if not state.delivered:
        return None
    silent = [
        name for name, last in state.delivered.items() if last is None or (since is not None and last < since)
    ]
    if silent:
        text = _("nothing was delivered by {names}; try it with: haechi notify test")
        return Result.FAILED, text.format(names=", ".join(silent))
    return Result.DONE, ""


def _updates(state: State) -> tuple[Result, str] | None:
    waiting = state.updates()
    if waiting is None:
        return None
    if not waiting:
        return Result.DONE, ""
    named = list(waiting[:_NAMED])
    if len(waiting) > _NAMED:
        named.append(_("… and {count} more").format(count=len(waiting) - _NAMED))
    return Result.FAILED, _("not installed: {names}").format(names=", ".join(named))


def _unless(
    state: State,
    events: set[str],
    bad: Callable[[Standing], bool] = lambda _standing: False,
    why: str = "",
) -> tuple[Result, str]:
    """In order, unless one of these alarms stands or a service is bad in this way."""
    said = [f"{alarm.subject}: {alarm.text}" for alarm in state.alarms if alarm.event in events]
    said += [f"{s.service}: {s.problem.message if s.problem else why}" for s in state.standings if bad(s)]
    return (Result.FAILED, "; ".join(said)) if said else (Result.DONE, "")


_LOOKS: Mapping[str, Callable[[State], tuple[Result, str] | None]] = {
    "backups": _backups,
    "disk": _disk,
    "verified": _verified,
    "drilled": _drilled,
    "offsite": _offsite,
    "promises": _promises,
    "updates": _updates,
}

_MENDS: Mapping[str, str] = {
    "backups": "haechi alarms",
    "disk": "haechi doctor",
    "verified": "haechi verify",
    "drilled": "haechi drill",
    "offsite": "haechi copy",
    "promises": "haechi status",
    "scenario": "haechi drill --all",
    "alerts": "haechi notify test",
}
