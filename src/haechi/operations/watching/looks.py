"""What `doctor` looks at beyond single parts: clocks, schedules, alerts, and promises that cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from haechi import clock
from haechi.i18n import _, plural
from haechi.model import Outcome, Run
from haechi.operations.desk import Desk
from haechi.operations.doctor import Finding, Health, look_at
from haechi.operations.people.telling import Teller
from haechi.operations.status import Standing
from haechi.places._base import Place
from haechi.schedule import Schedule, say_duration

_APART = timedelta(seconds=60)  # clocks that agree this well do
_ASK = 30.0
_OLD = timedelta(days=90)  # a delivered alert is no news any more
_RUNS = 20  # that say how long something takes


def clock_of(build: Callable[[], Place], name: str) -> list[Finding]:
    """Whether the clock of another host agrees with this one's: points and schedules go by both."""

    def look() -> Iterator[Finding]:
        before = clock.now()
        done = build().run(["date", "+%s"], deadline=_ASK, check=False)
        after = clock.now()
        said = done.stdout.decode(errors="replace").strip()
        if done.status or not said.isdigit():
            return
        there = datetime.fromtimestamp(int(said), tz=before.tzinfo)
        apart = there - before if there < before else there - after if there > after else timedelta(0)
        if abs(apart) > _APART:
            yield Finding(
                name,
                Health.WARNING,
                _("its clock is {apart} away from this host's").format(
                    apart=say_duration(_whole(abs(apart)))
                ),
                _("Let both follow one time server (chrony, systemd-timesyncd), then take a new backup."),
            )
        else:
            yield Finding(name, Health.GOOD, _("its clock agrees with this host's"))

    return look_at(name, look)


def journal(desk: Desk) -> list[Finding]:
    """Whether the journal can be read, and whether time has gone on since it was last written."""
    subject = _("journal")

    def look() -> Iterator[Finding]:
        runs = desk.journal.runs(limit=1)
        if runs and runs[0].began > clock.now() + _APART:
            text = _("its newest run began in the future, at {time}: a clock has jumped").format(
                time=runs[0].began.isoformat(" ", "minutes")
            )
            mend = _("Set the clock right. Until that time has come, nothing counts as overdue.")
            yield Finding(subject, Health.BAD, text, mend)
        else:
            yield Finding(subject, Health.GOOD, _("can be read"))

    return look_at(subject, look)


def schedule(
    subject: str, operation: str, when: Schedule, limits: Collection[timedelta], desk: Desk, zone: tzinfo
) -> list[Finding]:
    """Whether what runs by itself is done before it begins again, and within the hours and the deadline it has."""

    def look() -> Iterator[Finding]:
        took = _longest(desk.journal.runs(service=subject, operation=operation, limit=_RUNS))
        if took is None:
            return
        limit = min([_shortest(when, zone), *limits])
        words = {"took": say_duration(_whole(took)), "limit": say_duration(_whole(limit)), "verb": operation}
        if took > limit:
            yield Finding(
                subject,
                Health.BAD,
                _("{verb} took up to {took}, and has {limit} until it must be done").format(**words),
                _("Run it less often, give it longer hours, or make it smaller: haechi journal list"),
            )
        elif took > limit * 0.7:
            yield Finding(
                subject,
                Health.WARNING,
                _("{verb} took up to {took} of the {limit} that it has").format(**words),
                _("It grows with the data: give it more time before it does not fit any more."),
            )
        else:
            yield Finding(subject, Health.GOOD, _("{verb} took up to {took} of {limit}").format(**words))

    return look_at(subject, look)


