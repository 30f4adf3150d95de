"""Files, SQLite and any program through the command line: killed, interrupted, and read back by restic alone."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.servers import program

pytestmark = pytest.mark.server

PLAN = """
[plan]
name = "site"
[server]
state = "{root}/state"
[vault.main]
url = "{root}/vault"
key = {{ file = "{root}/vault.key" }}
[archive.nas]
url = "{root}/nas"
layout = "{{service}}/{{part}}_{{time:%Y%m%d_%H%M%S}}.gz"
[service.media]
source = "files"
paths = "media"
to = ["vault.main", "archive.nas"]
[service.app]
source = "sqlite"
files = "app.db"
to = ["vault.main", "archive.nas"]
[service.users]
source = "command"
dump = ["{python}", "users.py"]
to = "vault.main"
"""
WAITING = """
import os, time
with open("pid", "w") as file:
    file.write(str(os.getpid()))
time.sleep(90)
"""
FILES = 2000


class Site:
    def __init__(self, root: Path):
        self.root = root
        for number in range(FILES):
            path = root / "media" / f"{number % 30:02}" / f"{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{number} " * 100)
        with closing(sqlite3.connect(root / "app.db")) as db:
            db.execute("create table t as select 7 as n")
            db.commit()
        (root / "users.py").write_text("print('root')")
        (root / "vault.key").write_text("a long passphrase")
        (root / "vault.key").chmod(0o600)
        (root / "haechi.toml").write_text(PLAN.format(root=root, python=sys.executable))
        self("vault", "init")
        self("backup")

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, "HAECHI_LANG": "en"}
        argv = [sys.executable, "-m", "haechi", *words]
        return subprocess.Popen(argv, cwd=self.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __call__(self, *words: str, status: int = 0) -> Any:
        running = self.start(*words, "--json")
        out, err = running.communicate(timeout=100)
        assert running.returncode == status, (words, out, err)
        return json.loads(out) if out.strip() else None


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


def wait_for(found: Callable[[], Any], running: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while not found():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_killed_restore_touches_nothing_and_is_swept(site: Site) -> None:
    before = sorted(str(p) for p in (site.root / "media").rglob("*"))
    running = site.start("restore", "media")
    wait_for(lambda: list(site.root.glob("media.under-way_*/*/*.txt")), running)
    running.kill()
    running.communicate()
    assert list(site.root.glob("media.under-way_*"))
    assert not list(site.root.glob("media.haechi_*"))
    assert sorted(str(p) for p in (site.root / "media").rglob("*")) == before
    site("restore", "media", "--swap")
    assert [p.name.partition("_")[0] for p in site.root.glob("media.*")] == ["media.before"]
    assert sorted(str(p) for p in (site.root / "media").rglob("*")) == before


def test_restic_alone_brings_everything_back(site: Site) -> None:
    """As the pages say it."""
    restic = program("restic", "apt-get install restic")
    env = {**os.environ, "RESTIC_PASSWORD": "a long passphrase", "RESTIC_CACHE_DIR": str(site.root / "cache")}

    def run(*words: str) -> bytes:
        argv = [restic, "-r", str(site.root / "vault"), *words]
        return subprocess.run(argv, env=env, check=True, capture_output=True, timeout=100).stdout

    out = site.root / "out"
    run("restore", "latest", "--tag", "service:media", "--target", str(out))
    assert len(list(Path(f"{out}/files{site.root}/media").rglob("*.txt"))) == FILES
    (site.root / "back.db").write_bytes(run("dump", "--tag", "service:app", "latest", "/app.db"))
    with closing(sqlite3.connect(site.root / "back.db")) as db:
        assert db.execute("select n from t").fetchone() == (7,)
    assert run("dump", "--tag", "service:users", "latest", "/users") == b"root\n"


def test_an_interrupted_backup_leaves_no_point_and_no_program(site: Site) -> None:
    (site.root / "users.py").write_text(WAITING)
    told = site.root / "pid"
    running = site.start("backup", "users")
    wait_for(lambda: told.exists() and told.read_text(), running)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)
    assert len(site("list", "users")) == 1
