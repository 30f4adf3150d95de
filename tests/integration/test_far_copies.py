"""Two providers, a NAS, and what goes wrong between them: a backup that reached one of them counts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from haechi.archive.archive import Archive
from haechi.credentials import Secret
from haechi.errors import StoreFull, StoreRefused, StoreUnavailable
from haechi.events import SILENT
from haechi.model import Keep, ProofState, RestorePoint
from haechi.operations import replicate, verify
from haechi.operations.backup import back_up
from haechi.operations.destinations.into_vault import VaultDestination
from haechi.operations.destinations.later import Later
from haechi.operations.protect import protect
from haechi.operations.service import Onward
from haechi.operations.watching import copies
from haechi.stores._open import open_store
from haechi.vault.repository import Vault
from tests.servers import demand
from tests.servers.gate import Gate
from tests.servers.seaweedfs import SeaweedFS, running
from tests.servers.stumbling import stumbling
from tests.unit.operations.ground import SEOUL, Ground, lay

pytestmark = pytest.mark.server

IMPATIENT = {"retries": 1, "patience": 5, "timeout": 10}


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return lay(tmp_path)


@pytest.fixture(scope="module")
def other_provider() -> Iterator[SeaweedFS]:
    with running() as server:
        yield server


def vault(name: str, url: str, key: str, **options: object) -> VaultDestination:
    return VaultDestination(name, Vault.create(open_store(url, options), Secret(key)))


def test_two_providers_each_with_its_own_key_retention_class_and_state(
    ground: Ground, seaweedfs: SeaweedFS, other_provider: SeaweedFS
) -> None:
    first = seaweedfs.bucket()
    one = vault("vault.one", f"s3://{first}/v", "key one", **seaweedfs.options, storage_class="STANDARD_IA")
    two = vault("vault.two", f"s3://{other_provider.bucket()}/v", "key two", **other_provider.options)
    keep = {"vault.one": Keep(last=3), "vault.two": Keep(last=1)}
    service = replace(ground.service(ground.vault), onward=(Onward(one), Onward(two)), keep=keep)
    for _number in range(3):
        assert not protect(service, ground.desk, SILENT).failed
    assert [len(place.points()) for place in (ground.vault, one, two)] == [3, 3, 2], (
        "the last is let go next time"
    )
    protect(service, ground.desk, SILENT)
    assert [len(place.points()) for place in (ground.vault, one, two)] == [4, 4, 2]
    listing = seaweedfs.client.call("GET", f"/{first}", query="prefix=v%2F").decode()
    assert listing.count("<StorageClass>STANDARD_IA</StorageClass>") >= 8, listing[:600]
    assert "<StorageClass>STANDARD</StorageClass>" not in listing

    verify.verify(service, ground.desk, SILENT, copies=["vault.two"])  # the off-site copy from itself
    (spread,) = copies.spreads([service], ground.desk, SILENT)
    assert [copy.state for copy in spread.copies] == [ProofState.TAKEN, ProofState.TAKEN, ProofState.VERIFIED]


def test_a_line_cut_half_way_through_an_upload(ground: Ground, seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.bucket()
    vault("vault.far", f"s3://{bucket}/v", "far", **seaweedfs.options)
    ground.source.state = {"big.bin": os.urandom(24 << 20)}
    with Gate.before(seaweedfs.endpoint) as gate:
        options = {**seaweedfs.options, "endpoint": gate.url, **IMPATIENT}
        far = Later(
            "vault.far",
            lambda: VaultDestination(
                "vault.far", Vault.open(open_store(f"s3://{bucket}/v", options), Secret("far"))
            ),
        )
        service = replace(ground.service(ground.vault), onward=(Onward(far),))
        gate.shut_after(10 << 20)
        done = protect(service, ground.desk, SILENT)
        assert list(done.failed) == ["vault.far"]
        assert isinstance(done.failed["vault.far"], StoreUnavailable)
        assert [copy.where for copy in done.point.copies] == ["vault.main"], "the backup itself counts"
        (spread,) = copies.spreads([service], ground.desk, SILENT)
        assert spread.copies[1].problem
        gate.open()
        assert far.points() == [], "half of it never counts"
        copied = replicate.execute(service, replicate.plan(service).missing, ground.desk, SILENT)
        assert [one.problem for one in copied] == [None]
    (point,) = _through(seaweedfs, bucket)
    assert point.id == done.point.id


def _through(server: SeaweedFS, bucket: str) -> list[RestorePoint]:
    """What lies there, read past the gate, every byte of it."""
    far = VaultDestination(
        "vault.far", Vault.open(open_store(f"s3://{bucket}/v", server.options), Secret("far"))
    )
    for point in far.points():
        far.verify(point, "all", SILENT)
    return list(far.points())


def test_a_bucket_that_wants_us_to_slow_down(ground: Ground, seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.bucket()
    answers = [(503, "SlowDown"), (503, "ServiceUnavailable"), (500, "InternalError"), (503, "SlowDown")]
    with stumbling(seaweedfs.endpoint, answers) as before:
        options = {**seaweedfs.options, "endpoint": before.url, "retries": 8, "patience": 60}
        archive = Archive(
            "archive.s3", open_store(f"s3://{bucket}/a", options), "{service}/{part}_{time:%Y%m%d_%H%M%S}.bin",
            zone=SEOUL,
        )  # fmt: skip
        done = protect(ground.service(ground.vault, archive), ground.desk, SILENT)
        assert not done.failed, [problem.detail for problem in done.failed.values()]
        assert answers == []
        archive.verify(done.point, "all", SILENT)


def test_wrong_keys_fail_their_own_copy_and_say_so(ground: Ground, seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.bucket()
    options = {
        **seaweedfs.options,
        "secret_key": "expired-planted",
        "session_token": "old-planted",
        **IMPATIENT,
    }
    archive = Archive(
        "archive.s3",
        open_store(f"s3://{bucket}/a", options),
        "{service}/{part}_{time:%Y%m%d_%H%M%S}.bin",
        zone=SEOUL,
    )
    done = back_up(ground.service(ground.vault, archive), ground.desk, SILENT)
    problem = done.failed["archive.s3"]
    assert isinstance(problem, StoreRefused)
    assert "planted" not in f"{problem.message}{problem.hint}{problem.detail}"
    assert [copy.where for copy in done.point.copies] == ["vault.main"]
    (run,) = ground.desk.journal.runs(operation="backup")
    assert run.outcome == "partial"


def test_a_nas_that_is_full(ground: Ground, tmp_path: Path) -> None:
    disk = tmp_path / "share"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)]
    fits = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    demand("a file system of six megabytes", fits, "run as root, where tmpfs may be mounted")
    try:
        nas = Archive(
            "archive.share", open_store(str(disk / "backup"), {"mounted": True}),
            "{service}/{part}_{time:%Y%m%d_%H%M%S%f}.bin", zone=SEOUL,
        )  # fmt: skip
        service = ground.service(ground.vault, nas)
        assert not protect(service, ground.desk, SILENT).failed
        small, ground.source.state = ground.source.state, {"big.bin": os.urandom(9 << 20)}
        done = protect(service, ground.desk, SILENT)
        assert isinstance(done.failed["archive.share"], StoreFull)
        assert [copy.where for copy in done.point.copies] == ["vault.main"]
        (first,) = nas.points("papers")
        nas.verify(first, "all", SILENT)
        left = [p.name for p in (disk / "backup").rglob("*.bin") if p.is_file()]
        assert len(left) == 2, "what did not fit has made room again"
        ground.source.state = small
        done = protect(service, ground.desk, SILENT)
        assert len(nas.points("papers")) == 2, "what fits goes there as ever"
        assert list(done.failed) == ["archive.share"], "and the large one is told again"
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
    gone = Archive("archive.share", nas.store, "{service}/{part}_{time:%Y%m%d_%H%M%S%f}.bin", zone=SEOUL)
    with pytest.raises(StoreRefused, match="Nothing is mounted"):
        gone.points()
    assert not (disk / "backup").exists()
