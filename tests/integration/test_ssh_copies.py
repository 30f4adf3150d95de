"""Copies on another host, by ssh and rsync: an archive's whole life, and everything that goes wrong on the way."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from haechi.archive.archive import Archive
from haechi.errors import NotThere, StoreFull, StoreRefused, StoreUnavailable
from haechi.events import SILENT
from haechi.model import Keep
from haechi.retention import decide
from haechi.stores._base import Store
from haechi.stores._open import open_store
from tests.servers import demand, program
from tests.servers.gate import Gate
from tests.servers.ssh import Sshd
from tests.unit.archive.ground import ERP, NOON, SEOUL, SHOP, take

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def _rsync() -> Iterator[None]:
    program("rsync", "apt-get install rsync")
    yield
    while OPENED:
        OPENED.pop().close()


OPENED: list[Store] = []


def far(sshd: Sshd, path: Path, port: int | None = None, **options: object) -> Store:
    address = f"ssh://127.0.0.1:{port or sshd.port}{path}"
    known = {"config": str(sshd.config), "retries": 0, "timeout": 15, **options}
    if port:  # the same host behind another door has the same key
        config = sshd.directory / f"config-{port}"
        config.write_text(f"Host *\n    HostKeyAlias [127.0.0.1]:{sshd.port}\n" + sshd.config.read_text())
        known["config"] = str(config)
    OPENED.append(open_store(address, known))
    return OPENED[-1]


def files(root: Path) -> list[str]:
    found = (str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
    return sorted(name for name in found if not name.startswith(".haechi/"))


def test_an_archive_lives_its_life_over_there(sshd: Sshd, tmp_path: Path) -> None:
    """The documents say `rsync -avz --delete backups/ server:/backups/`: here nothing goes but what has expired."""
    root = tmp_path / "backups of 회사"
    (root / "postgres" / "daily").mkdir(parents=True)
    (root / "postgres" / "daily" / "somebody's.txt").write_text("not ours")
    (root / "another-tree").mkdir()
    (root / "another-tree" / "file").write_text("not ours either")
    archive = Archive("archive.far", far(sshd, root), ERP, zone=SEOUL)
    big = ("big.sql", "sql", os.urandom(3 << 20).hex().encode())
    take(archive, big, SHOP, name="p1")
    take(archive, SHOP, at=NOON + timedelta(days=1), name="p2")
    first, second = archive.points("erp")
    archive.verify(first, "all", SILENT)
    assert archive.open_part(first, "big.sql").read() == big[2]
    decisions = decide([first, second], Keep(last=1), now=second.time, zone=SEOUL)
    archive.settle(decisions)
    archive.remove([first], SILENT)
    assert [p.id for p in archive.points()] == ["p2"]
    assert [name for name in files(root) if "0128" in name] == []
    assert "postgres/daily/somebody's.txt" in files(root)
    assert "another-tree/file" in files(root)
    name = next(n for n in files(root) if n.endswith(".sql.gz"))
    told = subprocess.run(
        ["sha256sum", "-c", Path(name).name + ".sha256"],
        cwd=(root / name).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout


def test_what_was_sent_before_the_line_broke_is_not_sent_again(sshd: Sshd, tmp_path: Path) -> None:
    data = os.urandom(24 << 20)
    pieces = [data[start : start + (1 << 20)] for start in range(0, len(data), 1 << 20)]
    with Gate.before(f"ssh://127.0.0.1:{sshd.port}") as gate:
        store = far(sshd, tmp_path / "far", gate.port)
        list(store.list())
        gate.shut_after(16 << 20)
        with pytest.raises(StoreUnavailable):
            store.put("erp/big.dump", iter(pieces))
        (partial,) = (tmp_path / "far" / ".haechi-partial").iterdir()
        there = partial.stat().st_size
        assert 1 << 20 < there < len(data)
        assert files(tmp_path / "far") == [f".haechi-partial/{partial.name}"], "no half file bears the name"
        gate.open()
        again = far(sshd, tmp_path / "far", gate.port)
        before = gate.carried
        again.put("erp/big.dump", iter(pieces))
        assert gate.carried - before < len(data) - there + (2 << 20)
        assert (tmp_path / "far" / "erp" / "big.dump").read_bytes() == data
        assert files(tmp_path / "far") == ["erp/big.dump"]
        assert [entry.key for entry in again.list()] == ["erp/big.dump"]


def test_a_line_that_comes_back_while_we_wait(sshd: Sshd, tmp_path: Path) -> None:
    """With retries the very put goes on by itself."""
    data = os.urandom(8 << 20)
    with Gate.before(f"ssh://127.0.0.1:{sshd.port}") as gate:
        store = far(sshd, tmp_path / "far", gate.port, retries=8)

        def broken() -> Iterator[bytes]:
            yield data[: 4 << 20]
            gate.shut()  # the shell that is open is lost, too
            yield data[4 << 20 :]
            gate.open()

        store.put("big", broken())
        assert store.get("big") == data


def test_straight_through_for_hosts_with_little_disk(sshd: Sshd, tmp_path: Path) -> None:
    data = os.urandom(5 << 20)
    store = far(sshd, tmp_path / "far", resume=False, spool=str(tmp_path / "not there"))
    store.put("big", iter([data[: 3 << 20], data[3 << 20 :]]))
    assert store.get("big") == data

    def breaks() -> Iterator[bytes]:
        yield data
        raise NotThere("the source is gone")

    with pytest.raises(NotThere, match="the source is gone"):
        store.put("half", breaks())
    assert files(tmp_path / "far") == ["big"]


def test_what_arrives_changed_gets_no_name(sshd: Sshd, tmp_path: Path) -> None:
    """Something of the right size and other bytes lies where the upload would go on."""
    import hashlib

    data = os.urandom(2 << 20)
    partial = tmp_path / "far" / ".haechi-partial" / hashlib.sha256(data).hexdigest()
    partial.parent.mkdir(parents=True)
    partial.write_bytes(bytes(len(data)))
    store = far(sshd, tmp_path / "far")
    with pytest.raises(StoreUnavailable):
        store.put("big", iter([data]))
    assert files(tmp_path / "far") == []
    store.put("big", iter([data]))
    assert store.get("big") == data


def test_a_full_disk_over_there(sshd: Sshd, tmp_path: Path) -> None:
    disk = tmp_path / "small"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    fits = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    demand("a file system of four megabytes", fits, "run as root, where tmpfs may be mounted")
    try:
        store = far(sshd, disk)
        store.put("small", b"x" * 1000)
        for data in (os.urandom(900_000), iter([os.urandom(6 << 20)])):
            with pytest.raises(StoreFull, match="is full"):
                for number in range(10):
                    store.put(f"{type(data).__name__}-{number}", data)  # type: ignore[arg-type]
        assert store.get("small") == b"x" * 1000
        left = [name for name in files(disk) if name.startswith(".haechi-partial")]
        assert left == [], "what did not fit makes room again"
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_who_may_not_and_who_is_not_there(sshd: Sshd, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "stranger"], check=True)
    config = tmp_path / "config"
    config.write_text(sshd.config.read_text().replace(f"{sshd.directory}/client\n", f"{tmp_path}/stranger\n"))
    stranger = far(sshd, tmp_path / "far", config=str(config))
    with pytest.raises(StoreRefused, match="refuses the login") as caught:
        stranger.get("x")
    assert str(tmp_path / "stranger") not in caught.value.message
    with pytest.raises(StoreRefused):
        stranger.put("big", iter([os.urandom(2 << 20)]))
    with Gate.before(f"ssh://127.0.0.1:{sshd.port}") as gate:
        gate.shut()
        away = far(sshd, tmp_path / "far", gate.port)
        for call in (lambda: away.get("x"), lambda: away.put("big", iter([bytes(2 << 20)]))):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                call()
    assert not (tmp_path / "far").exists()
