"""The drill of a whole stack: rows in PostgreSQL, objects in a bucket, files on a disk, and an application on top.

That is well only if they fit together. It starts against what has come back, and can reach nothing else.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from haechi.cli.main import run
from tests.integration.postgresql_ground import ask
from tests.integration.test_bucket import opened, room
from tests.servers.postgres import Postgres
from tests.servers.seaweedfs import SeaweedFS

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("whole_stack")]

PLAN = """
[plan]
name = "erp"
timezone = "Asia/Seoul"
language = "en"

[server]
state = "{root}/state"

[vault.main]
url = "{root}/vault"
key = {{ file = "{root}/vault.key" }}

[service.rows]
source = "postgresql"
url = {{ env = "DATABASE_URL" }}
databases = "{database}"
bindir = "{bindir}"
to = "vault.main"

[service.objects]
source = "bucket"
url = "s3://{bucket}"
endpoint = "{endpoint}"
region = "us-east-1"
access_key = {{ env = "ERP_ACCESS_KEY" }}
secret_key = {{ env = "ERP_SECRET_KEY" }}
to = "vault.main"

[service.templates]
source = "files"
paths = "{root}/templates"
to = "vault.main"
after = ["rows"]

[set.erp]
of = ["rows", "objects", "templates"]
promise = {{ rto = "1h" }}
audit = [{{ sql = "select key from documents", of = "rows", exists_in = "objects", title = "every document" }}]

[set.erp.drill]
app = {{ run = ["{python}", "{root}/application.py", "{{app.port}}"], ready = "/ready" }}
env = {{ DATABASE_URL = "{{rows.url}}", MEDIA = "{{objects.path}}", PSQL = "{bindir}/psql" }}
checks = [
  {{ http = "{{app.url}}/health", contains = "2 documents" }},
  {{ sql = "select count(*) from documents", of = "rows", expect = "2" }},
  {{ run = ["{python}", "{root}/look.py"], contains = "welcome", title = "the templates" }},
]
"""

# Answers /health with how many documents there are, if each has its object; asked of what its environment names.
APPLICATION = """
import http.server, os, pathlib, subprocess, sys

class Erp(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said, status = ("ready", 200) if self.path == "/ready" else health()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, *_):
        pass

def health():
    sql = "select key from documents"
    argv = [os.environ["PSQL"], "-XAtq", "-d", os.environ["DATABASE_URL"], "-c", sql]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        return done.stderr, 500
    keys = done.stdout.split()
    lost = [key for key in keys if not (pathlib.Path(os.environ["MEDIA"]) / key).exists()]
    return (f"{len(keys)} documents", 200) if not lost else (f"lost: {lost}", 503)

if "BROKEN" in os.environ:
    sys.exit("no license")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Erp).serve_forever()
"""
# Told nothing of what is in use, and able to reach nothing of it.
LOOK = """
import os, pathlib, socket
assert "ERP_SECRET_KEY" not in os.environ and "PRODUCTION" not in os.environ
assert os.environ["HAECHI_DRILL_SET"] == "erp" and os.environ["HAECHI_DRILL_ROWS_NAME"]
port = int(pathlib.Path(__file__).with_name("port").read_text())
try:
    socket.create_connection(("127.0.0.1", port), 5).close()
    raise SystemExit("it reaches what is in use")
except ConnectionRefusedError:
    print(pathlib.Path(os.environ["HAECHI_DRILL_TEMPLATES_PATH"], "mail.txt").read_text())
