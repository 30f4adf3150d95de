"""A tree of files by several processes: the same tree as by one, whatever dies under way, and never a part of it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from haechi.app.home import open_home
from haechi.cli.main import run
from haechi.sources._files import portions
from haechi.vault.nodes import Node
from tests.integration.hands_ground import kill, taken
from tests.servers import program

PLAN = """
[plan]
name = "shop"
language = "en"
[server]
state = "{root}/state"
[vault.main]
url = "{root}/vault"
key = {{ file = "{root}/key" }}
[service.alone]
source = "files"
paths = ["{root}/media", "{root}/one-file"]
exclude = ["*.tmp"]
to = "vault.main"
[service.media]
source = "files"
paths = ["{root}/media", "{root}/one-file"]
exclude = ["*.tmp"]
to = "vault.main"
hands = 3
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(portions, "_LEAST", 2 << 20)
    for number in range(600):
        path = tmp_path / "media" / f"{number % 5}" / f"{number % 3}" / f"{number:03}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"what {number} holds")
    (tmp_path / "media/2/large.bin").write_bytes(os.urandom(3 << 20))
    os.link(tmp_path / "media/0/0/000.txt", tmp_path / "media/4/second-name")
    (tmp_path / "media/link").symlink_to("0")
    (tmp_path / "media/3/passed-over.tmp").write_text("no")
    (tmp_path / "one-file").write_text("a path of its own")
    (tmp_path / "key").write_text("planted-passphrase")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "haechi.toml").write_text(PLAN.format(root=tmp_path))
    assert haechi(tmp_path, "vault", "init") == 0
    return tmp_path


def haechi(root: Path, *words: str) -> int:
    return run([*words, "--plan", str(root / "haechi.toml")])


def top(root: Path, service: str, path: str = "") -> Node:
    """Below the directories that only lead to it, which have the time when they were made."""
    home = open_home(root / "haechi.toml")
    vault = home.vault("main")
    (point,) = home.destination("vault.main").points(service)[-1:]
    return vault.node(vault.snapshot(point.copies[0].ref), f"/files{path or root / 'media'}")


def test_many_make_what_one_makes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert haechi(root, "backup", "media") == 0
    assert haechi(root, "backup", "alone") == 0
    found = taken(root)
    assert found["media"][1] == found["alone"][1]
    assert found["media"][1]["trees"][f"{root}/media"]["files"] == 602
    assert top(root, "media") == top(root, "alone")
    capsys.readouterr()
    assert haechi(root, "backup", "media", "--json") == 0
    (again,) = json.loads(capsys.readouterr().out)["done"].values()
    assert again["bytes_stored"] < 20_000  # nothing was read again
    assert top(root, "media") == top(root, "alone")
    target = root / "back"
    assert haechi(root, "restore", "media", "--to", f"directory={target}") == 0
    back = target / root.relative_to("/") / "media"
    there = {p.relative_to(root / "media"): p.read_bytes() for p in (root / "media").rglob("*.[tb][xi][tn]")}
    assert {p.relative_to(back): p.read_bytes() for p in back.rglob("*") if p.suffix} == there
    assert (back / "0/0/000.txt").samefile(back / "4/second-name")
    restic = program("restic", "apt-get install restic")
    env = {**os.environ, "RESTIC_PASSWORD": "planted-passphrase"}
    argv = [restic, "-r", str(root / "vault"), "--no-cache", "check", "--read-data"]
    assert "no errors" in subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout


def test_directories_above_single_files_are_as_they_were(root: Path) -> None:
    """Whoever takes the first portion knows nothing of what lies beside its directory."""
    home = root / "home"
    home.mkdir(mode=0o700)
    (root / "media").rename(home / "media")
    (home / "secrets.json").write_text("{}")
    os.utime(home, ns=(1, 1_500_000_000_000_000_001))
    plan = root / "haechi.toml"
    text = plan.read_text().replace(
        f'"{root}/media", "{root}/one-file"', f'"{home}/media", "{home}/secrets.json"'
    )
    plan.write_text(text)
    assert haechi(root, "backup", "media") == 0
    assert haechi(root, "backup", "alone") == 0
    there = os.fspath(home)
    many, one = (top(root, service, there) for service in ("media", "alone"))
    assert many == one
    assert oct(many.mode & 0o777) == "0o700"


def test_a_hand_that_dies_costs_its_portion_only(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = kill(monkeypatch, 1)
    assert haechi(root, "backup", "media") == 0
    assert len(killed) == 1
    said = capsys.readouterr()
    assert "once more" in said.out + said.err
    assert haechi(root, "backup", "alone") == 0
    assert top(root, "media") == top(root, "alone")


def test_hands_that_die_and_die_again_leave_no_point(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = kill(monkeypatch, 1000)
    assert haechi(root, "backup", "media") == 1
    assert len(killed) >= 2
    assert taken(root) == {}
    monkeypatch.undo()
    assert haechi(root, "backup", "media") == 0
    assert haechi(root, "vault", "check", "main") == 0
