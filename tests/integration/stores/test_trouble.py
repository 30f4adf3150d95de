"""Full disks, read-only disks, wrong keys and silent hosts: each a clear error, and nothing half-stored."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import NotThere, ProgramFailed, StoreFull, StoreRefused, StoreUnavailable, UsageMistake
from haechi.stores._open import open_store
from tests.servers import demand, free_port, short_directory
from tests.servers.rclone import serving_restic
from tests.servers.seaweedfs import READER_KEY, READER_SECRET, SeaweedFS

pytestmark = pytest.mark.server
HURRY: dict[str, Any] = {"retries": 0, "timeout": 5, "patience": 5}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Four megabytes, really."""
    path = tmp_path / "small"
    path.mkdir()
    mounted = os.geteuid() == 0 and _mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path))
    demand("a file system of four megabytes", mounted, "run as root, where tmpfs may be mounted")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def _mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode == 0


def test_a_full_disk(small_disk: Path) -> None:
    store = open_store(str(small_disk / "vault"))
    store.put("data/ab/first", b"x" * 1_000_000)
    for data in (bytes(8 << 20), iter([bytes(1 << 20)] * 8)):
        with pytest.raises(StoreFull) as caught:
            store.put("data/ab/second", data)
        assert "space" in caught.value.message and caught.value.hint
    assert [entry.key for entry in store.list()] == ["data/ab/first"]
    store.put("data/ab/third", b"x" * 2_000_000)  # what was half-written gave its space back


def test_a_full_disk_behind_servers(small_disk: Path) -> None:
    with serving_restic(small_disk) as url:
        store = open_store(url, HURRY)
        with pytest.raises((StoreFull, StoreUnavailable)):  # this server does not say why it failed
            store.put("data/ab/ab" + "0" * 62, bytes(8 << 20))
        assert list(store.list()) == []
        store.close()
    remote = open_store(f"rclone:disk:{small_disk}/r", {**HURRY, "settings": {"type": "local"}})
    with pytest.raises(StoreFull):
        remote.put("dump.sql", bytes(8 << 20))
    assert list(remote.list()) == []
    remote.close()


def test_a_read_only_disk(small_disk: Path) -> None:
    store = open_store(str(small_disk / "vault"))
    store.put("data/ab/first", b"x")
    assert _mount("-o", "remount,ro", str(small_disk))
    for change in (
        lambda: store.put("data/ab/second", b"x"),
        lambda: store.put("index/new", b"x"),
        lambda: store.put("data/ab/first", b"y", replace=True),
        lambda: store.delete("data/ab/first"),
        lambda: store.duplicate("data/ab/first", "data/ab/third"),
    ):
        with pytest.raises(StoreRefused) as caught:
            change()
        assert "Read-only" in caught.value.message
    assert store.get("data/ab/first") == b"x"


@pytest.mark.parametrize("address", ["s3://bucket/x", "rest:http://127.0.0.1:{port}/", "rclone:nas:x"])
def test_a_host_that_does_not_answer(address: str) -> None:
    port = str(free_port())
    options: dict[str, Any] = dict(HURRY)
    if address.startswith("s3"):
        options |= {
            "endpoint": f"http://127.0.0.1:{port}",
            "region": "x",
            "access_key": "k",
            "secret_key": "s",
        }
    if address.startswith("rclone"):
        options["settings"] = {"type": "sftp", "host": "127.0.0.1", "port": port, "user": "u", "pass": "hush"}
    store = open_store(address.format(port=port), options)
    for call in (
        lambda: store.get("config"),
        lambda: store.put("config", b"x"),
        lambda: list(store.list("keys/")),
        lambda: store.delete("config"),
    ):
        with pytest.raises(StoreUnavailable) as caught:
            call()
        assert caught.value.retryable and caught.value.hint and "hush" not in str(caught.value.as_dict())
    store.close()


