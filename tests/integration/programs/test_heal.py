"""Copies mended from one another, as the plan knows them: between vaults with other keys, and archives made anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from haechi.credentials import Secret
from haechi.events import SILENT
from haechi.operations import heal
from haechi.operations.destinations.into_vault import VaultDestination
from haechi.operations.protect import protect
from haechi.operations.service import Onward
from haechi.stores._open import open_store
from haechi.testing.faulty_store import Killed
from haechi.vault.repository import Vault
from tests.unit.operations.ground import Ground, lay


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return lay(tmp_path)


def spoil(path: Path) -> None:
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


def packs(root: Path) -> list[Path]:
    return [p for p in (root / "data").rglob("*") if p.is_file()]


def test_every_copy_of_a_service(ground: Ground) -> None:
    far = VaultDestination(
        "vault.offsite", Vault.create(open_store(str(ground.root / "offsite")), Secret("another key"))
    )
    service = replace(ground.service(ground.vault), onward=(Onward(far), Onward(ground.archive)))
    ground.source.state = {"a.bin": os.urandom(40_000)}
    assert not protect(service, ground.desk, SILENT).failed
    for pack in packs(ground.root / "vault"):
        spoil(pack)
    (file,) = (ground.root / "nas").rglob("*.bin")
    spoil(file)
    done = heal.mend(service, ground.desk, SILENT)
    assert done.healthy
    assert done.vaults["vault.main"].blobs_fetched
    assert not done.vaults["vault.offsite"].blobs_fetched
    (copy,) = done.copies
    assert (copy.where, copy.problem) == ("archive.nas", None)
    for destination in service.everywhere:
        (point,) = destination.points("papers")
        destination.verify(point, "all", SILENT)
        with destination.open_part(point, "a.bin") as stream:
            assert stream.read() == ground.source.state["a.bin"]
    again = heal.mend(service, ground.desk, SILENT)
    assert again.healthy
    assert not again.copies
    assert [run.outcome for run in ground.desk.journal.runs(operation="heal")] == ["success", "success"]


def test_a_damaged_copy_stays_while_nobody_has_a_whole_one(ground: Ground) -> None:
    service = ground.service(ground.archive)
    protect(service, ground.desk, SILENT)
    for file in (ground.root / "nas").rglob("*.bin"):
        spoil(file)
    done = heal.mend(service, ground.desk, SILENT)
    assert not done.healthy
    assert done.copies[0].problem
    assert len(ground.archive.points("papers")) == 1, "half of it may be worth something to somebody"


@pytest.mark.parametrize("breaks", ["on the way", "on the storage"])
def test_a_damaged_copy_stays_until_the_new_one_has_been_read_back(
    ground: Ground, breaks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = replace(ground.service(ground.vault), onward=(Onward(ground.archive),))
    assert not protect(service, ground.desk, SILENT).failed
    damaged = next(f for f in (ground.root / "nas").rglob("a*.bin") if not f.name.startswith("."))
    spoil(damaged)

    def breaking(*_words: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        if breaks == "on the way":
            really = ground.vault.open_part
            patch.setattr(
                ground.vault,
                "open_part",
                lambda point, part: really(point, part) if part == "a.bin" else breaking(),
            )
        else:
            patch.setattr("haechi.archive.intake.ArchiveIntake._read_back", breaking)
        heal.mend(service, ground.desk, SILENT)
    (point,) = ground.archive.points("papers")
    with ground.archive.open_part(point, "b.bin") as stream:  # what is whole of it can still be had
        assert stream.read() == ground.source.state["b.bin"]
    assert heal.mend(service, ground.desk, SILENT).healthy
    (point,) = ground.archive.points("papers")
    ground.archive.verify(point, "all", SILENT)


PLAN = """
[plan]
name = "x"
language = "en"
[server]
state = "state"
[vault.main]
url = "vault"
key = "one"
[vault.offsite]
url = "offsite"
key = "two"
[service.erp]
source = "files"
paths = ["{root}/data"]
to = "vault.main"
copy = "vault.offsite"
"""


def test_the_others_are_found_in_the_plan(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_bytes(os.urandom(50_000))
    (tmp_path / "haechi.toml").write_text(PLAN.format(root=tmp_path))

    def haechi(*words: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "haechi", *words],
            cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == status, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout

    haechi("vault", "init")
    haechi("backup")
    for name in ("main", "erp"):
        for pack in packs(tmp_path / "vault"):
            spoil(pack)
        told = json.loads(haechi("--json", "vault", "heal", name))
        assert told["healthy"]
    assert told["vaults"]["vault.main"]["blobs_fetched"] > 0
    haechi("vault", "check", "main", "--read-data")
