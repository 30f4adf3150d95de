"""What is wrong by itself or by its silence: found from outside, by whoever runs this, and not by what went silent.

A schedule that did not run writes nothing into any log. So every alarm here is found by comparing what should have
happened by now with the copies, the proofs and the journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from haechi import clock
from haechi.errors import HaechiError, JournalUnavailable
from haechi.events import Reporter
from haechi.i18n import _, joined
from haechi.model import Outcome, Proof, ProofState, RestorePoint, Run
from haechi.operations.desk import Desk
from haechi.operations.service import Service
from haechi.operations.status import Standing, standings
from haechi.operations.watching import anomalies, clockwork, filling
from haechi.operations.watching.overdue import GRACE, missed, said
from haechi.schedule import Schedule, say_duration


@dataclass(frozen=True)
class Expected:
    """What the plan wants to happen by itself."""

    backup: Sequence[Schedule] = ()
    verify: Sequence[tuple[Schedule, str]] = ()  # of this copy; empty: of any
    drill: Sequence[Schedule] = ()
    copies: Mapping[str, Schedule] = field(
        default_factory=dict
    )  # by destination: those with a time of their own
    lag: dict[str, timedelta] = field(default_factory=dict)  # how far a destination may fall behind
    paused: bool = False


@dataclass(frozen=True)
class Alarm:
    """One thing that is wrong. `event` is what the plan's notifiers call it."""

    event: str
    subject: str
    text: str
    mend: str = ""
    since: datetime | None = None


@dataclass(frozen=True)
class Watched:
    """A service and what is expected of it."""

    service: Service
    expected: Expected


@dataclass(frozen=True)
class Disk:
    """A directory that must not run full."""

    name: str
    path: Path
    full: float  # the share from which on it is an alarm


def look(
    watched: Sequence[Watched],
    desk: Desk,
    reporter: Reporter,
    disks: Sequence[Disk] = (),
    known: Iterable[Standing] | None = None,
) -> list[Alarm]:
    """Every alarm that stands now, in the plan's order. Who knows already how the services stand gives it."""
    now = clock.now()
    found = [*_away(watched), *_filling(disks), *_jumped(desk)]
    if known is None:
        known = standings([w.service for w in watched], desk, reporter)
    stands = {s.service: s for s in known}
    for one in watched:
        found += _service(one, stands[one.service.name], desk, reporter, now)
    return found


def accept(service: Service, desk: Desk, reporter: Reporter) -> None:
    """A person says that what is unusual about the last backup is right so: from now on it is usual."""
    with desk.run(anomalies.ACCEPT, service.name, reporter):
        pass


def _service(
    one: Watched, standing: Standing, desk: Desk, reporter: Reporter, now: datetime
) -> Iterator[Alarm]:
    name = one.service.name
    proofs = desk.proofs(name, reporter)
    runs: list[Run] = []
    accepted: list[Run] = []
    noticed: anomalies.Notice | None = None
    with suppress(JournalUnavailable):  # it has been told with the proofs
        runs = desk.journal.runs(service=name, operation="backup", limit=anomalies.HISTORY + 1)
        accepted = desk.journal.runs(service=name, operation=anomalies.ACCEPT, limit=1)
        noticed = anomalies.standing(desk, name)
    if not one.expected.paused:
        yield from _overdue(one, standing, proofs, now)
        yield from _not_copied(one, now)
    if runs and runs[0].outcome in (Outcome.FAILURE, Outcome.INTERRUPTED):
        reason = str(runs[0].error.get("message", "")) or _("it was interrupted")
        mend = str(runs[0].error.get("hint", "")) or _("Take one with: haechi backup {service}").format(
            service=name
        )
        text = _("the last backup failed: {reason}").format(reason=reason)
        yield Alarm("failure", name, text, mend, runs[0].began)
    yield from _promises(standing)
    yield from _drills(name, proofs)
    yield from _behind(one)
    yield from _unusual(name, noticed, anomalies.history(runs, accepted), runs)
    if standing.newest and standing.newest.time > now + timedelta(minutes=5):
        text = _("a restore point lies in the future: a clock has jumped")
        yield Alarm("overdue", name, text, _("Compare the clocks of the hosts."), standing.newest.time)


