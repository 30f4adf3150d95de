"""One of two destinations is away, takes the keys no more, or is full: what the commands say and how it mends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import ClockWrong, KeysExpired, KeysWrong, StoreRefused, StoreUnavailable
from haechi.stores._open import open_store
from tests.servers import demand
from tests.servers.gate import Gate
from tests.servers.seaweedfs import SeaweedFS
from tests.servers.stumbling import stumbling

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

PLAN = """
[plan]
name = "erp"
timezone = "Asia/Seoul"
[server]
state = "state"
[vault.main]
url = "vault"
key = "planted-key-of-the-vault"
[archive.far]
url = "{url}"
layout = "{{service}}/{{part}}_{{time:%Y%m%d_%H%M%S%f}}.tar.gz"
{options}
[service.papers]
source = "files"
paths = ["data"]
promise = {{ rpo = "1d" }}
backup = "daily 02:00"
to = ["vault.main", "archive.far"]
"""
HURRY = "retries = 0\npatience = 60\ntimeout = 60\n"  # what is refused or cut is so at once
FAR = {"FAR_SECRET": "not-a-real-secret"}


@dataclass
class Installation:
    path: Path

    def plan(self, url: str, options: str) -> None:
        (self.path / "haechi.toml").write_text(PLAN.format(url=url, options=options))

    def run(self, *words: str, **environment: str) -> tuple[int, Any]:
        """The exit status, and what it answers with --json."""
        done = subprocess.run(
            [sys.executable, "-m", "haechi", *words, "--json"],
            check=False, cwd=self.path, env={**os.environ, "HAECHI_LANG": "en", **FAR, **environment},
            capture_output=True, text=True, timeout=110,
        )  # fmt: skip
        assert "planted" not in done.stdout + done.stderr
        answers = [json.loads(line) for line in done.stderr.splitlines() if '"status"' in line]
        return done.returncode, {"answer": json.loads(done.stdout), "error": (answers or [{}])[-1]}

    def copies(self, **environment: str) -> dict[str, Any]:
        _status, said = self.run("status", "--copies", **environment)
        (service,) = said["answer"]["services"]
        return {copy["where"]: copy for copy in service["copies"]}

    def alarms(self) -> list[str]:
        return [one["event"] for one in self.run("alarms")[1]["answer"]]


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/letter.txt").write_text("dear all")
    return Installation(tmp_path)


def bucket(server: SeaweedFS, endpoint: str) -> tuple[str, str]:
    """Its address, and the options of a plan that reaches it through there."""
    access = f'access_key = "{server.options["access_key"]}"\nsecret_key = {{ env = "FAR_SECRET" }}\n'
    return f"s3://{server.bucket()}/a", f'endpoint = "{endpoint}"\nregion = "us-east-1"\n{access}{HURRY}'


def test_the_line_is_down_and_comes_back(here: Installation, seaweedfs: SeaweedFS) -> None:
    with Gate.before(seaweedfs.endpoint) as gate:
        here.plan(*bucket(seaweedfs, gate.url))
        assert here.run("vault", "init", "main")[0] == 0
        gate.shut()
        status, said = here.run("backup")
        assert status == 3, said
        assert "archive.far" in said["error"]["error"]["message"]
        copies = here.copies()
        assert copies["vault.main"]["points"] == 1
        assert copies["archive.far"]["error"]["code"] == "store-unavailable"
        gate.open()
        assert "copy-behind" in here.alarms()
        status, said = here.run("copy")
        assert status == 0, said
        assert here.copies()["archive.far"]["points"] == 1
        assert "copy-behind" not in here.alarms()
        assert here.run("verify", "--from", "archive.far")[0] == 0


def test_wrong_keys_and_right_ones_again(here: Installation, seaweedfs: SeaweedFS) -> None:
    """A real server refuses; the next backup makes up for it by itself."""
    here.plan(*bucket(seaweedfs, seaweedfs.endpoint))
    assert here.run("vault", "init", "main")[0] == 0
    status, said = here.run("backup", FAR_SECRET="planted and wrong")
    assert status == 3, said
    assert "haechi copy" in said["error"]["error"]["hint"], "and what to do"
    assert here.copies(FAR_SECRET="planted and wrong")["archive.far"]["error"]["code"] == "keys-wrong"
    assert here.run("backup")[0] == 0
    copies = here.copies()
    assert (copies["vault.main"]["points"], copies["archive.far"]["points"]) == (2, 2)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "ExpiredToken", KeysExpired),
        (400, "TokenRefreshRequired", KeysExpired),
        (403, "InvalidAccessKeyId", KeysWrong),
        (403, "RequestTimeTooSkewed", ClockWrong),
        (403, "AccessDenied", StoreRefused),
        (503, "SlowDown", StoreUnavailable),
    ],
)
def test_each_refusal_has_its_own_words(
    status: int, code: str, kind: type[Exception], seaweedfs: SeaweedFS
) -> None:
    with stumbling(seaweedfs.endpoint) as before:
        hurry = {"retries": 0, "patience": 60, "timeout": 60}
        options = {**seaweedfs.options, "endpoint": before.url, **hurry}
        store = open_store(f"s3://{seaweedfs.bucket()}/a", options)
        store.put("one", b"1")
        before.denied = (status, code)
        for call in (
            lambda: store.get("one"),
            lambda: list(store.list()),
            lambda: store.put("two", b"2"),
            lambda: store.put("three", iter([b"3"])),
        ):
            with pytest.raises(kind) as caught:
                call()
            assert type(caught.value) is kind
            assert caught.value.hint  # type: ignore[attr-defined]
        before.denied = None
        assert store.get("one") == b"1"


def test_keys_that_expire_between_two_backups(here: Installation, seaweedfs: SeaweedFS) -> None:
    with stumbling(seaweedfs.endpoint) as before:
        here.plan(*bucket(seaweedfs, before.url))
        assert here.run("vault", "init", "main")[0] == 0
        assert here.run("backup")[0] == 0
        before.denied = (400, "ExpiredToken")
        status, said = here.run("backup")
        assert status == 3, said
        assert "no longer valid" in said["error"]["error"]["hint"]
        assert here.copies()["archive.far"]["error"]["code"] == "keys-expired"
        before.denied = None
        assert here.run("backup")[0] == 0
        copies = here.copies()
        assert (copies["vault.main"]["points"], copies["archive.far"]["points"]) == (3, 3)


def test_a_nas_runs_full(here: Installation) -> None:
    disk = here.path / "share"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    fits = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    demand("a file system of four megabytes", fits, "run as root, where tmpfs may be mounted")
    try:
        here.plan(str(disk / "backup"), "mounted = true")
        assert here.run("vault", "init", "main")[0] == 0
        (here.path / "data/big.bin").write_bytes(os.urandom(6 << 20))
        status, said = here.run("backup")
        assert status == 3, said
        assert "full" in said["error"]["error"]["hint"]
        copies = here.copies()
        assert (copies["vault.main"]["points"], copies["archive.far"]["points"]) == (1, 0)
        assert subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=False).returncode == 0
        assert here.run("copy")[0] == 0
        assert here.copies()["archive.far"]["points"] == 1
        assert here.run("verify", "--from", "archive.far")[0] == 0
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
