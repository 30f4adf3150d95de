"""A full disk, a killed writer, a share without hard links: real ones."""

from __future__ import annotations

import io
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.archive.archive import Archive
from haechi.errors import StoreFull
from haechi.events import SILENT
from haechi.model import PartInfo
from haechi.stores.local import Local
from tests.servers import demand
from tests.unit.archive.ground import ERP, GLOBALS, SEOUL, SHOP, hidden, local, take, tree, whole_points

pytestmark = pytest.mark.server

BIG = os.urandom(6 << 20).hex().encode()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    path = tmp_path / "small"
    path.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)]
    mounted = os.geteuid() == 0 and not subprocess.run(argv, check=False, capture_output=True).returncode
    demand("a file system of four megabytes", mounted, "run as root, where tmpfs may be mounted")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_leaves_the_old_point_and_no_other_file(small: Path) -> None:
    take(local(small), SHOP, name="old")
    before = tree(small, sums=True)
    with pytest.raises(StoreFull):
        take(local(small), ("big.sql", "sql", BIG))
    assert tree(small, sums=True) == before
    assert whole_points(local(small), [SHOP]) == ["old"]
    assert [name for name in hidden(small) if "/incoming/" in name or "/pending/" in name] == []
    take(local(small), GLOBALS, name="new")


WRITER = """
import sys, io
from tests.unit.archive.ground import local, take, SHOP
from pathlib import Path
from haechi.events import SILENT
from haechi.model import PartInfo, RestorePoint

class Slow(io.RawIOBase):
    left = 10_000
    def readable(self): return True
    def readinto(self, buffer):
        self.left -= 1
        count = min(len(buffer), 1 << 20)
        buffer[:count] = bytes(count)
        if self.left < 9_900:
            print("under way", flush=True)
        return count

with local(Path(sys.argv[1])).intake("erp", SILENT) as intake:
    intake.part(PartInfo("globals.sql", "sql"), io.BytesIO(b"roles"))
    intake.part(PartInfo("big.sql", "sql"), Slow())
"""


def test_a_killed_writer_leaves_nothing_that_looks_like_a_backup(tmp_path: Path) -> None:
    take(local(tmp_path), SHOP, name="old")
    before = tree(tmp_path, sums=True)
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        cwd=root,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert child.stdout
        assert child.stdout.readline() == b"under way\n"
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    visible = [name for name in tree(tmp_path, sums=True) if not Path(name).name.startswith(".")]
    assert visible == before
    assert whole_points(local(tmp_path), [SHOP]) == ["old"]

    old = time.time() - 2 * 86400
    for path in (tmp_path / ".haechi/incoming").iterdir():
        os.utime(path, (old, old))
    take(local(tmp_path), SHOP, name="new")
    assert [name for name in hidden(tmp_path) if "/incoming/" in name or name.endswith(".tmp")] == []


class _NoLinks(Local):
    """As an SMB share or a FAT drive: a duplicate is a copy."""

    def duplicate(self, key: str, new: str) -> None:
        self.put(new, iter([self.get(key)]), replace=True)


def test_a_share_without_hard_links_holds_copies(tmp_path: Path) -> None:
    archive = Archive("archive.nas", _NoLinks(tmp_path), ERP, zone=SEOUL)
    take(archive, SHOP)
    (point,) = archive.points()
    assert archive.verify(point, "all", SILENT)["files"] == 3
    assert len({(tmp_path / name).stat().st_ino for name in tree(tmp_path)}) == 3
    assert archive.remove([point], SILENT)["points"] == 1
    assert tree(tmp_path, sums=True) == []


class _Endless(io.RawIOBase):
    def __init__(self, size: int):
        self._left = size
        self._block = os.urandom(1 << 20)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(self._left, len(buffer), 1 << 20)
        buffer[:count] = self._block[:count]
        self._left -= count
        return count


@pytest.mark.parametrize("ending", ["sql.gz", "sql.zst"])
def test_memory_does_not_grow_with_the_dump(tmp_path: Path, ending: str) -> None:
    archive = local(tmp_path, f"{{time}}.{ending}")
    take(archive, GLOBALS)

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

    before = peak()
    with archive.intake("erp", SILENT) as intake:
        intake.part(PartInfo("big.sql", "sql"), _Endless(256 << 20))  # type: ignore[arg-type]
    assert peak() - before < 100 << 20