def alerts(teller: Teller) -> list[Finding]:
    """Whether alerts arrive: when one last did by each way, and what is still waiting."""
    subject = _("alerts")

    def look() -> Iterator[Finding]:
        if not teller.channels:
            text = _("nobody is told when something goes wrong")
            yield Finding(subject, Health.WARNING, text, _("Name somebody: [notify.NAME] in the plan"))
            return
        delivered = teller.delivered()
        for channel in teller.channels:
            last = delivered.get(channel.name)
            mend = _("Try it: haechi notify test {name}").format(name=channel.name)
            name = f"notify.{channel.name}"
            if last is None:
                yield Finding(name, Health.WARNING, _("nothing was ever delivered by it from here"), mend)
            elif clock.now() - last > _OLD:
                text = _("the last alert was delivered on {time}").format(time=f"{last:%Y-%m-%d}")
                yield Finding(name, Health.WARNING, text, mend)
            else:
                text = _("the last alert was delivered on {time}").format(time=f"{last:%Y-%m-%d}")
                yield Finding(name, Health.GOOD, text)
        if waiting := teller.waiting():
            yield Finding(
                subject,
                Health.BAD,
                plural("{count} message could not be sent", "{count} messages could not be sent", waiting),
                _("Try again: haechi notify send"),
            )

    return look_at(subject, look)


def promises(
    standings: Sequence[Standing], schedules: Mapping[str, Sequence[Schedule]], desk: Desk
) -> list[Finding]:
    """Those that do not hold, those that cannot, and those that nothing has ever proven."""
    found: list[Finding] = []
    for one in standings:
        found += look_at(one.service, lambda one=one: _promise(one, schedules, desk))  # type: ignore[misc]
    return found


def _promise(one: Standing, schedules: Mapping[str, Sequence[Schedule]], desk: Desk) -> Iterator[Finding]:
    name, promise = one.service, one.promise
    if one.problem:
        yield Finding(name, Health.BAD, one.problem.message, one.problem.hint)
        return
    if one.rpo_broken and promise.rpo:
        promised = say_duration(promise.rpo)
        text = (
            _("RPO: {now} would be lost, {promised} is promised").format(
                now=say_duration(_whole(one.rpo_now)), promised=promised
            )
            if one.rpo_now
            else _("RPO: everything would be lost, {promised} is promised").format(promised=promised)
        )
        yield Finding(name, Health.BAD, text, f"haechi backup {name}")
    gaps = [gap for schedule in schedules.get(name, ()) if (gap := schedule.longest_gap())]
    took = _longest(desk.journal.runs(service=name, operation="backup", limit=_RUNS))
    if promise.rpo and gaps and took and min(gaps) <= promise.rpo < min(gaps) + took:
        text = _("RPO: {gap} between two backups, and one takes {took}: {promised} cannot be held").format(
            gap=say_duration(min(gaps)), took=say_duration(_whole(took)), promised=say_duration(promise.rpo)
        )
        yield Finding(name, Health.WARNING, text, _("Back up more often, or promise less."))
    if one.rto_broken and promise.rto and one.rto_now:
        text = _("RTO: a restore takes {now}, {promised} is promised").format(
            now=say_duration(_whole(one.rto_now)), promised=say_duration(promise.rto)
        )
        yield Finding(name, Health.BAD, text, _("Promise what can be held, or make restores faster."))
    if one.unproven:
        yield Finding(
            name, Health.WARNING, _("what is promised was never proven by a restore"), f"haechi drill {name}"
        )


def _longest(runs: Sequence[Run]) -> timedelta | None:
    took = [run.ended - run.began for run in runs if run.ended and run.outcome is Outcome.SUCCESS]
    return max(took, default=None)


def _shortest(when: Schedule, zone: tzinfo) -> timedelta:
    """The least time between two of its beginnings, of those that come next."""
    moments: list[datetime] = []
    at: datetime | None = clock.now()
    while at is not None and len(moments) < 15:
        at = when.next_fire(at, zone)
        if at is not None:
            moments.append(at)
    apart = [later - earlier for earlier, later in pairwise(moments)]
    return min(apart, default=timedelta(days=365))


def _whole(length: timedelta) -> timedelta:
    return timedelta(seconds=max(1, round(length.total_seconds())))