def _overdue(one: Watched, standing: Standing, proofs: Sequence[Proof], now: datetime) -> Iterator[Alarm]:
    name, zone = one.service.name, one.service.zone
    newest = standing.newest.time if standing.newest else None
    if newest is None and one.expected.backup and not standing.problem:
        yield Alarm(
            "overdue",
            name,
            _("there is no restore point at all"),
            _("Take one with: haechi backup {service}").format(service=name),
        )
        return
    restored = _latest(proofs, ProofState.RESTORED)
    taken = (
        () if standing.problem else one.expected.backup
    )  # it is told as being away; what it holds is not known
    dues: list[tuple[Sequence[Schedule], datetime | None, str, str, str]] = [
        (taken, newest, "", _("no backup since {time}, although one was due at {due}"), "backup"),
        (
            one.expected.drill,
            restored,
            "",
            _("not drilled since {time}, although that was due at {due}"),
            "drill",
        ),
    ]
    for schedule, where in one.expected.verify:
        # A copy is verified from itself: that another one was read says nothing about it.
        read = [p for p in proofs if where in ("", p.where)]
        told = _("not verified since {time}, although that was due at {due}")
        last = _latest(read, ProofState.VERIFIED, ProofState.RESTORED)
        dues.append(((schedule,), last, where, told, "verify"))
    for schedules, last, where, told, verb in dues:
        # What never happened is measured from the first point on: before it there was nothing to drill.
        due = missed(schedules, last or standing.since, now, zone)
        if due is not None:
            text = told.format(time=said(last, zone), due=said(due, zone))
            text = joined(": ", (where, text)) if where else text
            yield Alarm("overdue", name, text, f"haechi {verb} {name}", due)


def _promises(standing: Standing) -> Iterator[Alarm]:
    name = standing.service
    if standing.rpo_broken and standing.rpo_now is not None and standing.promise.rpo:
        text = _("RPO: {now} would be lost, {promised} is promised").format(
            now=say_duration(_rounded(standing.rpo_now)), promised=say_duration(standing.promise.rpo)
        )
        yield Alarm("promise-broken", name, text, f"haechi backup {name}")
    if standing.rto_broken and standing.rto_now is not None and standing.promise.rto:
        text = _("RTO: a restore takes {now}, {promised} is promised").format(
            now=say_duration(_rounded(standing.rto_now)), promised=say_duration(standing.promise.rto)
        )
        yield Alarm("promise-broken", name, text, _("Promise what can be held, or make restores faster."))


def _drills(name: str, proofs: Sequence[Proof]) -> Iterator[Alarm]:
    """The last word about each copy of the newest drilled point."""
    drilled = [p for p in proofs if p.depth == "restore" or p.state is ProofState.FAILED]
    if not drilled:
        return
    last = max(drilled, key=lambda p: p.time)
    if last.state is ProofState.FAILED:
        error = last.detail.get("error")
        different = ", ".join(last.detail.get("different") or ())
        reason = error.get("message", "") if isinstance(error, dict) else different
        text = _("{point} in {where} did not come back right: {reason}").format(
            point=last.point, where=last.where, reason=reason
        )
        yield Alarm("drill-failed", name, text, f"haechi backup {name} && haechi drill {name}", last.time)


def _behind(one: Watched) -> Iterator[Alarm]:
    """Copies that lag behind what is promised: a disaster that takes the others would cost more than it may."""
    service = one.service
    sources = {onward.destination.name: onward.source for onward in service.onward}
    for target in service.everywhere:
        lag = one.expected.lag.get(target.name)
        if lag is None:
            continue
        try:
            there = _newest(target.points(service.name))
            here = _ahead_of(target.name, sources.get(target.name), service)
        except HaechiError:
            continue  # told as being away
        if here and (there is None or here - there > lag):
            text = _("{where} is behind: its newest point is of {there}, the newest is of {here}").format(
                where=target.name, there=said(there, service.zone), here=said(here, service.zone)
            )
            yield Alarm("copy-behind", service.name, text, f"haechi copy {service.name}")


