"""What docs/howto/stack-drill.md says to type is typed, with an application that does what the page says of it."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from haechi.cli.main import run

PAGE = Path("docs/howto/stack-drill.md").absolute()
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


class Typed:
    """Commands as the page has them, carried out in this process."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        self._capsys = capsys
        self._scratch = root / "scratch"
        self._scratch.mkdir()
        monkeypatch.chdir(root)
        monkeypatch.setenv("HAECHI_LANG", "en")
        monkeypatch.setenv("TMPDIR", str(self._scratch))
        monkeypatch.setattr(tempfile, "tempdir", str(self._scratch))
        monkeypatch.setenv("PRODUCTION_URL", "postgresql://live")

    def __call__(self, line: str) -> str:
        status = run(shlex.split(line))
        out, err = self._capsys.readouterr()
        assert status == 0, f"{line}: {status}\n{out}\n{err}"
        assert not list(self._scratch.iterdir()), "nothing is left of it"
        return out


@pytest.fixture
def haechi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
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
    typed = Typed(root, monkeypatch, capsys)
    typed("vault init")
    return typed


def test_what_the_page_says_to_type_does_what_it_says(haechi: Typed) -> None:
    (block,) = re.findall(r"```\n(haechi .*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    said = {}
    for line in block.strip().splitlines():
        words = line.partition("#")[0].strip().removeprefix("haechi ")
        said[words] = haechi(words)
    assert "all of it came back and fits together" in said["drill erp"]
    assert "(RTO promised: 2 h)" in said["drill erp"]
    (found,) = json.loads(said["drill erp --from vault.main --json"])
    assert found["passed"] and [one["equal"] for one in found["trials"][0]["answers"]] == [True, True, True]
    assert "all: all of it came back" in said["drill --all"]
    assert said["report list --kind set-drill"].count("good") == 3
    assert "whole stack" in haechi("status")
