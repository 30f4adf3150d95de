"""What docs/howto/stack-drill.md says to type is typed, with an application that does what the page says of it."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

PAGE = Path("docs/howto/stack-drill.md")
HEAD = """[plan]
name = "page"
timezone = "Asia/Seoul"
language = "en"
[server]
state = "{root}/state"
[vault.main]
url = "{root}/vault"
key = {{ file = "{root}/vault.key" }}
"""
SERVE = """
import http.server, os, pathlib, sqlite3, sys

assert int(sys.argv[1]) == int(os.environ["HAECHI_DRILL_APP_PORT"])
assert not [name for name in os.environ if "PRODUCTION" in name]

class Erp(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        rows = sqlite3.connect(f"file:{os.environ['ERP_DATABASE']}?mode=ro", uri=True)
        lost = [path for (path,) in rows.execute("select path from documents")
                if not pathlib.Path(os.environ["ERP_MEDIA"], path).exists()]
        self.send_response(503 if lost else 200)
        self.end_headers()
        self.wfile.write(b"" if lost else b"ok")

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Erp).serve_forever()
"""
LOOK = """
import os, urllib.request
assert urllib.request.urlopen(os.environ["HAECHI_DRILL_APP_URL"] + "/health").read() == b"ok"
assert os.environ["HAECHI_DRILL_SET"] == "erp" and os.environ["HAECHI_DRILL_OBJECTS_PATH"]
"""


@pytest.fixture
def erp(tmp_path: Path) -> Path:
    root = tmp_path / "erp"
    (root / "media").mkdir(parents=True)
    (root / "media/a.pdf").write_text("a")
    with closing(sqlite3.connect(root / "erp.db")) as db:
        db.execute("create table documents (path text)")
        db.execute("insert into documents values ('a.pdf')")
        db.commit()
    (root / "serve.py").write_text(SERVE)
    (root / "look.py").write_text(LOOK)
    (root / "vault.key").write_text("a long passphrase")
    (root / "vault.key").chmod(0o600)
    (plan,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    plan = plan.replace("/srv/erp", str(root)).replace('"python3"', json.dumps(sys.executable))
    (root / "haechi.toml").write_text(HEAD.format(root=root) + plan)
    haechi(root, "vault init")
    return root


def haechi(root: Path, line: str) -> str:
    scratch = root / "scratch"
    scratch.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "haechi", *shlex.split(line)],
        cwd=root,
        env={
            **os.environ,
            "HAECHI_LANG": "en",
            "TMPDIR": str(scratch),
            "PRODUCTION_URL": "postgresql://live",
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{line}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert not list(scratch.iterdir())
    return done.stdout


def test_what_the_page_says_to_type_does_what_it_says(erp: Path) -> None:
    (block,) = re.findall(r"```\n(haechi .*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    said = {}
    for line in block.strip().splitlines():
        words = line.partition("#")[0].strip().removeprefix("haechi ")
        said[words] = haechi(erp, words)
    print(said["drill erp"])
    assert "all of it came back and fits together" in said["drill erp"]
    assert "(RTO promised: 2 h)" in said["drill erp"]
    (found,) = json.loads(said["drill erp --from vault.main --json"])
    assert found["passed"] and [one["equal"] for one in found["trials"][0]["answers"]] == [True, True, True]
    assert "all: all of it came back" in said["drill --all"]
    assert said["report list --kind set-drill"].count("good") == 3
    assert "whole stack" in haechi(erp, "status")
