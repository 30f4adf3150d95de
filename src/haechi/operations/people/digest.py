"""A summary for people who are not called: each promise with how far it is used up, and what stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from haechi.errors import JournalUnavailable
from haechi.i18n import _, anew, plural
from haechi.model import Outcome, ProofState
from haechi.notify._base import Line, Mood
from haechi.operations.desk import Desk
from haechi.operations.people import news
from haechi.operations.status import Standing
from haechi.operations.watching.alarms import Alarm
from haechi.schedule import say_duration

_WIDTH = 10  # blocks of a bar


def lines(standings: Iterable[Standing], alarms: Iterable[Alarm], desk: Desk, since: datetime) -> list[Line]:
    """A line a service, in the plan's order, then the alarms."""
    told = news.of_alarms(alarms)
    return [*(_line(one, desk, since) for one in standings), *(line.anew() for line in told)]


def heading(standings: Sequence[Standing], alarms: Sequence[Alarm]) -> str:
    promised = [one for one in standings if one.promised]
    held = len([one for one in promised if not one.broken])
    said = _("Summary: {held} of {all} promises hold").format(held=held, all=len(promised))
    if alarms:
        said += ", " + plural("{count} alarm stands", "{count} alarms stand", len(alarms))
    return said


def bar(now: timedelta | None, promised: timedelta) -> str:
    """How much of a promise is used up, in blocks that every mail and chat shows; full is broken or nothing there."""
    share = 1.0 if now is None else min(now / promised, 1.0) if promised else 1.0
    filled = min(_WIDTH, max(round(share * _WIDTH), 1 if now else 0))
    return "▰" * filled + "▱" * (_WIDTH - filled)


def _line(one: Standing, desk: Desk, since: datetime) -> Line:
    parts = [
        _measured("RPO", one.rpo_now, one.promise.rpo),
        _measured("RTO", None if one.rto_is_estimate else one.rto_now, one.promise.rto),
        _proven(one),
        _runs(one.service, desk, since),
    ]
    bad = one.problem or one.broken or one.state is ProofState.FAILED
    mood = Mood.BAD if bad else Mood.WARNING if one.unproven or one.last_failure else Mood.GOOD
    return Line("digest", one.service, " · ".join(filter(None, parts)), mood=mood)


def _measured(name: str, now: timedelta | None, promised: timedelta | None) -> str:
    said = _rounded(now) if now is not None else _("not known")
    if promised is None:
        return f"{name} {said}" if now is not None else ""
    return _("{name} {now} of {promised} {bar}").format(
        name=name, now=said, promised=say_duration(promised), bar=bar(now, promised)
    )


def _proven(one: Standing) -> str:
    if one.problem:
        return anew(one.problem.message)
    if one.state is ProofState.FAILED:
        return _("the newest point did not come back right")
    if one.restored_at is None:
        return _("never drilled")
    return _("came back on {day}").format(day=one.restored_at.date().isoformat())


def _runs(service: str, desk: Desk, since: datetime) -> str:
    with suppress(JournalUnavailable):  # told with the standings
        runs = desk.journal.runs(service=service, operation="backup", since=since, limit=None)
        said = plural("{count} backup", "{count} backups", len(runs))
        failed = [run for run in runs if run.outcome in (Outcome.FAILURE, Outcome.INTERRUPTED)]
        if failed:
            said += ", " + plural("{count} of them failed", "{count} of them failed", len(failed))
        return said
    return ""


def _rounded(length: timedelta) -> str:
    minutes = max(1, round(length.total_seconds() / 60))
    if minutes >= 48 * 60:  # after two days nobody wants the minutes
        minutes = round(minutes / 60) * 60
    return say_duration(timedelta(minutes=minutes))
