"""Where promises are going, and how long a scenario takes: from measurements, and honest where there are none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from haechi.cli.render import expectations as shown_expectations
from haechi.cli.render import trends as shown
from haechi.model import Promise, Proof, ProofState
from haechi.operations.proving import trend
from haechi.operations.proving.expectations import Scenario, Stage, expectations
from haechi.operations.proving.trend import Going, Trend
from haechi.operations.status import Standing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY, MONTH = timedelta(days=1), timedelta(days=30)
MB = 1 << 20
GOOD = Standing(
    "erp", Promise(), None, ProofState.RESTORED, DAY, DAY, DAY, None, timedelta(minutes=10), False, NOW, 3
)


def every(hours: float, begin: datetime, end: datetime) -> list[datetime]:
    count = int((end - begin) / timedelta(hours=hours))
    return [begin + timedelta(hours=hours * number) for number in range(count + 1)]


@pytest.mark.parametrize(
    ("older", "recent", "going"),
    [(24, 24, Going.STEADY), (24, 6, Going.BETTER), (6, 24, Going.WORSE), (24, 26, Going.STEADY)],
)
def test_gaps_that_grow_are_worse(older: float, recent: float, going: Going) -> None:
    half = NOW - MONTH / 2
    times = every(older, NOW - MONTH, half) + every(recent, half, NOW)
    found = trend.of_gaps(times, NOW, MONTH)
    assert found.going is going
    assert len(found.curve) == 10


def test_backups_that_stopped_are_seen_and_a_young_service_is_not_judged() -> None:
    stopped = trend.of_gaps(every(24, NOW - MONTH, NOW - MONTH / 2), NOW, MONTH)
    assert stopped.going is Going.WORSE
    assert stopped.curve[-1] == pytest.approx(15 * 86400, rel=0.01)
    young = trend.of_gaps(every(24, NOW - 3 * DAY, NOW), NOW, MONTH)
    assert young.going is None
    assert young.curve[0] is None
    assert trend.of_gaps([], NOW, MONTH) == Trend(None, [None] * 10)


def test_restores_are_compared_at_one_size() -> None:
    def restores(*found: tuple[int, float]) -> list[tuple[int, Proof]]:
        return [
            (
                size,
                Proof("p", "vault.main", ProofState.RESTORED, NOW - 20 * DAY + n * DAY, "restore", seconds),
            )
            for n, (size, seconds) in enumerate(found)
        ]

    grew = restores((10 * MB, 10), (20 * MB, 20), (40 * MB, 40), (80 * MB, 80))
    assert trend.of_restores(grew, 80 * MB, NOW, MONTH).going is Going.STEADY
    slower = restores((10 * MB, 10), (10 * MB, 11), (10 * MB, 30), (10 * MB, 31))
    assert trend.of_restores(slower, 10 * MB, NOW, MONTH).going is Going.WORSE
    assert trend.of_restores(slower[::-1], 10 * MB, NOW, MONTH).going is Going.BETTER
    assert trend.of_restores(slower, 10 * MB, NOW, timedelta(days=1)).going is None


def test_a_curve_and_a_word_for_it() -> None:
    worse = Trend(Going.WORSE, [None, 1.0, 2.0, 4.0])
    standing = replace(GOOD, rpo_trend={30: Trend(None), 90: worse}, rto_trend={30: Trend(None)})
    (line,) = shown.lines(standing)
    assert str(line) == "erp: RPO ·▃▅█ getting worse (90 days)"
    assert shown.curve([0.0, 0.0]) == "▁▁"
    data = shown.as_data(standing)
    assert data["rpo"]["90"] == {"going": Going.WORSE, "curve": [None, 1.0, 2.0, 4.0]}
    assert data["rto"]["30"] == {"going": None, "curve": []}


def test_a_scenario_is_the_sum_of_its_stages_and_side_by_side_the_slowest_counts() -> None:
    media = replace(GOOD, service="media", rto_now=timedelta(minutes=25))
    stages = [Stage(("erp",)), Stage(("erp", "media"))]
    (one,) = expectations([Scenario("whole", "Whole", "high", stages, (timedelta(hours=1),))], [GOOD, media])
    assert one.takes == timedelta(minutes=35)
    assert not one.is_estimate
    assert not one.too_long


def test_what_was_not_measured_is_an_estimate_or_unknown() -> None:
    guessed = replace(GOOD, service="media", rto_is_estimate=True)
    never = replace(GOOD, service="new", rto_now=None)
    scenarios = [
        Scenario("low", "Low", "low", [Stage(("media",))]),
        Scenario("high", "High", "high", [Stage(("erp",)), Stage(("new",)), Stage(title="buy a server")]),
        Scenario("said", "Said", "medium", [Stage(("erp",)), Stage(takes=timedelta(hours=1))], (DAY / 48,)),
        Scenario("none", "None", "medium", [Stage(("new",))]),
    ]
    found = {one.scenario.name: one for one in expectations(scenarios, [GOOD, guessed, never])}
    assert list(found) == ["high", "said", "none", "low"]
    assert found["low"].is_estimate
    assert found["high"].takes == timedelta(minutes=10)
    assert found["high"].unknown == ("new", "buy a server")
    assert found["high"].is_estimate
    assert found["said"].takes == timedelta(minutes=70)
    assert found["said"].too_long
    assert found["none"].takes is None
    assert shown_expectations.as_data(list(found.values()), {})[0]["is_estimate"] is True
    assert str(shown_expectations._takes(found["low"])) == "~10 min"
    assert str(shown_expectations._takes(found["none"])) == "unknown"
