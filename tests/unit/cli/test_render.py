"""Sizes, durations, widths, JSON and the three ways to show progress."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from haechi import clock, i18n
from haechi.cli.render import amounts, standings
from haechi.cli.render.bars import Bars
from haechi.cli.render.jsonlines import JsonLines
from haechi.cli.render.jsontext import as_json
from haechi.cli.render.lines import PlainLines
from haechi.cli.render.terminal import console, table
from haechi.cli.render.width import commented, cut, folded, pad, two_columns, width, wrap
from haechi.credentials import Secret
from haechi.errors import Status
from haechi.events import Event, Listener, Reporter, RunListener, StepEnded
from haechi.model import Outcome
from haechi.operations.doctor import Finding, Health
from tests.unit.cli.conftest import SlowClock


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (1317e6, "1.32 GB"),
        (999_600, "1.00 MB"),
        (25e15, "25.0 PB"),
    ],
)
def test_sizes(count: float, expected: str) -> None:
    assert amounts.size(count) == expected


def test_a_count_of_nothing_in_particular_is_a_number() -> None:
    assert amounts.amount(1200, "") == "1,200"
    assert amounts.amount(3, "files") == "3 files"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.04, "0.0 s"),
        (9.9, "9.9 s"),
        (9.96, "10 s"),
        (4, "4 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (86400 * 3 + 4 * 3600 + 59, "3 d 4 h"),
        (86400, "1 d"),
    ],
)
def test_durations(seconds: float, expected: str) -> None:
    assert amounts.duration(seconds) == expected


def test_durations_in_korean_and_of_a_timedelta() -> None:
    i18n.use("ko")
    assert amounts.duration(timedelta(hours=2, minutes=5)) == "2시간 5분"


def test_moments_are_shown_where_the_plan_is() -> None:
    time = datetime(2025, 3, 1, 17, tzinfo=UTC)
    assert amounts.moment(time, ZoneInfo("Asia/Seoul")) == "2025-03-02 02:00"
    assert amounts.exact(time, ZoneInfo("Asia/Seoul")) == "2025-03-02 02:00:00 KST"


def test_moments_of_this_year_are_brief(monkeypatch: pytest.MonkeyPatch) -> None:
    seoul = ZoneInfo("Asia/Seoul")
    monkeypatch.setattr("haechi.clock.now", lambda: datetime(2025, 12, 31, 16, tzinfo=UTC))
    here, before = datetime(2025, 12, 31, 17, 30, tzinfo=UTC), datetime(2025, 12, 31, 14, tzinfo=UTC)
    assert (amounts.brief(here, seoul), amounts.day(here, seoul)) == ("01-01 02:30", "01-01"), "2026 in Seoul"
    assert (amounts.brief(before, seoul), amounts.day(before, seoul)) == ("2025-12-31", "2025-12-31")


def test_korean_letters_take_two_columns() -> None:
    assert width("복구 지점") == 9
    assert pad("금고", 6) == "금고  "
    assert cut("복구 지점", 6) == "복구 …"
    assert cut("vault", 5) == "vault"
    assert wrap("하나 둘 셋 넷", 7) == ["하나 둘", "셋 넷"]
    assert list(two_columns([("a", "one two"), ("a-long-term", "three")], 20, left=4)) == [
        "  a     one two",
        "  a-long-term",
        "        three",
    ]


def test_lines_are_folded_between_words_and_keep_their_indent() -> None:
    text = "짧음\n  계획에 “vault.mian” 금고나 보관소가 없습니다."
    assert folded(text, 30).splitlines() == [
        "짧음",
        "  계획에 “vault.mian” 금고나",
        "  보관소가 없습니다.",
    ]


def test_comments_of_a_plan_are_folded_into_comments() -> None:
    said = commented("# 조언: " + "가나다 " * 20 + "\n" + 'name = "' + "x" * 90 + '"', 40)
    *comments, entry = said.splitlines()
    assert len(comments) > 2 and all(one.startswith("# ") and width(one) <= 40 for one in comments)
    assert entry.startswith('name = "') and len(entry) > 90


def test_a_table_fits_in_80_columns() -> None:
    made = table("복구 지점", "size", "where", whole=(0,), right=(1,))
    made.add_row("20250301T020000Z-문서-ab12", "1.32 GB", "금고 " * 40)
    out = io.StringIO()
    console(out, None).print(made)
    lines = out.getvalue().splitlines()
    assert max(map(width, lines)) <= 80
    assert "20250301T020000Z-문서-ab12" in lines[1]
    assert width(lines[1].partition("금고")[0]) == width(lines[0].partition("where")[0])


@dataclass(frozen=True)
class Thing:
    when: datetime
    took: timedelta
    path: Path
    key: Secret
    outcome: Outcome
    status: Status
    kinds: frozenset[str]
    digest: bytes


def test_json_of_our_values() -> None:
    thing = Thing(
        datetime(2025, 3, 1, tzinfo=UTC), timedelta(minutes=1), Path("/x"), Secret("tooth"), Outcome.PARTIAL,
        Status.LOCKED, frozenset({"b", "a"}), b"\xff",
    )  # fmt: skip
    assert json.loads(as_json({"things": (thing,), "말": "한국어"})) == {
        "things": [
            {
                "when": "2025-03-01T00:00:00+00:00",
                "took": 60.0,
                "path": "/x",
                "key": "Secret(********)",
                "outcome": "partial",
                "status": 11,
                "kinds": ["a", "b"],
                "digest": "ff",
            }
        ],
        "말": "한국어",
    }


@contextmanager
def minute(listener: Listener) -> Iterator[None]:
    """A backup of one minute with a step inside, and a thing worth knowing."""
    with clock.using(SlowClock(datetime(2025, 3, 1, tzinfo=UTC))):
        reporter = Reporter(listener)
        with reporter.step("Backing up postgres", 600) as step:
            within = reporter.within(step)
            with within.step("문서.dump", 300) as inner:
                for _second in range(30):
                    inner.advance(10)
                    step.advance(20)
                    clock.sleep(1)
            with within.step("brief"):
                pass
            within.warn("[odd] thing")
            clock.sleep(30)
        with pytest.raises(ValueError), reporter.step("checking"):
            clock.sleep(2)
            raise ValueError("no")
    yield


def test_plain_lines_are_few() -> None:
    out = io.StringIO()
    with minute(PlainLines(out)):
        assert out.getvalue().splitlines() == [
            "  문서.dump: 110 B of 300 B (36 %), 17 s left, 11 B/s",
            "Backing up postgres: 220 B of 600 B (36 %), 17 s left, 22 B/s",
            "  문서.dump: 210 B of 300 B (70 %), 9 s left, 10 B/s",
            "Backing up postgres: 420 B of 600 B (70 %), 9 s left, 21 B/s",
            "  문서.dump: 300 B, 30 s, 10 B/s",
            "Warning: [odd] thing",
            "Backing up postgres: 600 B, 1 min, 10 B/s",
            "checking: failed after 2.0 s",
        ]


@pytest.mark.parametrize("kind", ["bars", "lines", "json"])
def test_names_of_files_cannot_play_with_the_terminal(kind: str) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    bars = Bars(Console(file=out, force_terminal=False, width=80, color_system=None))
    listener: Listener = {"bars": bars, "lines": PlainLines(out), "json": JsonLines(out)}[kind]
    reporter = Reporter(listener)
    with bars, reporter.step("a\033[2J\udcffb"):
        reporter.warn("\033]0;title\a\udcff")
    out.flush()
    said = out.buffer.getvalue().decode()  # type: ignore[attr-defined]
    if kind == "json":
        assert json.loads(said.splitlines()[0])["title"] == "a\033[2J\udcffb"
    assert "a" in said and "\033" not in said and "\a" not in said


class Following:
    """Knows the service from the run."""

    def __init__(self) -> None:
        self.titles: list[str] = []

    def hear(self, event: Event) -> None:
        if isinstance(event, StepEnded):
            self.titles.append(event.title)

    def within_run(self, run: str, operation: str, service: str) -> RunListener:
        raise NotImplementedError


def test_steps_of_several_at_once_bear_the_name_of_theirs() -> None:
    stream, kept = io.StringIO(), Following()
    reporter = Reporter(PlainLines(stream), kept)
    with clock.using(SlowClock(datetime(2026, 1, 28, tzinfo=UTC))):
        for name in "shop", "media":
            for title in "globals.sql", f"{name}: counting":
                with reporter.about(name).step(title, unit=""):
                    pass
    titles = [line.rpartition(": ")[0] for line in stream.getvalue().splitlines()]
    assert titles == ["shop: globals.sql", "shop: counting", "media: globals.sql", "media: counting"]
    assert kept.titles == ["globals.sql", "shop: counting", "globals.sql", "media: counting"]


def test_what_is_not_well_stands_last() -> None:
    found = [Finding(word, health, "…") for word, health in zip("abcd", [*Health, Health.GOOD], strict=True)]
    screen = Console(width=80, file=io.StringIO())
    screen.print(standings.findings(found))
    lines = screen.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split()[:2] for line in lines[1:]] == [
        ["a", "good"], ["d", "good"], ["b", "look"], ["c", "bad"],
    ]  # fmt: skip
    screen = Console(width=80, file=io.StringIO())
    screen.print(standings.findings(found[:2]))
    assert "1 thing is worth a look." in screen.file.getvalue()  # type: ignore[attr-defined]


def test_json_lines_say_it_all() -> None:
    out = io.StringIO()
    with minute(JsonLines(out)):
        events = [json.loads(line) for line in out.getvalue().splitlines()]
    kinds = [event["event"] for event in events]
    assert set(kinds) == {"step-started", "step-advanced", "step-ended", "warning"}
    first, second = (event for event in events if event["event"] == "step-started" and event["total"])
    assert (second["parent"], second["unit"], second["title"]) == (first["step"], "bytes", "문서.dump")
    assert [event["error"] for event in events if event["event"] == "step-ended"] == ["", "", "", "no"]
    assert events[-1]["time"] == "2025-03-01T00:01:02+00:00"


def test_bars_leave_a_line_for_each_step() -> None:
    out = io.StringIO()
    with Bars(Console(file=out, force_terminal=False, width=80, color_system=None)) as bars, minute(bars):
        pass
    kept = [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]
    assert kept == [
        "  ✓ 문서.dump: 300 B, 30 s, 10 B/s",
        "Warning: [odd] thing",
        "✓ Backing up postgres: 600 B, 1 min, 10 B/s",
        "✗ checking: failed after 2.0 s",
    ]
