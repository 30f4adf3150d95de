"""Jobs of a plan: which there are, what each scheduler is told, and how they get into a host and out again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from haechi.app import Home, jobs, timers
from haechi.documents.timers import cron, github, kubernetes, railway, systemd
from haechi.documents.timers._base import About
from haechi.errors import ProgramMissing, UsageMistake
from haechi.plan.load import loads

PLAN = """
[plan]
name = "erp"
timezone = "Asia/Seoul"
[server]
state = "/tmp/haechi-nowhere"
[vault.main]
url = "/backup/vault"
key = { env = "HAECHI_KEY" }
[vault.far]
url = "s3://${BUCKET:-erp}/vault"
key = "k"
[notify.slack]
via = "slack"
url = { env = "SLACK_WEBHOOK_URL" }
[service.one]
source = "command"
dump = "true"
to = "vault.main"
backup = "daily 02:00"
drill = "monthly first sunday 05:00"
copy = { to = "vault.far", when = "sunday 04:00" }
[service.two]
source = "command"
dump = "true"
to = "vault.main"
backup = "daily 02:00"
verify = { when = "saturday 04:00", of = "vault.main" }
[service.rests]
source = "command"
dump = "true"
to = "vault.main"
backup = "daily 02:00"
paused = true
[set.all]
of = ["one", "two"]
backup = "sunday 01:00"
"""
PROGRAM = "/opt/haechi/bin/haechi"


@pytest.fixture
def home() -> Home:
    return Home(loads(PLAN, environment={}))


@pytest.fixture
def about(home: Home) -> About:
    return About("/etc/haechi/haechi.toml", PROGRAM, home.zone, "backup", jobs.environment(home))


def test_the_jobs_of_a_plan(home: Home) -> None:
    assert [job.words for job in jobs.every(home)] == [
        ("backup", "one", "two"),
        ("copy", "one", "--to", "vault.far"),
        ("drill", "one", "--random"),
        ("verify", "two", "--from", "vault.main"),
        ("set", "backup", "all"),
        ("alarms", "--tell"),
    ]
    assert jobs.environment(home) == ("BUCKET", "HAECHI_KEY", "SLACK_WEBHOOK_URL")


def test_cron(home: Home, about: About) -> None:
    (text,) = cron.written(jobs.every(home), about).values()
    base = f"{PROGRAM} --plan /etc/haechi/haechi.toml"
    assert f"0 2 * * * backup {base} backup one two --quiet\n" in text
    asks = f"{base} schedule due 'monthly first sunday 05:00' && {base} drill one --random --quiet"
    assert f"0 5 * * * backup {asks}\n" in text
    assert "CRON_TZ=Asia/Seoul\n" in text


def test_systemd_units_are_what_systemd_reads(home: Home, about: About, tmp_path: Path) -> None:
    here = About(**{**about.__dict__, "program": "/bin/true", "user": "root"})
    files = systemd.written(jobs.every(home), here)
    assert "OnCalendar=Sun *-*-01..07 05:00:00 Asia/Seoul" in files["haechi-drill-one.timer"]
    assert len(files) == 12
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    try:
        done = subprocess.run(
            ["systemd-analyze", "verify", *map(str, tmp_path.glob("*.timer"))],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return
    assert "Unknown" not in done.stderr
    assert "Failed to parse" not in done.stderr


def test_the_daemon_has_a_unit_of_its_own(
    home: Home, about: About, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = About(**{**about.__dict__, "program": "/bin/true", "user": "root"})
    (text,) = systemd.daemon(here, Path("/var/lib/haechi")).values()
    (tmp_path / systemd.DAEMON).write_text(text)
    for line in ("Type=notify", "StateDirectory=haechi", "NoNewPrivileges=yes", "Restart=on-failure"):
        assert f"\n{line}\n" in text
    if shutil.which("systemd-analyze"):
        done = subprocess.run(
            ["systemd-analyze", "verify", tmp_path / systemd.DAEMON],
            capture_output=True,
            text=True,
            check=False,
        )
        about_ours = [line for line in done.stderr.splitlines() if systemd.DAEMON in line]
        assert about_ours == []
    (elsewhere,) = systemd.daemon(here, Path("/srv/state")).values()
    assert "StateDirectory" not in elsewhere

    units, said = tmp_path / "units", tmp_path / "said"
    units.mkdir()
    program(tmp_path, "systemctl", f'echo "$@" >> {said}')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(timers.Systemd, "directory", units)
    where = timers.Systemd()
    where.install(where.files(jobs.every(home), about))
    where.install(where.daemon(about, Path("/var/lib/haechi")))
    assert [path.name for path in units.iterdir()] == [systemd.DAEMON], "nothing is done twice"
    assert f"enable --now {systemd.DAEMON}" in said.read_text()
    where.install(where.files(jobs.every(home), about))
    assert f"disable --now {systemd.DAEMON}" in said.read_text()
    assert not (units / systemd.DAEMON).exists()
    where.install(where.daemon(about, Path("/var/lib/haechi")))
    assert where.remove() == [units / systemd.DAEMON]


def test_the_others_are_what_they_claim_to_be(home: Home, about: About) -> None:
    every = jobs.every(home)
    found = list(yaml.safe_load_all(kubernetes.written(every, about)["haechi-cronjobs.yaml"]))
    assert [d["spec"]["timeZone"] for d in found] == ["Asia/Seoul"] * 6
    assert "haechi --plan /etc/haechi/haechi.toml backup one two --quiet" in json.dumps(found[0])
    workflow = yaml.safe_load(github.written(every, about)[".github/workflows/haechi.yml"])
    assert {"cron": "0 17 * * *"} in workflow[True]["schedule"]
    assert len(workflow["jobs"]) == 6
    assert workflow["jobs"]["backup-one-two"]["steps"][-1]["env"]["HAECHI_KEY"] == "${{ secrets.HAECHI_KEY }}"
    for text in railway.written(every, about).values():
        assert tomllib.loads(text)["deploy"]["startCommand"].startswith("haechi --plan haechi.toml ")


@pytest.mark.skipif(os.geteuid() != 0, reason="root has /etc/cron.d")
def test_cron_d(home: Home, about: About, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "CRON_D", tmp_path)
    where = timers.Cron()
    where.install(where.files(jobs.every(home), about))
    assert (tmp_path / "haechi").stat().st_mode & 0o777 == 0o644
    assert where.remove(dry_run=True) == [tmp_path / "haechi"]
    assert where.remove() == [tmp_path / "haechi"]
    assert where.remove() == []


def test_a_crontab_keeps_its_other_lines(
    home: Home, about: About, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "table"
    program(
        tmp_path, "crontab", f'[ "$1" = -l ] && exec cat {table}; cat > {table}.new; mv {table}.new {table}'
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    table.write_text("MAILTO=kim\n0 1 * * * mine\n")
    where = timers.Cron()
    for _twice in range(2):
        where.install(where.files(jobs.every(home), about))
    text = table.read_text()
    assert text.startswith("MAILTO=kim\n0 1 * * * mine\n")
    assert text.count(f"{PROGRAM} --plan /etc/haechi/haechi.toml backup one two") == 1
    assert "backup backup" not in text, "no user is named in a user's own table"
    assert where.remove() == [Path("crontab")]
    assert table.read_text() == "MAILTO=kim\n0 1 * * * mine\n"
    assert where.remove() == []


def test_systemd_is_told_and_others_units_stay(
    home: Home, about: About, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units, said = tmp_path / "units", tmp_path / "said"
    units.mkdir()
    (units / "haechi-mine.service").write_text("[Unit]\nDescription=my own\n")
    (units / "haechi-backup-gone.timer").write_text("[Unit]\nDescription=Haechi: backup gone\n")
    program(tmp_path, "systemctl", f'echo "$@" >> {said}')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(timers.Systemd, "directory", units)
    where = timers.Systemd()
    where.install(where.files(jobs.every(home), about))
    assert not (units / "haechi-backup-gone.timer").exists(), "what the plan wants no more is gone"
    assert (units / "haechi-backup-one-two.timer").exists()
    calls = said.read_text()
    assert "disable --now haechi-backup-gone.timer" in calls
    assert "enable --now haechi-backup-one-two.timer" in calls
    assert len(where.remove()) == 12
    assert [p.name for p in units.iterdir()] == ["haechi-mine.service"]


def test_a_host_without_either_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "_RUNNING", tmp_path / "nowhere")
    monkeypatch.setattr(timers, "CRON_D", tmp_path / "nowhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    for kind in ("systemd", "cron", None):
        with pytest.raises(ProgramMissing):
            timers.scheduler(kind)
    with pytest.raises(UsageMistake, match="export railway"):
        try:
            timers.scheduler("railway")
        except UsageMistake as problem:
            raise UsageMistake(problem.hint) from None


def program(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_due_answers_by_its_status(tmp_path: Path) -> None:
    (tmp_path / "haechi.toml").write_text(PLAN)
    env = {**os.environ, "HAECHI_KEY": "k", "SLACK_WEBHOOK_URL": "http://127.0.0.1:1"}
    for words, status in (("every 1m", 0), ("yearly 01-15 04:00", 1), ("whenever", 2)):
        done = subprocess.run(
            [sys.executable, "-m", "haechi", "schedule", "due", words],
            cwd=tmp_path,
            env=env,
            check=False,
            capture_output=True,
        )
        assert done.returncode == status, done.stderr
