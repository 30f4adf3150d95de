"""What storages really do when somebody with our keys attacks what was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.stores._base import Store
from haechi.stores._open import open_store
from haechi.vault.tamper import TamperReport, tamper_test
from tests.servers.rclone import serving_restic
from tests.servers.s3 import S3
from tests.servers.seaweedfs import ACCESS_KEY, SECRET_KEY, SeaweedFS

pytestmark = pytest.mark.server


def outcomes(report: TamperReport) -> dict[str, str]:
    return {attempt.name: attempt.outcome for attempt in report.attempts}


def bucket_store(server: SeaweedFS, bucket: str) -> Store:
    return open_store(f"s3://{bucket}/vault", server.options)


def test_a_directory_protects_nothing(tmp_path: Path) -> None:
    report = tamper_test(open_store(str(tmp_path / "vault")))
    assert set(outcomes(report).values()) == {"done"} and len(report.attempts) == 3
    assert not report.protected and not report.left_behind
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_refusing_on_our_side_is_seen_as_refusal(tmp_path: Path) -> None:
    report = tamper_test(open_store(str(tmp_path), {"append_only": True}))
    assert set(outcomes(report).values()) == {"refused"} and report.protected


def test_an_append_only_server_refuses(tmp_path: Path) -> None:
    with serving_restic(tmp_path, "--append-only") as url:
        store = open_store(url, {"retries": 0})
        report = tamper_test(store)
        store.close()
    assert set(outcomes(report).values()) == {"refused"}
    assert report.protected and len(report.left_behind) >= 3


def test_a_server_that_is_not_append_only_does_not(tmp_path: Path) -> None:
    with serving_restic(tmp_path) as url:
        store = open_store(url, {"retries": 0})
        assert not tamper_test(store).protected
        store.close()


def test_a_plain_bucket_protects_nothing(seaweedfs: SeaweedFS) -> None:
    report = tamper_test(bucket_store(seaweedfs, seaweedfs.bucket()))
    assert set(outcomes(report).values()) == {"done"}


def test_a_bucket_with_object_lock_keeps_the_old_version(seaweedfs: SeaweedFS) -> None:
    report = tamper_test(bucket_store(seaweedfs, seaweedfs.bucket(lock_days=1)))
    assert outcomes(report) == {"overwrite": "kept", "replace by a copy": "kept", "delete": "kept"}
    assert report.protected
    assert all(attempt.said for attempt in report.attempts)


def test_versions_without_a_lock_are_no_protection(seaweedfs: SeaweedFS) -> None:
    """They survive a mistake, but not somebody who removes them one by one."""
    bucket = seaweedfs.bucket()
    body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    S3(seaweedfs.endpoint, ACCESS_KEY, SECRET_KEY).call("PUT", f"/{bucket}", query="versioning=", body=body)
    report = tamper_test(bucket_store(seaweedfs, bucket))
    assert set(outcomes(report).values()) == {"done"}
    assert "too" in report.attempts[0].said
