"""Figures for Prometheus: what is known and nothing else, in a format that holds whatever a name holds."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from haechi.documents import monitoring
from haechi.events import SILENT
from haechi.model import Outcome, Promise
from haechi.operations import status
from haechi.operations.backup import back_up
from haechi.operations.service import Service
from haechi.operations.watching import copies, metrics
from haechi.operations.watching.alarms import Alarm
from haechi.operations.watching.metrics import FAMILIES, Metric
from tests.unit.operations.ground import Ground, lay
from tests.unit.plan.test_mistakes import GOOD, only

NAME = re.compile(r"\bhaechi_\w+")


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return lay(tmp_path)


def figures(ground: Ground, service: Service, *alarms: Alarm) -> dict[str, float]:
    """By name and labels, as they are written."""
    found = metrics.gather(
        status.standings([service], ground.desk, SILENT),
        copies.spreads([service], ground.desk, SILENT),
        alarms,
        3,
        ground.desk,
    )
    lines = [line for line in metrics.as_text(found).splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_what_never_was_has_no_figure(ground: Ground) -> None:
    promised = replace(ground.service(), promise=Promise(rpo=timedelta(hours=6)))
    found = figures(ground, promised)
    assert found['haechi_restore_points{service="papers"}'] == 0
    assert found['haechi_rpo_target_seconds{service="papers"}'] == 6 * 3600
    assert found['haechi_promise_kept{service="papers"}'] == 0
    assert found['haechi_restore_point_state{service="papers",state="taken"}'] == 0
    assert found["haechi_notify_waiting"] == 3
    absent = ("rpo_seconds", "rto_seconds", "rto_target", "backup_last", "drill_last", "copy_newest")
    assert not [name for name in found if any(one in name for one in absent)]


def test_what_was_taken_is_told_with_its_copies(ground: Ground) -> None:
    service = ground.service()
    done = back_up(service, ground.desk, SILENT)
    found = figures(ground, service, Alarm("overdue", "papers", "late"), Alarm("overdue", "other", "late"))
    saved = found['haechi_backup_last_success_timestamp_seconds{service="papers"}']
    assert saved == pytest.approx(done.point.time.timestamp(), abs=0.001)
    assert found['haechi_backup_last_run_ok{service="papers"}'] == 1
    assert found['haechi_backup_last_read_bytes{service="papers"}'] == done.bytes_read
    assert found['haechi_restore_point_state{service="papers",state="taken"}'] == 1
    assert found['haechi_copy_points{service="papers",destination="archive.nas"}'] == 1
    assert found['haechi_copy_behind_seconds{service="papers",destination="vault.main"}'] == 0
    assert found['haechi_alarms{event="overdue"}'] == 2
    assert found['haechi_alarms{event="disk"}'] == 0, "so that it is seen to end"
    assert 'haechi_promise_kept{service="papers"}' not in found, "nothing is promised"


def test_a_backup_under_way_says_nothing_yet(ground: Ground) -> None:
    service = ground.service()
    back_up(service, ground.desk, SILENT)
    run = ground.desk.journal.begin_run("backup", "papers")
    assert figures(ground, service)['haechi_backup_last_run_ok{service="papers"}'] == 1
    ground.desk.journal.end_run(run, Outcome.FAILURE)
    assert figures(ground, service)['haechi_backup_last_run_ok{service="papers"}'] == 0


def test_a_place_that_is_away_is_not_an_empty_one(ground: Ground) -> None:
    service = ground.service()
    back_up(service, ground.desk, SILENT)
    (ground.root / "nas").rename(ground.root / "away")
    (ground.root / "nas").write_text("no directory")
    found = figures(ground, service)
    assert found['haechi_copy_reachable{service="papers",destination="archive.nas"}'] == 0
    assert found['haechi_copy_reachable{service="papers",destination="vault.main"}'] == 1
    assert 'haechi_copy_points{service="papers",destination="archive.nas"}' not in found


def test_whatever_a_name_holds_it_stays_one_line() -> None:
    metric = Metric("haechi_alarms", "…")
    metric.add(1, event='a "b"\\\nc')
    assert metrics.as_text([metric]).splitlines()[2] == r'haechi_alarms{event="a \"b\"\\\nc"} 1'


@pytest.mark.parametrize("text", [monitoring.rules(), monitoring.dashboard()])
def test_rules_and_dashboard_name_only_what_is_told(text: str) -> None:
    named = set(NAME.findall(text))
    assert len(named) >= 10
    assert named <= FAMILIES.keys()


def test_the_dashboard_has_places_and_numbers_of_its_own() -> None:
    panels = json.loads(monitoring.dashboard())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = {(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}
    assert len(taken) == len(panels)
    assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in panels)


@pytest.mark.parametrize(
    "said", ['metrics = "9310"', 'metrics = "host:0"', "metrics = 9310", 'metrics_file = "/tmp/figures.txt"']
)
def test_what_is_no_address_or_no_file_for_it(said: str) -> None:
    found = only(f"{GOOD}[server]\n{said}\n")
    assert str(found["key"]).startswith("server.metrics")
