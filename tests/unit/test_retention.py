"""What stays and what may go: the five documents' tables, restic's published cases, what always holds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haechi.model import Keep, ProofState, RestorePoint
from haechi.retention import Decision, decide, tiers_begun

SEOUL = ZoneInfo("Asia/Seoul")
NEW_YORK = ZoneInfo("America/New_York")


def point(
    moment: datetime, *, held: bool = False, tags: tuple[str, ...] = (), name: str = ""
) -> RestorePoint:
    return RestorePoint(
        id=name or moment.isoformat(), service="erp", source="postgresql", time=moment, held=held, tags=tags
    )


def stay(decisions: list[Decision]) -> list[datetime]:
    return [d.point.time for d in decisions if d.stays]


def days_in_seoul(first: datetime, count: int, hour: int = 2) -> list[datetime]:
    start = first.replace(hour=hour, tzinfo=SEOUL)
    return [start + timedelta(days=n) for n in range(count)]


def live(
    keep: Keep,
    moments: list[datetime],
    proven: Callable[[RestorePoint], ProofState] | None = None,
) -> list[datetime]:
    """Take a point at each of these moments and prune after each of them; what is there at the end."""
    points: list[RestorePoint] = []
    for moment in moments:
        points.append(point(moment))
        made = decide(points, keep, now=moment + timedelta(minutes=5), zone=SEOUL, proven=proven)
        points = [d.point for d in made if d.stays]
    return [p.time for p in points]


# -- sixty days of each document's table -----------------------------------------------------------------

NEW_YEAR = datetime(2026, 1, 1)  # a Thursday, and the 1st
SIXTY = days_in_seoul(NEW_YEAR, 60)  # the last one is Sunday, 1 March
LAST = SIXTY[-1]


def younger(moments: list[datetime], days: int) -> set[datetime]:
    return {m for m in moments if LAST - m < timedelta(days=days)}


def sundays(moments: list[datetime]) -> set[datetime]:
    return {m for m in moments if m.weekday() == 6}


def firsts(moments: list[datetime]) -> set[datetime]:
    return {m for m in moments if m.day == 1}


def test_thirty_days_but_at_most_ten_files() -> None:
    assert live(Keep(within=timedelta(days=30), at_most=10), SIXTY) == SIXTY[-10:]


def test_weekly_media_thirty_days_at_most_ten() -> None:
    """Sundays at 03:00: of 30 days there are five, well under the limit."""
    media = [m.replace(hour=3) for m in SIXTY if m.weekday() == 6]
    assert live(Keep(within=timedelta(days=30), at_most=10), media) == media[-5:]


def test_daily_7_days_weekly_sunday_30_days_monthly_1st_90_days() -> None:
    keep = Keep(daily=timedelta(days=7), weekly=timedelta(days=30), monthly=timedelta(days=90))
    # The very first point stands for its week and its month although it is no Sunday: nothing older is there.
    expected = younger(SIXTY, 7) | (sundays(SIXTY) & younger(SIXTY, 30)) | firsts(SIXTY)
    assert set(live(keep, SIXTY)) == expected
    assert len(expected) == 7 + 4 + 1  # 1 February and 1 March are Sundays


def test_full_30_days_and_sunday_snapshots_90_days() -> None:
    keep = Keep(within=timedelta(days=30), weekly=timedelta(days=90))
    assert set(live(keep, SIXTY)) == younger(SIXTY, 30) | sundays(SIXTY) | {SIXTY[0]}


@pytest.mark.parametrize("days", [7, 14, 30, 60])
def test_plain_days(days: int) -> None:
    """WAL and etcd 7 days, the vault's rotation 7 to 14, MinIO 30, GitLab 60."""
    assert live(Keep(within=timedelta(days=days)), SIXTY) == SIXTY[-days:]


def test_daily_7_weekly_4_monthly_12() -> None:
    keep = Keep(daily=7, weekly=4, monthly=12)
    assert set(live(keep, SIXTY)) == set(SIXTY[-7:]) | set(sorted(sundays(SIXTY))[-4:]) | firsts(SIXTY)


def test_every_six_hours_the_first_of_a_day_stands_for_it() -> None:
    moments = [m + timedelta(hours=h) for m in SIXTY[:10] for h in (0, 6, 12, 18)]
    assert live(Keep(daily=3), moments) == [SIXTY[7], SIXTY[8], SIXTY[9], moments[-1]]  # and the newest


def test_when_sunday_failed_monday_stands_for_the_week() -> None:
    moments = [m for m in SIXTY if m.day != 8 or m.month != 2]  # Sunday, 8 February
    kept = live(Keep(daily=1, weekly=5), moments)
    assert datetime(2026, 2, 9, 2, tzinfo=SEOUL) in kept


