"""Figures of a real installation, judged by Prometheus' own tools; so are its rules and its dashboard."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from haechi.app import figures, open_home
from haechi.cli import main, screen
from haechi.documents import monitoring
from haechi.errors import UsageMistake
from haechi.operations.watching import metrics
from tests.servers import program

PLAN = """
[plan]
name = "erp"
[server]
state = "state"
metrics_file = "figures/haechi.prom"
[vault.main]
url = "vault"
key = { file = "key" }
[archive.nas]
url = "nas"
layout = "{service}/{time:%Y%m%d_%H%M%S}.tar.gz"
[service.papers]
source = "files"
paths = ["data"]
backup = "daily 02:00"
promise = { rpo = "25h", rto = "1h" }
to = ["vault.main", "archive.nas"]
"""


@pytest.fixture(scope="module")
def promtool() -> str:
    return program("promtool", "apt-get install prometheus")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An installation that has saved and drilled once."""
    path = tmp_path_factory.mktemp("metrics")
    (path / "data").mkdir()
    (path / "data/letter.txt").write_text("dear all")
    (path / "key").write_text("correct horse")
    (path / "haechi.toml").write_text(PLAN)
    (path / "figures").mkdir()
    before = screen.screen()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.delenv("HAECHI_PLAN", raising=False)
        for words in (["vault", "init", "main"], ["backup"], ["drill", "papers"]):
            assert main.run(["--quiet", *words]) == 0
        yield path
    screen.use_screen(before)


@pytest.fixture(autouse=True)
def at_home(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)


def check(promtool: str, *words: str | Path, text: str = "") -> str:
    done = subprocess.run(
        [promtool, *words], check=False, input=text, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_figures_are_as_prometheus_wants_them(promtool: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["metrics"]) == 0
    text = capsys.readouterr().out
    assert check(promtool, "check", "metrics", text=text) == ""
    told = set(re.findall(r"^# TYPE (\S+) gauge$", text, re.MULTILINE))
    may_lack = {name for name in metrics.FAMILIES if "verified" in name or "_worker_" in name}
    assert told | may_lack == metrics.FAMILIES.keys(), "everything that there is to tell is told"
    assert not [name for name in told if "_worker_" in name], "nobody works here"


def test_a_file_for_node_exporter_is_whole_and_readable(root: Path, promtool: str) -> None:
    path = root / "figures/haechi.prom"
    path.write_text("old")
    assert main.run(["--quiet", "metrics", "--textfile", str(path)]) == 0
    check(promtool, "check", "metrics", text=path.read_text())
    assert path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in path.parent.iterdir()] == ["haechi.prom"]
    assert main.run(["--quiet", "metrics", "--textfile", "figures/haechi.txt"]) == 2
    assert main.run(["--quiet", "metrics", "--textfile", "nowhere/haechi.prom"]) != 0


def test_they_are_scraped_by_http(root: Path, promtool: str) -> None:
    home = open_home(root / "haechi.toml")
    with figures.listening(lambda: home, ("127.0.0.1", 0)) as (host, port):
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=60) as answer:
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
            check(promtool, "check", "metrics", text=answer.read().decode())
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://{host}:{port}/etc/passwd", timeout=60)
        assert caught.value.code == 404
        caught.value.close()
        with pytest.raises(UsageMistake, match=str(port)):
            figures.listening(lambda: home, (host, port)).__enter__()


def test_a_scrape_that_fails_says_so_and_the_next_goes_on(root: Path) -> None:
    home = open_home(root / "haechi.toml")
    broken = [True]

    def current() -> Any:
        if broken:
            raise UsageMistake("the plan is gone")
        return home

    with figures.listening(current, ("127.0.0.1", 0)) as (host, port):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=60)
        assert caught.value.code == 503
        assert b"the plan is gone" in caught.value.read()
        broken.clear()
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=60) as answer:
            assert b"haechi_rpo_seconds" in answer.read()


def test_it_is_a_job_of_the_plan(root: Path) -> None:
    from haechi.app import jobs

    (job,) = [job for job in jobs.every(open_home(root / "haechi.toml")) if job.words[0] == "metrics"]
    assert job.words == ("metrics", "--textfile", str(root / "figures/haechi.prom")), "beside the plan"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "haechi.yml"
    path.write_text(monitoring.rules())
    return path