def _ahead_of(name: str, source: str | None, service: Service) -> datetime | None:
    """The newest point of where it gets its copies from, or of the other destinations of backups."""
    if source is not None or name not in {one.name for one in service.destinations}:
        return _newest(service.destination(source).points(service.name))
    times = [_newest(one.points(service.name)) for one in service.destinations if one.name != name]
    return max((time for time in times if time), default=None)


def _not_copied(one: Watched, now: datetime) -> Iterator[Alarm]:
    """Copies by schedule: what was there when one was due must be there, too."""
    for onward in one.service.onward:
        target, schedule = onward.destination, one.expected.copies.get(onward.destination.name)
        due = schedule.previous_fire(now - GRACE, one.service.zone) if schedule else None
        if due is None:
            continue
        try:
            here = [p.time for p in one.service.destination(onward.source).points(one.service.name)]
            there = _newest(target.points(one.service.name))
        except HaechiError:
            continue  # told as being away
        wanted = max((time for time in here if time <= due), default=None)
        if wanted and (there is None or there < wanted):
            zone = one.service.zone
            text = _("not copied to {where} since {time}, although that was due at {due}").format(
                where=target.name, time=said(there, zone), due=said(due, zone)
            )
            yield Alarm("overdue", one.service.name, text, f"haechi copy {one.service.name}", due)


def _unusual(
    name: str,
    noticed: anomalies.Notice | None,
    measures: Sequence[anomalies.Measure],
    runs: Sequence[Run],
) -> Iterator[Alarm]:
    """What was noticed stands until a person has answered, however usual the backups after it look."""
    if noticed is not None:
        found, since = noticed.texts, noticed.since
    elif measures:
        found, since = anomalies.look(measures[0], measures[1:]), runs[0].began
    else:
        return
    for what in found:
        text = _("a backup is unusual, and no old point is let go: {what}").format(what=what)
        mend = _("Look at what was saved. If it is right so: haechi alarms --accept {service}").format(
            service=name
        )
        yield Alarm("anomaly", name, text, mend, since)


def _away(watched: Sequence[Watched]) -> Iterator[Alarm]:
    """Destinations that nobody can reach, each told once."""
    seen: set[str] = set()
    for one in watched:
        for destination in one.service.everywhere:
            if destination.name in seen:
                continue
            seen.add(destination.name)
            try:
                destination.points(one.service.name)
            except HaechiError as problem:
                yield Alarm("failure", destination.name, problem.message, problem.hint)


def _filling(disks: Sequence[Disk]) -> Iterator[Alarm]:
    for disk in disks:
        share = filling.Room.under(disk.path).share
        if share > disk.full:
            text = _("the disk under {path} is {share:.0%} full").format(path=disk.path, share=share)
            yield Alarm("disk", disk.name, text, _("Make room, or let points go: haechi prune --dry-run"))


def _jumped(desk: Desk) -> Iterator[Alarm]:
    jump = clockwork.look(desk.state)
    if jump is not None:
        by = say_duration(_rounded(abs(jump.by)))
        text = (
            _("the clock of this host was set forward by {time}")
            if jump.by > timedelta(0)
            else _("the clock of this host was set back by {time}")
        )
        mend = _("Compare the clocks of the hosts: restore points are named and expire by them.")
        yield Alarm("overdue", desk.host, text.format(time=by), mend, jump.noticed)


def _latest(proofs: Iterable[Proof], *states: ProofState) -> datetime | None:
    return max((p.time for p in proofs if p.state in states), default=None)


def _newest(points: Sequence[RestorePoint]) -> datetime | None:
    return max((p.time for p in points), default=None)


def _rounded(length: timedelta) -> timedelta:
    return timedelta(minutes=max(1, round(length.total_seconds() / 60)))
