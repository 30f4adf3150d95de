"""The verbs that take care of a vault, typed as a person types them: damage found, mended and told; keys; trials."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from haechi import clock
from tests.integration.stores.test_trouble import small_disk
from tests.servers.rclone import serving_restic
from tests.unit.cli.conftest import Ended, haechi

__all__ = ["haechi", "small_disk"]

Haechi = Callable[..., Ended]
SERVICES = ("letters", "drawings")


class Office:
    """Two services of files, two vaults, and a third that is not there yet."""

    def __init__(self, haechi: Haechi, root: Path, main: str, **options: Any):
        self.haechi, self.root = haechi, root
        told = "\n".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
        plan = f"""
[plan]
name = "office"
[server]
state = "{root}/state"
[vault.main]
url = "{main}"
key = {{ env = "OFFICE_KEY" }}
{told}
"""
        for name in ("offsite", "new"):
            plan += f'[vault.{name}]\nurl = "{root}/{name}"\nkey = {{ env = "{name.upper()}_KEY" }}\n'
        for name in SERVICES:
            (root / name).mkdir()
            plan += f'[service.{name}]\nsource = "files"\npaths = ["{root}/{name}"]\nto = ["vault.main"]\n'
        (root / "haechi.toml").write_text(plan)

    def write(self, version: int) -> None:
        for number, name in enumerate(SERVICES):
            (self.root / name / "kept").write_bytes(f"{name} of version {version}".encode() * 2000)
            (self.root / name / f"new{version}").write_bytes(bytes([number, version]) * 500)

    def __call__(self, *words: str, status: int = 0) -> Any:
        """What the command answered as JSON, or the error that it ended with."""
        ended = self.haechi(*words, "--json")
        assert ended.status == status, ended.out + ended.err
        answer = json.loads(ended.out)
        return answer["error"] if status else answer

    def restored(self, *words: str) -> dict[str, bytes]:
        """Both services as they come back beside what is there."""
        found: dict[str, bytes] = {}
        for name in SERVICES:
            target = self.root / "back" / name
            self("restore", name, "--to", f"directory={target}", *words)
            found |= {
                f"{name}/{file.name}": file.read_bytes() for file in target.rglob("*") if file.is_file()
            }
            shutil.rmtree(self.root / "back")
        return found

    def now(self) -> dict[str, bytes]:
        return {f"{n}/{f.name}": f.read_bytes() for n in SERVICES for f in (self.root / n).iterdir()}

    def files(self, kind: str, vault: str = "main") -> list[Path]:
        return sorted(path for path in (self.root / vault / kind).rglob("*") if path.is_file())


@pytest.fixture
def keys_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HAECHI_PLAN", str(tmp_path / "haechi.toml"))
    for name in ("OFFICE", "OFFSITE", "NEW"):
        monkeypatch.setenv(f"{name}_KEY", f"the long passphrase of {name}")


@pytest.fixture
def office(haechi: Haechi, tmp_path: Path, keys_at_hand: None) -> Office:
    office = Office(haechi, tmp_path, f"{tmp_path}/main")
    office("vault", "init", "main")
    for version in range(3):
        office.write(version)
        office("backup")
    return office


def flip(path: Path, at: int = 30) -> None:
    spoilt = bytearray(path.read_bytes())
    spoilt[at] ^= 4
    path.chmod(0o600)
    path.write_bytes(spoilt)


def test_a_vault_is_checked(office: Office) -> None:
    for words in ((), ("--share", "50%"), ("--read-data",)):
        answer = office("vault", "check", "main", *words)
        assert answer["healthy"] and answer["snapshots"] == 6
    assert answer["packs_read"] == answer["packs"]


def test_damage_is_told_by_service_and_point_and_heals_from_another_vault(office: Office) -> None:
    office("vault", "init", "offsite")
    assert len(office("vault", "copy", "main", "offsite")["copied"]) == 6
    assert not office("vault", "copy", "main", "offsite")["copied"]
    for pack in office.files("data"):
        flip(pack)
    ended = office.haechi("vault", "check", "main", "--read-data")
    assert ended.status == 20
    for name in SERVICES:
        assert name in ended.out + ended.err
    ended = office.haechi("vault", "check", "main", "--read-data", "--json")
    assert {one["service"] for one in json.loads(ended.out)["touched"]} == set(SERVICES)
    assert office("vault", "heal", "main", "--from", "offsite")["healthy"]
    assert office("vault", "check", "main", "--read-data")["healthy"]
    assert office.restored() == office.now()


def test_what_no_other_vault_holds_stays_damaged_and_is_said_so(office: Office) -> None:
    office("vault", "init", "offsite")
    for pack in office.files("data"):
        flip(pack)
    assert office.haechi("vault", "heal", "main", "--from", "offsite").status == 20


def test_a_lost_index_and_a_lost_record_are_repaired(office: Office) -> None:
    office("vault", "init", "offsite")
    office("vault", "copy", "main", "offsite")
    for index in office.files("index"):
        index.unlink()
    assert office.haechi("vault", "check", "main").status == 20
    assert office("vault", "repair", "main")["check"]["healthy"]
    assert office.restored() == office.now()
    flip(office.files("snapshots")[0])
    assert office.haechi("vault", "repair", "main").status == 20
    assert office("vault", "repair", "main", "--forget-unreadable", "--yes")["check"]["snapshots"] == 5
    assert len(office("vault", "copy", "offsite", "main")["copied"]) == 1
    assert office("vault", "check", "main", "--read-data")["snapshots"] == 6


def test_after_a_leak_all_is_sealed_anew(office: Office) -> None:
    before = {path: path.read_bytes() for path in office.files("")}
    office("vault", "rekey", "main", "new")
    assert {path: path.read_bytes() for path in office.files("")} == before
    assert office("vault", "check", "new", "--read-data")["snapshots"] == 6
    assert len(office("vault", "snapshots", "new")) == 6


def test_a_recovery_key_from_paper_opens_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = office("key", "recovery", "main")["recovery_key"]
    assert len(paper.split("-")) == 9
    monkeypatch.setenv("OFFICE_KEY", paper)
    assert office.restored() == office.now()


def test_a_trial_of_a_storage(office: Office, tmp_path: Path) -> None:
    with serving_restic(tmp_path / "served", "--append-only") as server:
        for url in (f"{tmp_path}/somewhere", server):
            verdicts = {one["name"]: one["verdict"] for one in office("vault", "try", url)}
            assert verdicts["what-was-put-comes-back"] == verdicts["ranges-are-exact"] == "passed"
            assert "failed" not in verdicts.values()
    assert verdicts["deleting-deletes-and-twice-is-no-error"] == "not-offered"
    assert [path for path in (tmp_path / "somewhere").rglob("*") if path.is_file()] == []


def test_a_tamper_test_says_who_could_destroy_it(haechi: Haechi, tmp_path: Path, keys_at_hand: None) -> None:
    with serving_restic(tmp_path / "served", "--append-only") as server:
        office = Office(haechi, tmp_path, server)
        office("vault", "init")
        assert office("vault", "tamper-test", "main")["protected"]
        ended = haechi("vault", "tamper-test", "offsite", "--json")
        assert ended.status == 20
        assert {one["outcome"] for one in json.loads(ended.out)["attempts"]} == {"done"}


# -- hardship --------------------------------------------------------------------------------------------------


def test_a_wrong_key_and_a_vault_that_is_not_there(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    assert office("vault", "snapshots", "offsite", status=10)["code"] == "vault-missing"
    monkeypatch.setenv("OFFICE_KEY", "not this one")
    assert office("vault", "snapshots", "main", status=12)["code"] == "wrong-key"
    before = office.files("")
    office.haechi("backup")
    assert office.files("") == before


def test_half_a_vault_is_neither_opened_nor_made_over(office: Office) -> None:
    config = office.root / "main" / "config"
    whole = config.read_bytes()
    config.unlink()
    assert office("vault", "snapshots", "main", status=20)["code"] == "damaged"
    assert office("vault", "init", "main", status=20)["code"] == "damaged"
    config.write_bytes(whole)
    assert office.restored() == office.now()
    office("vault", "init", "offsite")
    (office.root / "offsite" / "config").unlink()  # as if killed between the key file and the config
    assert office("vault", "snapshots", "offsite", status=10)["code"] == "vault-unfinished"
    office("vault", "init", "offsite")
    assert office("vault", "snapshots", "offsite") == []


def test_foreign_files_are_left_alone(office: Office) -> None:
    for name in (".DS_Store", "data/ab/Thumbs.db", "snapshots/README", "lost+found/#1", "index/.nfs0001"):
        path = office.root / "main" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not ours")
    assert office("vault", "check", "main", "--read-data")["healthy"]
    office("backup")
    office("vault", "prune", "main")
    assert office.restored() == office.now()
    assert len([path for path in office.files("") if path.read_bytes() == b"not ours"]) == 5


@pytest.fixture
def on_a_small_disk(haechi: Haechi, tmp_path: Path, small_disk: Path, keys_at_hand: None) -> Iterator[Office]:
    office = Office(haechi, tmp_path, f"{small_disk}/vault", retries=0)
    office("vault", "init", "main")
    office.write(0)
    office("backup")
    yield office


def codes_of(ended: Ended) -> str:
    return ended.out + ended.err


@pytest.mark.server
def test_a_full_disk_costs_nothing_that_was_there(on_a_small_disk: Office) -> None:
    office = on_a_small_disk
    before = office.now()
    large = office.root / "letters" / "large"
    large.write_bytes(os.urandom(9 << 20))
    ended = office.haechi("backup", "letters", "--json")
    assert ended.status != 0 and "store-full" in codes_of(ended)
    assert office("vault", "check", "main", "--read-data")["healthy"]
    large.unlink()
    assert office.restored() == before
    office("backup")


@pytest.mark.server
def test_a_read_only_disk_is_read(on_a_small_disk: Office, small_disk: Path) -> None:
    office = on_a_small_disk
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    ended = office.haechi("backup", "--json")
    assert ended.status != 0 and "store-refused" in codes_of(ended)
    assert office("vault", "check", "main", "--read-data")["healthy"]
    assert office.restored() == office.now()


class Earlier:
    """The machine's clock was set back."""

    def __init__(self, by: timedelta):
        self._real, self._by = clock.SystemClock(), by

    def now(self) -> datetime:
        return self._real.now() - self._by

    def monotonic(self) -> float:
        return self._real.monotonic()

    def sleep(self, seconds: float) -> None:
        self._real.sleep(seconds)


def test_a_clock_that_was_set_back_is_named_and_loses_nothing(office: Office) -> None:
    with clock.using(Earlier(timedelta(days=3))):
        ended = office.haechi("doctor", "--json")
        assert "clock" in codes_of(ended)
        office.write(9)
        office("backup")
        office("vault", "prune", "main")
        assert office("vault", "check", "main", "--read-data")["snapshots"] == 8
    assert len(office("vault", "snapshots", "main")) == 8