def test_the_rules_are_printed_as_they_are_shipped(promtool: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["metrics", "--rules"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == yaml.safe_load(monitoring.rules())
    assert main.run(["metrics", "--dashboard", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(monitoring.dashboard())


P = 'service="erp",instance="a",job="h"'
TRIED = {  # an alert, the figures that it stands for, and those under which it is silent
    "HaechiRpoBroken": (
        {
            f"haechi_backup_last_success_timestamp_seconds{{{P}}}": "0",
            f"haechi_rpo_target_seconds{{{P}}}": "3600",
        },
        {
            f"haechi_backup_last_success_timestamp_seconds{{{P}}}": "0",
            f"haechi_rpo_target_seconds{{{P}}}": "9e9",
        },
    ),
    "HaechiNothingSaved": ({f"haechi_restore_points{{{P}}}": "0"}, {f"haechi_restore_points{{{P}}}": "1"}),
    "HaechiBackupFailed": (
        {f"haechi_backup_last_run_ok{{{P}}}": "0"},
        {f"haechi_backup_last_run_ok{{{P}}}": "1"},
    ),
    "HaechiRtoBroken": (
        {f"haechi_rto_seconds{{{P}}}": "61", f"haechi_rto_target_seconds{{{P}}}": "60"},
        {f"haechi_rto_seconds{{{P}}}": "59", f"haechi_rto_target_seconds{{{P}}}": "60"},
    ),
    "HaechiPointDamaged": (
        {f'haechi_restore_point_state{{{P},state="failed"}}': "1"},
        {f'haechi_restore_point_state{{{P},state="taken"}}': "1"},
    ),
    "HaechiNotDrilled": (
        {f"haechi_drill_last_success_timestamp_seconds{{{P}}}": "-9e6"},
        {f"haechi_drill_last_success_timestamp_seconds{{{P}}}": "0"},
    ),
    "HaechiNeverDrilled": (
        {f"haechi_restore_points{{{P}}}": "3"},
        {f"haechi_restore_points{{{P}}}": "3", f"haechi_drill_last_success_timestamp_seconds{{{P}}}": "0"},
    ),
    "HaechiDestinationAway": (
        {f'haechi_copy_reachable{{{P},destination="vault.far"}}': "0"},
        {f'haechi_copy_reachable{{{P},destination="vault.far"}}': "1"},
    ),
    "HaechiCopyBehind": (
        {
            f'haechi_copy_behind_seconds{{{P},destination="vault.far"}}': "61",
            f'haechi_copy_behind_seconds{{{P},destination="vault.main"}}': "0",
            f"haechi_rpo_target_seconds{{{P}}}": "60",
        },
        {
            f'haechi_copy_behind_seconds{{{P},destination="vault.far"}}': "59",
            f"haechi_rpo_target_seconds{{{P}}}": "60",
        },
    ),
    "HaechiAlarm": (
        {'haechi_alarms{event="overdue",instance="a",job="h"}': "2"},
        {'haechi_alarms{event="overdue",instance="a",job="h"}': "0"},
    ),
    "HaechiMessagesWaiting": ({"haechi_notify_waiting": "1"}, {"haechi_notify_waiting": "0"}),
    "HaechiSilent": (
        {"haechi_gathered_timestamp_seconds": "0"},
        {"haechi_gathered_timestamp_seconds": "0+3600x200"},
    ),
}


def test_each_alert_goes_off_and_is_silent(promtool: str, rules: Path) -> None:
    check(promtool, "check", "rules", rules)
    alerts = [
        rule["alert"] for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"]
    ]
    assert alerts == list(TRIED)
    tests = []
    for alert, (wrong, right) in TRIED.items():
        for figures_now, due in ((wrong, True), (right, False)):
            given = [{"series": s, "values": v if "x" in v else f"{v}x200"} for s, v in figures_now.items()]
            tests.append(
                {
                    "interval": "1h",
                    "input_series": given,
                    "promql_expr_test": [
                        {
                            "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
                            "eval_time": "8d" if alert == "HaechiNeverDrilled" else "26h",
                            "exp_samples": [{"labels": "{}", "value": int(due)}],
                        }
                    ],
                }
            )
    path = rules.parent / "tests.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1h", "tests": tests}))
    check(promtool, "test", "rules", path)


def labelled(labels: dict[str, str]) -> str:
    return "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items()) + "}"


def test_every_panel_of_the_dashboard_shows_something(
    root: Path, promtool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each expression is asked of the figures of the installation above, as Prometheus would have scraped them."""
    home = open_home(root / "haechi.toml")
    with screen.Screen().progress() as reporter:
        found = figures.gather(home, reporter)
    scraped = {"instance": "a", "job": "haechi"}
    series = [
        {"series": m.name + labelled({**dict(labels), **scraped}), "values": f"{value:f}x10"}
        for m in found
        for labels, value in m.samples
    ]
    expressions = [
        target["expr"].replace('"$service"', '".*"').replace('"$destination"', '".*"')
        for panel in json.loads(monitoring.dashboard())["panels"]
        for target in panel["targets"]
    ]
    assert len(expressions) >= 15
    asked = [
        {
            "expr": f"count({expr}) > bool 0",
            "eval_time": "5m",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for expr in expressions
    ]
    path = tmp_path / "panels.yml"
    path.write_text(
        yaml.safe_dump({"tests": [{"interval": "1m", "input_series": series, "promql_expr_test": asked}]})
    )
    check(promtool, "test", "rules", path)
