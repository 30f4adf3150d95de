"""States of restore points on the command line: verified by depth and chance, drilled, failed, shown everywhere."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.cli import screen
from tests.command_line import asked

PLAN = """
[plan]
name = "erp"
[server]
state = "state"
[vault.main]
url = "vault"
key = { file = "key" }
[archive.nas]
url = "nas"
layout = "{service}/{time:%Y%m%d_%H%M%S}.tar.gz"
encrypt = { gpg = { env = "NAS_PASSPHRASE" } }
[service.papers]
source = "files"
paths = ["data"]
backup = "daily 02:00"
drill = "sunday 05:00"
promise = { rpo = "25h" }
to = ["vault.main", "archive.nas"]
[notify.hook]
via = "webhook"
url = { env = "NO_SUCH_HOOK" }
"""


class Here:
    """The command line of an installation, in this process."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]):
        self.path = path
        self._capsys = capsys

    def __call__(self, *words: str, status: int = 0) -> Any:
        """What the command says as JSON; it must end so."""
        return asked(self._capsys, *words, status=status)


@pytest.fixture
def haechi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Here]:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/letter.txt").write_text("dear all")
    (tmp_path / "key").write_text("correct horse")
    (tmp_path / "haechi.toml").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAS_PASSPHRASE", "battery staple")
    monkeypatch.delenv("NO_SUCH_HOOK", raising=False)
    monkeypatch.delenv("HAECHI_PLAN", raising=False)
    before = screen.screen()
    here = Here(tmp_path, capsys)
    here("vault", "init", "main")
    yield here
    screen.use_screen(before)


def test_a_point_from_taken_to_restored_to_failed(haechi: Here) -> None:
    haechi("backup")
    (row,) = haechi("list")
    assert (row["state"], row["proven"]["depth"]) == ("taken", "structure")

    seen = haechi("verify", "--random", "--seed", "3", "--from", "archive.nas")
    assert [(one["where"], one["depth"], one["problem"]) for one in seen] == [("archive.nas", "all", None)]
    (row,) = haechi("list")
    assert {c["where"]: c["depth"] for c in row["copies"]} == {
        "vault.main": "structure",
        "archive.nas": "all",
    }
    assert (row["proven"]["where"], row["proven"]["depth"]) == ("archive.nas", "all")

    seen = haechi("verify", "--share", "50%", "--from", "vault.main")
    assert [one["depth"] for one in seen] == ["sample"]

    (drilled,) = haechi("drill", "--random", "--from", "vault.main", "--from", "archive.nas", "--seed", "5")
    assert drilled["state"] == "restored"
    assert drilled["picked"] == {
        "by": "chance",
        "seed": 5,
        "points": 1,
        "copies": ["vault.main", "archive.nas"],
    }
    again = haechi("drill", "--random", "--from", "vault.main", "--from", "archive.nas", "--seed", "5")
    assert again[0]["copy"] == drilled["copy"]
    (standing,) = haechi("status")
    assert (standing["state"], standing["proof"]["where"]) == ("restored", drilled["copy"])
    assert standing["proof"]["compared"] == drilled["compared"] > 0
    (report, *_older) = haechi("report", "list")
    told = haechi("report", "show", report["report"])["body"]
    assert (told["state"], told["picked"]["seed"]) == ("restored", 5)

    for path in (haechi.path / "nas").rglob("*.gpg"):
        data = bytearray(path.read_bytes())
        data[-9] ^= 1
        path.write_bytes(data)
    haechi("verify", "--from", "archive.nas", status=20)
    haechi("verify", "--quick", "--from", "archive.nas")
    (row,) = haechi("list")
    (bad,) = [copy for copy in row["copies"] if copy["where"] == "archive.nas"]
    assert (bad["state"], bad["depth"]) == ("failed", "all"), (
        "a quick look does not lift what a deep one found"
    )
    assert "checksum" in bad["why"]


def test_options_that_exclude_each_other(haechi: Here) -> None:
    haechi("verify", "--random", "--all", status=2)
    haechi("verify", "--share", "0", status=2)
    haechi("verify", "--share", "some", status=2)
    haechi("verify", "--share", "30%", "--depth", "all", status=2)
    haechi("verify", "--share", "30%", "--quick", status=2)


def test_doctor_looks_at_everything_and_says_how_to_mend_it(haechi: Here) -> None:
    home = haechi.path
    (home / "key").chmod(0o644)
    haechi("backup")
    found = haechi("doctor", status=1)
    by = {(one["subject"], one["health"]): one for one in found}
    assert by["vault.main.key", "warning"]["mend"] == f"Close it: chmod 600 {home / 'key'}"
    assert "NO_SUCH_HOOK" in by["notify.hook.url", "bad"]["text"]
    assert by["notify.hook", "warning"]["mend"] == "Try it: haechi notify test hook"
    assert "schedule install" in by["schedules", "warning"]["mend"]
    assert by["papers", "warning"]["mend"] == "haechi drill papers"
    assert "GB free" in by["vault.main", "good"]["text"] or ("archive.nas", "good") in by
    assert by["journal", "good"]
    assert not [one for one in found if one["subject"].startswith("archive.nas.encrypt")], (
        "it is where it should be"
    )
    assert (home / "state/disks.json").exists()
    # A daemon that runs the schedules itself is as good as cron.
    with socket.socket(socket.AF_UNIX) as daemon:
        directory = os.open(home / "state", os.O_RDONLY)
        daemon.bind(f"/proc/self/fd/{directory}/haechi.sock")
        os.close(directory)
        found = haechi("doctor", status=1)
    assert ("schedules", "good") in {(one["subject"], one["health"]) for one in found}