"""

WAITS = LOOK + "\npathlib.Path(__file__).with_name('begun').touch()\nimport time; time.sleep(600)\n"


class Erp:
    def __init__(self, root: Path, postgres: Postgres, seaweedfs: SeaweedFS):
        self.root, self.postgres, self.seaweedfs = root, postgres, seaweedfs
        self.taken = False
        self.bucket = room(seaweedfs, "stack")
        self.database = f"stack_{os.getpid()}_{root.name[-12:].replace('-', '_')}"
        ask(postgres, f'create database "{self.database}"', "postgres")
        self.sql("create table documents (key text)")
        (root / "templates").mkdir()
        (root / "templates/mail.txt").write_text("welcome")
        (root / "vault.key").write_text("a long passphrase")
        (root / "vault.key").chmod(0o600)
        (root / "application.py").write_text(APPLICATION)
        (root / "look.py").write_text(LOOK)
        (root / "port").write_text(str(postgres.port))
        for name in ("a.pdf", "b.pdf"):
            self.upload(name)
        self.write_plan()
        self.haechi("vault", "init")

    def write_plan(self, change: Callable[[str], str] = lambda text: text) -> None:
        text = PLAN.format(
            root=self.root,
            database=self.database,
            bindir=self.postgres.bindir,
            bucket=self.bucket,
            endpoint=self.seaweedfs.endpoint,
            python=sys.executable,
        )
        changed = change(text)
        (self.root / "haechi.toml").write_text(changed)

    def sql(self, statement: str) -> str:
        return ask(self.postgres, statement, self.database)

    def upload(self, name: str, *, lost: bool = False) -> None:
        self.sql(f"insert into documents values ('{name}')")
        if not lost:
            with closing(opened(self.seaweedfs, self.bucket)) as there:
                there.put(name, name.encode(), {})

    @property
    def env(self) -> dict[str, str]:
        """Of whoever runs haechi: full of what is in use."""
        return {
            "HAECHI_LANG": "en",
            "HAECHI_PLAN": str(self.root / "haechi.toml"),
            "TMPDIR": str(self.scratch),
            "DATABASE_URL": self.postgres.url_of(self.database),
            "PRODUCTION": self.postgres.url,
            "ERP_ACCESS_KEY": self.seaweedfs.options["access_key"],
            "ERP_SECRET_KEY": self.seaweedfs.options["secret_key"],
        }

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "haechi", *words],
            env={**os.environ, **self.env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def scratch(self) -> Path:
        """Where the throwaways are made."""
        path = Path("/var/tmp") / f"haechi-stack-{os.getpid()}-{self.root.name}"
        path.mkdir(exist_ok=True, mode=0o711)
        return path

    def haechi(self, *words: str, status: int = 0) -> str:
        """In this process, which begins once and not each time."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in self.env.items():
                patch.setenv(name, value)
            patch.setattr(tempfile, "tempdir", str(self.scratch))
            found = run(list(words))
        assert found == status, f"{words}: {found}\n{out.getvalue()}\n{err.getvalue()}"
        return out.getvalue()

    def json(self, *words: str, status: int = 0) -> Any:
        return json.loads(self.haechi(*words, "--json", status=status))

    def states(self) -> dict[str, str]:
        """How far the newest point of each is proven."""
        return {one["point"]["service"]: one["state"] for one in self.json("list")}

    def drill(self, *words: str, status: int = 0) -> Any:
        (found,) = self.json("drill", *words, status=status)
        assert list(self.scratch.iterdir()) == [], "nothing is left of it"
        return found


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, postgres15: Postgres, seaweedfs: SeaweedFS
) -> Iterator[Erp]:
    made = Erp(tmp_path_factory.mktemp("stack"), postgres15, seaweedfs)
    yield made
    for path in made.scratch.iterdir():
        subprocess.run(["rm", "-rf", path], check=False)
    made.scratch.rmdir()


@pytest.fixture
def erp(installation: Erp) -> Erp:
    """In order, and with a newest point that is."""
    (installation.root / "look.py").write_text(LOOK)
    installation.write_plan()
    if not installation.taken:
        assert installation.json("set", "backup", "erp")["whole"]
        installation.taken = True
    return installation


def test_the_whole_stack_comes_back_and_serves(erp: Erp) -> None:
    found = erp.drill("erp")
    assert found["passed"], found
    assert [one["service"] for one in found["members"]] == ["rows", "objects", "templates"]
    assert all(one["good"] for one in found["members"])
    assert [(one["checked"], one["dangling"]) for one in found["audit"]] == [(2, 0)]
    (tried,) = found["trials"]
    assert [one["equal"] for one in tried["answers"]] == [True, True, True] and tried["apart"]
    assert 0 < found["seconds"] < found["whole_seconds"] and found["rto_promised"] == 3600
    _demand_order(found["steps"])
    assert (
        erp.json("report", "show", found["report"], "--html", str(erp.root / "report.html"))["seal"] == "ours"
    )
    assert "<svg" in (erp.root / "report.html").read_text()
    assert set(erp.states().values()) == {"restored"}
    (standing,) = [one for one in erp.json("status") if "set" in one]
    assert standing["passed"] and standing["rto_measured"] == found["seconds"] and not standing["rto_broken"]