def test_wrong_and_weak_keys_of_a_bucket(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.bucket()
    open_store(f"s3://{bucket}", seaweedfs.options).put("config", b"x")
    wrong = open_store(f"s3://{bucket}", {**seaweedfs.options, "secret_key": "planted-secret"})
    weak = open_store(
        f"s3://{bucket}", {**seaweedfs.options, "access_key": READER_KEY, "secret_key": READER_SECRET}
    )
    assert weak.get("config") == b"x"
    for call in (
        lambda: wrong.get("config"),
        lambda: list(wrong.list()),
        lambda: weak.put("config", b"y", replace=True),
        lambda: weak.put("other", b"y"),
        lambda: weak.put("stream", iter([b"y"])),
        lambda: weak.delete("config"),
    ):
        with pytest.raises(StoreRefused) as caught:
            call()
        assert "planted-secret" not in str(caught.value.as_dict()) and caught.value.hint


def test_the_usual_environment_opens_a_bucket(seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = seaweedfs.bucket()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.options["access_key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.options["secret_key"])
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    store = open_store(f"s3:{seaweedfs.endpoint}/{bucket}/deep")  # as restic writes such an address
    store.put("config", b"x")
    assert open_store(f"s3://{bucket}", seaweedfs.options).get("deep/config") == b"x"


def test_a_bucket_that_does_not_exist(seaweedfs: SeaweedFS) -> None:
    store = open_store("s3://no-such-bucket/x", seaweedfs.options)
    with pytest.raises((StoreRefused, NotThere)):
        store.get("config")


def test_a_server_that_wants_a_password(tmp_path: Path) -> None:
    with serving_restic(tmp_path, "--user", "erp", "--pass", "hush") as url:
        for options in ({}, {"user": "erp", "password": "wrong"}):
            stranger = open_store(url, {**HURRY, **options})
            with pytest.raises(StoreRefused, match="refuses") as caught:
                stranger.get("config")
            assert "password" in caught.value.hint
            stranger.close()
        store = open_store(url, {**HURRY, "user": "erp", "password": "hush"})
        store.put("config", b"x")
        assert store.get("config") == b"x"
        store.close()


def test_a_server_that_went_away_and_came_back(tmp_path: Path) -> None:
    """Connections that went stale are replaced without anybody noticing."""
    with serving_restic(tmp_path) as url:
        store = open_store(url, HURRY)
        store.put("config", b"x")
    port = url.rsplit(":", 1)[1].strip("/")
    with pytest.raises(StoreUnavailable):
        store.get("config")
    with serving_restic(tmp_path, "--addr", f"127.0.0.1:{port}"):
        assert store.get("config") == b"x"
    store.close()


def test_an_rclone_remote_that_nobody_configured(tmp_path: Path) -> None:
    (tmp_path / "rclone.conf").touch()
    store = open_store("rclone:nas:x", {**HURRY, "config": tmp_path / "rclone.conf"})
    with pytest.raises(UsageMistake, match="nas") as caught:
        store.get("config")
    assert "rclone config" in caught.value.hint
    store.close()
    (tmp_path / "locked.conf").write_text(
        "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nAAAA\n"
    )
    with pytest.raises((UsageMistake, ProgramFailed)):
        open_store("rclone:nas:x", {**HURRY, "config": tmp_path / "locked.conf"}).get("config")


def test_rclone_ends_with_us_however_we_end(tmp_path: Path) -> None:
    script = (
        "import os, time\nfrom haechi.stores._open import open_store\n"
        f"store = open_store('rclone:disk:{tmp_path}/v', {{'settings': {{'type': 'local'}}}})\n"
        "store.put('a', b'x')\nos.kill(os.getpid(), 9)\n"
    )
    with short_directory("leash") as temporary:
        environment = {**os.environ, "TMPDIR": str(temporary)}
        subprocess.run([sys.executable, "-c", script], check=False, env=environment)
        until = time.monotonic() + 10
        while (_rclones(str(tmp_path)) or list(temporary.iterdir())) and time.monotonic() < until:
            time.sleep(0.05)
        assert _rclones(str(tmp_path)) == [] and list(temporary.iterdir()) == []


def _rclones(about: str) -> list[str]:
    """Processes of rclone whose environment or arguments mention this path."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"rclone" in (process / "cmdline").read_bytes() and about in str(
                (process / "environ").read_bytes()
            ):
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("kind", ["local", "rclone", "s3"])
def test_long_streams_take_little_memory(kind: str, tmp_path: Path, seaweedfs: SeaweedFS) -> None:
    """300 MB, in a process whose address space would not hold them twice over."""
    url, options = {
        "local": (str(tmp_path), {}),
        "rclone": (f"rclone:disk:{tmp_path}", {"settings": {"type": "local"}}),
        "s3": (f"s3://{seaweedfs.bucket()}", seaweedfs.options),
    }[kind]
    script = (
        "import resource, sys\nfrom haechi.stores._open import open_store\n"
        f"store = open_store({url!r}, {options!r})\nstore.put('small', b'x')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "store.put('large', (bytes(1 << 20) for _ in range(300)))\n"
        "assert store.stat('large').size == 300 << 20\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\nstore.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200 << 10, "kilobytes of growth"