# -- proofs, holds, tags ---------------------------------------------------------------------------------


def test_a_damaged_point_takes_no_good_ones_place() -> None:
    bad = {SIXTY[1], SIXTY[2]}
    made = decide(
        [point(m) for m in SIXTY[:4]],
        Keep(last=2),
        now=SIXTY[3],
        zone=SEOUL,
        proven=lambda p: ProofState.FAILED if p.time in bad else ProofState.TAKEN,
    )
    assert stay(made) == [SIXTY[0], SIXTY[2], SIXTY[3]]  # the last two, and the last two good ones


def test_the_newest_good_and_the_newest_restored_stay_beyond_every_limit() -> None:
    states = {SIXTY[0]: ProofState.RESTORED, SIXTY[3]: ProofState.VERIFIED, SIXTY[9]: ProofState.FAILED}
    made = decide(
        [point(m) for m in SIXTY[:10]],
        Keep(last=1, at_most=1),
        now=SIXTY[9],
        zone=SEOUL,
        proven=lambda p: states.get(p.time, ProofState.TAKEN),
    )
    assert stay(made) == [SIXTY[0], SIXTY[3], SIXTY[8]]
    assert made[0].rules == ("newest-restored",)


def test_held_and_tagged_points_stay_and_take_no_room() -> None:
    points = [point(SIXTY[0], held=True), point(SIXTY[1], tags=("deploy",)), *map(point, SIXTY[2:8])]
    made = decide(points, Keep(last=6, at_most=2, tags=("deploy",)), now=SIXTY[8], zone=SEOUL)
    assert stay(made) == [SIXTY[0], SIXTY[1], SIXTY[6], SIXTY[7]]
    assert made[2].reasons == ("over the limit of 2",)


def test_nothing_given_keeps_everything_and_tags_alone_take_nothing_away() -> None:
    for keep in (Keep(), Keep(tags=("deploy",))):
        assert stay(decide([point(m) for m in SIXTY], keep, now=LAST, zone=SEOUL)) == SIXTY


def test_a_service_whose_backups_stopped_loses_nothing_more() -> None:
    keep = Keep(within=timedelta(days=30))
    a_year_later = LAST + timedelta(days=365)
    assert stay(decide([point(m) for m in SIXTY], keep, now=a_year_later, zone=SEOUL)) == SIXTY[-30:]


def test_a_point_from_the_future_makes_none_of_the_others_old() -> None:
    astray = LAST + timedelta(days=4000)
    kept = stay(
        decide([point(m) for m in (*SIXTY, astray)], Keep(within=timedelta(days=30)), now=LAST, zone=SEOUL)
    )
    assert kept == [*SIXTY[-30:], astray]


def test_services_are_judged_each_by_itself() -> None:
    other = RestorePoint(id="x", service="crm", source="postgresql", time=SIXTY[0])
    made = decide([other, *map(point, SIXTY[1:9])], Keep(last=1), now=LAST, zone=SEOUL)
    assert [d.point.service for d in made if d.stays] == ["crm", "erp"]


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    moments = [
        datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in (4, 5, 6, 7)
    ]  # 00:30 01:30 01:30 02:30
    made = decide([point(m) for m in moments], Keep(hourly=4), now=moments[-1], zone=NEW_YORK)
    assert stay(made) == moments


def test_reasons_are_words() -> None:
    keep = Keep(last=1, within=timedelta(hours=36), weekly=timedelta(days=30), monthly=-1)
    made = decide([point(m) for m in SIXTY], keep, now=LAST, zone=SEOUL)
    assert made[-1].reasons == (
        "among the last 1",
        "younger than 36 hours",
        "weekly (30 days)",
        "monthly (all)",
        "newest good one",
    )
    assert made[-10].reasons == ("no rule keeps it",)


# -- the rule an archive asks when a point is taken ------------------------------------------------------


def test_tiers_of_a_new_point_agree_with_what_retention_will_say() -> None:
    for n, moment in enumerate(SIXTY):
        begun = tiers_begun(moment, SIXTY[:n], SEOUL)
        assert ("weekly" in begun) == (n == 0 or moment.weekday() == 6)
        assert ("monthly" in begun) == (moment.day == 1)
    assert tiers_begun(LAST + timedelta(hours=6), SIXTY, SEOUL) == ("hourly",)


# -- restic's published cases ----------------------------------------------------------------------------

_RESTIC = json.loads((Path(__file__).parent / "retention_restic_cases.json").read_text())
_RESTIC_TIMES = [
    datetime.fromisoformat(t.ljust(23, "0") if "." in t else t).replace(tzinfo=UTC) for t in _RESTIC["times"]
]