def _demand_order(steps: list[dict[str, Any]]) -> None:
    """The path begins with the first step, goes on from one to the next, and ends when it serves."""
    by_title = {step["title"]: step for step in steps}
    rows, templates = (by_title[f"{name}: coming back from vault.main"] for name in ("rows", "templates"))
    assert templates["began"] >= rows["began"] + rows["seconds"], "it waits for the rows"
    path = [step for step in steps if step["critical"]]
    assert path[0]["kind"] == "points" and path[-1]["kind"] == "check"
    for one, other in pairwise(path):
        assert other["began"] >= one["began"] + one["seconds"] - 0.01
    gone = [step["about"] for step in steps if step["kind"] == "remove"]
    assert sorted(gone) == ["objects", "rows", "templates"]


def test_what_does_not_fit_is_found(erp: Erp) -> None:
    erp.upload("lost.pdf", lost=True)
    erp.json("set", "backup", "erp")
    erp.taken = False
    erp.sql("delete from documents where key = 'lost.pdf'")  # what is in use fits now
    found = erp.drill("erp", status=20)
    assert not found["passed"] and all(one["good"] for one in found["members"])
    assert found["audit"][0]["values"] == ["lost.pdf"]
    health, rows, templates = found["trials"][0]["answers"]
    assert health["found"] == "503" and not health["equal"] and not rows["equal"] and templates["equal"]
    assert "lost.pdf" in erp.haechi("report", "show", found["report"])


def test_an_application_that_does_not_start_fails_the_drill(erp: Erp) -> None:
    erp.write_plan(lambda text: text.replace("env = { DATABASE_URL", 'env = { BROKEN = "1", DATABASE_URL'))
    found = erp.drill("erp", status=20)
    error = found["trials"][0]["error"]
    assert "ended before it answered" in error["message"] and "no license" in error["detail"]


def test_one_that_does_not_come_back_keeps_back_only_what_needs_it(erp: Erp) -> None:
    # Its throwaway cannot be made, which says nothing about its copy.
    erp.write_plan(
        lambda text: text.replace("[set.erp.drill]", '[set.erp.drill]\ninto = { rows = "embedded:/nowhere" }')
    )
    found = erp.drill("erp", status=20)
    rows, objects, templates = found["members"]
    assert rows["error"] and objects["good"] and templates["waited_for"] == "rows"
    assert erp.states()["objects"] == "restored", "and its failure says nothing about a copy"
    assert "failed" not in erp.states().values()


def test_everything_at_once(erp: Erp) -> None:
    found = erp.drill("--all")
    assert found["passed"], found
    assert found["set"] == "all" and len(found["members"]) == 3 and len(found["trials"]) == 1


def test_told_to_stop_it_takes_everything_down(erp: Erp) -> None:
    (erp.root / "look.py").write_text(WAITS)
    with erp.start("drill", "erp") as running:
        _until((erp.root / "begun").exists)
        running.terminate()
        assert running.wait(90) == 130
    (erp.root / "begun").unlink()
    assert list(erp.scratch.iterdir()) == []
    assert not _pid_of(erp.root / "application.py") and not _pid_of(erp.root / "look.py")


def test_killed_in_the_middle_the_next_one_removes_what_is_left(erp: Erp) -> None:
    (erp.root / "look.py").write_text(WAITS)
    with erp.start("drill", "erp") as running:
        _until((erp.root / "begun").exists)
        application = _pid_of(erp.root / "application.py")
        servers = [
            path / "server" for path in erp.scratch.glob("haechi-drill-*") if (path / "server").exists()
        ]
        assert application and len(servers) == 1
        running.kill()
        running.wait(30)
    (erp.root / "begun").unlink()
    _until(lambda: not _pid_of(erp.root / "application.py"))
    assert not _pid_of(erp.root / "look.py")
    (erp.root / "look.py").write_text(LOOK)
    # A place that is younger may be one that is being made, and is let be.
    _until(lambda: all(time.time() - path.stat().st_ctime > 6 for path in erp.scratch.iterdir()))
    assert erp.drill("erp")["passed"]
    assert not servers[0].exists()


def _pid_of(script: Path) -> int:
    """Of the process that runs this script; 0 if none does."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(script) in entry.read_bytes().decode(errors="replace").split("\0"):
                return int(entry.parent.name)
        except OSError:
            continue
    return 0


def _until(holds: Callable[[], object]) -> None:
    until = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)
