"""What is worth telling of a backup, a drill, a verification or an alarm: one line each, in the user's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from math import log10

from haechi.errors import HaechiError
from haechi.i18n import _, joined, plural
from haechi.model import Outcome
from haechi.notify._base import Line, Mood
from haechi.operations.backup import BackedUp
from haechi.operations.desk import Desk
from haechi.operations.drill import Drilled
from haechi.operations.stacks.drilled import StackDrilled, why
from haechi.operations.stacks.stack import subject_of
from haechi.operations.together import Outcomes
from haechi.operations.verify import Verified
from haechi.operations.watching.alarms import Alarm
from haechi.sources import _saying

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def of_backups(outcomes: Outcomes[BackedUp], desk: Desk) -> list[Line]:
    lines = []
    for name, done in outcomes.done.items():
        if done.failed:
            missing = joined(", ", (joined(": ", (w, p.message)) for w, p in done.failed.items()))
            text = _("saved, but a copy is missing: {missing}").format(missing=missing)
            lines.append(Line("partial", name, text, f"haechi copy {name}", Mood.WARNING))
        else:
            event = "recovered" if _failed_before(name, desk) else "success"
            lines.append(Line(event, name, _saved(done, event), mood=Mood.GOOD))
    lines += [
        Line("failure", name, problem.message, problem.hint) for name, problem in outcomes.failed.items()
    ]
    return lines


def of_drills(done: Iterable[Drilled], failed: Mapping[str, HaechiError]) -> list[Line]:
    lines = []
    for one in done:
        if one.passed and one.rehearsed:
            text = _("drilled from {copy}: came back in {seconds:.0f} s, {count} comparisons agree").format(
                copy=one.copy, seconds=one.rehearsed.seconds, count=len(one.rehearsed.restored.comparisons)
            )
            lines.append(Line("drill", one.service, text, mood=Mood.GOOD))
            continue
        different = joined(", ", (_saying.name(c.what) for c in one.differences))
        why = one.problem.message if one.problem else different
        text = _("{point} from {copy} did not come back right: {why}").format(
            point=one.point.id, copy=one.copy, why=why
        )
        lines.append(Line("drill-failed", one.service, text, f"haechi backup {one.service}"))
    lines += [Line("drill-failed", name, problem.message, problem.hint) for name, problem in failed.items()]
    return lines


def of_stacks(done: Iterable[StackDrilled]) -> list[Line]:
    """Of whole stacks."""
    lines = []
    for one in done:
        if one.passed:
            text = _("the whole stack came back and fits together, in {seconds:.0f} s").format(
                seconds=one.seconds
            )
            lines.append(Line("drill", one.name, text, mood=Mood.GOOD))
        else:
            text = _("the whole stack did not come back right: {why}").format(why=joined("; ", why(one)))
            lines.append(Line("drill-failed", one.name, text, f"haechi drill {subject_of(one.name)}"))
    return lines


def of_verifications(service: str, results: Iterable[Verified]) -> list[Line]:
    return [
        Line(
            "failure",
            service,
            _("{point} in {where} is damaged: {reason}").format(
                point=one.point.id, where=one.where, reason=one.problem.message
            ),
            one.problem.hint,
        )
        for one in results
        if one.problem and one.looked
    ]


def of_alarms(found: Iterable[Alarm]) -> list[Line]:
    return [Line(alarm.event, alarm.subject, alarm.text, alarm.mend) for alarm in found]


def _failed_before(name: str, desk: Desk) -> bool:
    """Whether the backup before this one failed: then people wait to hear that it is over."""
    with suppress(HaechiError):
        runs = desk.journal.runs(service=name, operation="backup", limit=2)
        return len(runs) == 2 and runs[1].outcome is Outcome.FAILURE
    return False


def _saved(done: BackedUp, event: str) -> str:
    where = ", ".join(copy.where for copy in done.point.copies)
    files = plural("{count} part", "{count} parts", len(done.point.parts))
    said = _("saved, {size} in {parts}, to {where}, in {seconds:.0f} s").format(
        size=_amount(done.bytes_read), parts=files, where=where, seconds=done.seconds
    )
    return _("works again: {said}").format(said=said) if event == "recovered" else said


def _amount(count: float) -> str:
    """Short, as people say it; the screen's own way is above this room."""
    power = min(len(_UNITS) - 1, int(log10(max(count, 1)) // 3))
    return f"{count / 1000**power:.3g} {_UNITS[power]}"