def _before(latest: datetime, span: str) -> timedelta:
    """restic counts calendar months and years back from the newest snapshot; here an age is a length of time."""
    years, months, days, hours = (
        int(m[1]) if (m := re.search(rf"(\d+){unit}", span)) else 0 for unit in ("y", "m", "d", "h")
    )
    count = latest.year * 12 + latest.month - 1 - min(years, 1000) * 12 - months
    return latest - (
        latest.replace(year=count // 12, month=count % 12 + 1) - timedelta(days=days, hours=hours)
    )


@pytest.mark.parametrize("case", _RESTIC["cases"], ids=lambda c: str(c["policy"]))
def test_agrees_with_restic(case: dict[str, dict[str, int | str]]) -> None:
    latest = max(_RESTIC_TIMES)
    rules = {
        name: _before(latest, value) if isinstance(value, str) else value
        for name, value in case["policy"].items()
    }
    counts = {
        name: value for name, value in rules.items() if not name.startswith("within") or name == "within"
    }
    within = {name.removeprefix("within"): value for name, value in rules.items() if name not in counts}
    points = [point(t, name=f"{n:03}") for n, t in enumerate(_RESTIC_TIMES)]
    kept = stay(decide(points, Keep(stands="newest", **counts, **within), now=latest, zone=UTC))  # type: ignore[arg-type]
    assert kept == sorted(_RESTIC_TIMES[n] for n in case["kept"])


# -- what always holds -----------------------------------------------------------------------------------

# A busy machine is no failure.
PATIENT = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])

spans = st.none() | st.integers(-1, 8) | st.timedeltas(timedelta(hours=1), timedelta(days=120))
keeps = st.builds(
    Keep,
    last=st.none() | st.integers(0, 8),
    hourly=spans,
    daily=spans,
    weekly=spans,
    monthly=spans,
    yearly=spans,
    within=st.none() | st.timedeltas(timedelta(hours=1), timedelta(days=120)),
    at_most=st.none() | st.integers(0, 12),
    tags=st.sampled_from([(), ("deploy",)]),
    weekly_on=st.integers(0, 6),
    stands=st.sampled_from(["first", "newest"]),
)
moments = st.datetimes(datetime(2025, 9, 1), datetime(2026, 4, 1), timezones=st.just(UTC))
histories = st.lists(
    st.builds(
        lambda moment, held, tags, number: point(moment, held=held, tags=tags, name=str(number)),
        moments,
        st.sampled_from([False, False, False, True]),
        st.sampled_from([(), (), ("deploy",)]),
        st.integers(),
    ),
    max_size=40,
    unique_by=lambda p: p.id,
)


@PATIENT
@given(histories, keeps, st.data())
def test_what_always_holds(points: list[RestorePoint], keep: Keep, data: st.DataObject) -> None:
    states = {p.id: data.draw(st.sampled_from(list(ProofState))) for p in points}
    now = datetime(2026, 4, 1, tzinfo=UTC)

    def judge(these: list[RestorePoint]) -> list[Decision]:
        return decide(these, keep, now=now, zone=SEOUL, proven=lambda p: states[p.id])

    made = judge(points)
    kept = [d.point for d in made if d.stays]
    assert sorted(d.point.id for d in made) == sorted(p.id for p in points)
    assert all(d.reasons for d in made)
    assert all(p in kept for p in points if p.held or set(p.tags) & set(keep.tags))
    for wanted in (set(ProofState) - {ProofState.FAILED}, {ProofState.RESTORED}):
        among = sorted((p for p in points if states[p.id] in wanted), key=lambda p: (p.time, p.id))
        assert not among or among[-1] in kept
    if points:
        assert kept  # a service never loses its last point
    assert [d.point for d in judge(kept) if d.stays] == kept  # deciding again takes nothing more
    if keep.at_most is not None:
        counted = [p for p in kept if not p.held and not set(p.tags) & set(keep.tags)]
        assert len(counted) <= max(keep.at_most, 3)


@PATIENT
@given(histories, keeps)
def test_the_order_of_the_points_does_not_matter(points: list[RestorePoint], keep: Keep) -> None:
    now = datetime(2026, 4, 1, tzinfo=UTC)
    assert decide(points, keep, now=now, zone=SEOUL) == decide(points[::-1], keep, now=now, zone=SEOUL)


@PATIENT
@given(histories, st.integers(1, 9))
def test_more_room_never_takes_a_point_away(points: list[RestorePoint], count: int) -> None:
    now = datetime(2026, 4, 1, tzinfo=UTC)
    few = set(stay(decide(points, Keep(daily=count), now=now, zone=SEOUL)))
    assert few <= set(stay(decide(points, Keep(daily=count + 1), now=now, zone=SEOUL)))
