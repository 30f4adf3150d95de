"""Which restore points stay and which may go: one pure function, for vaults and archives alike.

A period (an hour, a day, a week, a month, a year, in the plan's time zone) is stood for by the first point
in it, and a week begins on the day that the plan names: so the point of a Sunday stands for its week and the
point of the 1st for its month, and when that night's backup failed, the next night's takes its place. Whether a
point stands for its week is known when it is taken and never changes, which the trees of archives need.
`stands = "newest"` takes the last point of each period instead, weeks ending on the named day, as restic does.

Ages are counted from the service's newest point, not from today: a service whose backups have stopped loses
nothing more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from haechi.i18n import _
from haechi.model import Keep, ProofState, RestorePoint, Span

TIERS = ("hourly", "daily", "weekly", "monthly", "yearly")

Proven = Callable[[RestorePoint], ProofState]


@dataclass(frozen=True)
class Decision:
    """What becomes of one point. `reasons` are for people; `rules` are the names of what keeps it."""

    point: RestorePoint
    stays: bool
    reasons: tuple[str, ...]
    rules: tuple[str, ...] = ()


def decide(
    points: Sequence[RestorePoint],
    keep: Keep,
    *,
    now: datetime,
    zone: tzinfo,
    proven: Proven | None = None,
) -> list[Decision]:
    """What stays of these points, oldest first. Each service is judged by itself.

    Whatever the rules say, the newest good point of a service stays, and so do the newest that was verified
    and the newest that was restored.
    """
    services: dict[str, list[RestorePoint]] = defaultdict(list)
    for point in sorted(points, key=lambda p: (p.time, p.id)):
        services[point.service].append(point)
    made = [d for own in services.values() for d in _decide(own, keep, now, zone, proven or _taken)]
    return sorted(made, key=lambda d: (d.point.time, d.point.id))


def tiers_begun(
    moment: datetime, others: Iterable[datetime], zone: tzinfo, weekly_on: int = 6
) -> tuple[str, ...]:
    """The tiers for which a point of this moment is the first of its period, given those there are already."""
    keep = Keep(weekly_on=weekly_on)
    earlier = [other for other in others if other < moment]
    return tuple(
        tier
        for tier in TIERS
        if all(_period(tier, other, zone, keep) != _period(tier, moment, zone, keep) for other in earlier)
    )


def _decide(
    points: Sequence[RestorePoint], keep: Keep, now: datetime, zone: tzinfo, proven: Proven
) -> list[Decision]:
    states = [proven(point) for point in points]
    good = [n for n, state in enumerate(states) if state is not ProofState.FAILED]
    every = list(range(len(points)))
    rules = _Rules(points, keep, min(now, points[-1].time), zone)
    kept: dict[int, dict[str, str]] = {n: {} for n in every}
    # A damaged point stays as long as it would have, yet takes no good one's place.
    for chosen in (good, every):
        for n, rule in rules.stand(chosen):
            kept[n][rule] = rules.words(rule)
    exempt = {n for n in every if _exempt(points[n], keep, kept[n])}
    guarded = {n for n in every if _guard(n, states, good, kept[n])}
    over = _over(keep.at_most, kept, exempt, guarded, set(good))
    return [
        Decision(point, n not in over, tuple(kept[n].values()), tuple(kept[n]))
        if kept[n] and n not in over
        else Decision(point, False, (_("over the limit of {count}").format(count=keep.at_most),))
        if n in over
        else Decision(point, False, (_("no rule keeps it"),))
        for n, point in enumerate(points)
    ]


@dataclass(frozen=True)
class _Rules:
    points: Sequence[RestorePoint]
    keep: Keep
    newest: datetime
    zone: tzinfo

    @property
    def spans(self) -> Mapping[str, Span]:
        named = {tier: getattr(self.keep, tier) for tier in TIERS}
        return {tier: span for tier, span in named.items() if span is not None}

    def stand(self, chosen: Sequence[int]) -> Iterable[tuple[int, str]]:
        """Which of the chosen points (numbers, oldest first) each rule keeps."""
        keep = self.keep
        if not self.spans and keep.last is None and keep.within is None:
            yield from ((n, "all") for n in chosen)
        if keep.last is not None:
            yield from ((n, "last") for n in _newest(chosen, keep.last))
        if keep.within is not None:
            yield from ((n, "within") for n in chosen if self._younger(n, keep.within))
        for tier, span in self.spans.items():
            yield from ((n, tier) for n in self._tier(tier, span, chosen))

    def _tier(self, tier: str, span: Span, chosen: Sequence[int]) -> Iterable[int]:
        periods: dict[Hashable, list[int]] = defaultdict(list)
        for n in chosen:
            periods[_period(tier, self.points[n].time, self.zone, self.keep)].append(n)
        end = 0 if self.keep.stands == "first" else -1
        standing = [members[end] for members in periods.values()]
        if isinstance(span, timedelta):
            oldest = [n for n in chosen[:1] if n not in standing]
            return [n for n in (*oldest, *standing) if self._younger(n, span)]
        if chosen and chosen[0] not in standing:
            standing.insert(0, chosen[0])  # the oldest, as long as the count is not used up: a longer history
        return _newest(standing, span)

    def _younger(self, n: int, age: timedelta) -> bool:
        return self.points[n].time > self.newest - age

    def words(self, rule: str) -> str:
        if rule == "all":
            return _("no rule is given")
        if rule == "last":
            return _("among the last {count}").format(count=self.keep.last)
        if rule == "within":
            assert self.keep.within is not None
            return _("younger than {age}").format(age=_age(self.keep.within))
        span = self.spans[rule]
        within = _age(span) if isinstance(span, timedelta) else str(span) if span >= 0 else _("all")
        return _("{tier} ({span})").format(tier=_tier_name(rule), span=within)


def _period(tier: str, moment: datetime, zone: tzinfo, keep: Keep) -> Hashable:
    local = moment.astimezone(zone)
    day = local.date()
    if tier == "hourly":
        return day, local.hour, local.utcoffset()  # the hour that comes twice in autumn is two hours
    if tier == "weekly":
        return _week(day, keep)
    return {"daily": day, "monthly": (day.year, day.month), "yearly": day.year}[tier]


def _week(day: date, keep: Keep) -> date:
    if keep.stands == "first":
        return day - timedelta((day.weekday() - keep.weekly_on) % 7)
    return day + timedelta((keep.weekly_on - day.weekday()) % 7)


def _exempt(point: RestorePoint, keep: Keep, kept: dict[str, str]) -> bool:
    """Held and tagged points stay and do not count towards `at_most`."""
    if point.held:
        kept["held"] = _("held")
    tags = [tag for tag in point.tags if tag in keep.tags]
    if tags:
        kept["tag"] = _("tagged {tags}").format(tags=", ".join(tags))
    return point.held or bool(tags)


def _guard(n: int, states: Sequence[ProofState], good: Sequence[int], kept: dict[str, str]) -> bool:
    verified = (ProofState.VERIFIED, ProofState.RESTORED)
    guards = {
        "newest": (_("newest good one"), good or range(len(states))),
        "newest-verified": (_("newest verified one"), [k for k in good if states[k] in verified]),
        "newest-restored": (_("newest restored one"), [k for k in good if states[k] is ProofState.RESTORED]),
    }
    mine = {rule: words for rule, (words, among) in guards.items() if among and among[-1] == n}
    kept.update(mine)
    return bool(mine)


def _over(
    limit: int | None,
    kept: Mapping[int, Mapping[str, str]],
    exempt: set[int],
    guarded: set[int],
    good: set[int],
) -> set[int]:
    """Those beyond `at_most`: room is given to the guarded, then to the good from the newest on."""
    if limit is None:
        return set()
    counted = [n for n in kept if kept[n] and n not in exempt]
    ranked = sorted(counted, key=lambda n: (n not in guarded, n not in good, -n))
    return set(ranked[max(limit, 0) :]) - guarded


def _newest(numbers: Sequence[int], count: int) -> Sequence[int]:
    """The last so many; a negative count means all of them."""
    return numbers if count < 0 else numbers[max(len(numbers) - count, 0) :]


def _taken(point: RestorePoint) -> ProofState:  # noqa: ARG001
    return ProofState.TAKEN


def _age(age: timedelta) -> str:
    if age % timedelta(days=1):
        return _("{count} hours").format(count=f"{age / timedelta(hours=1):g}")
    return _("{count} days").format(count=age.days)


def _tier_name(tier: str) -> str:
    return {
        "hourly": _("hourly"),
        "daily": _("daily"),
        "weekly": _("weekly"),
        "monthly": _("monthly"),
        "yearly": _("yearly"),
    }[tier]
