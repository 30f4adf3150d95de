"""An archive in a bucket and on an rclone remote: copies made over there, and every byte read back from there."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from haechi.archive.archive import Archive
from haechi.errors import Damaged
from haechi.events import SILENT
from haechi.model import Keep, PartInfo
from haechi.retention import decide
from haechi.stores._base import Store
from haechi.stores._open import open_store
from tests.servers.seaweedfs import SeaweedFS
from tests.unit.archive.ground import ERP, GLOBALS, NOON, SEOUL, SHOP, take

pytestmark = pytest.mark.server

BIG = ("big.sql", "sql", os.urandom(12 << 20).hex().encode())


@pytest.fixture(params=["s3", "rclone"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "rclone":
        opened = open_store(f"rclone:disk:{tmp_path}/nas", {"settings": {"type": "local"}})
    else:
        server: SeaweedFS = request.getfixturevalue("seaweedfs")
        opened = open_store(f"s3://{server.bucket()}/nas", server.options)
    yield opened
    opened.close()


def seen(store: Store, ending: str = "") -> list[str]:
    return sorted(e.key for e in store.list() if not e.key.startswith(".haechi/") and e.key.endswith(ending))


def test_a_point_lives_its_life_over_there(store: Store) -> None:
    archive = Archive("archive.far", store, ERP, zone=SEOUL, latest="postgres/backup_latest.sql.gz")
    copy = take(archive, GLOBALS, BIG, SHOP, name="p1")
    take(archive, SHOP, at=NOON + timedelta(days=1), name="p2")
    assert seen(store, ".gz") == [
        "postgres/backup_latest.sql.gz",
        "postgres/daily/erp_backup_20260128_120000.sql.gz",
        "postgres/daily/erp_backup_20260129_120000.sql.gz",
        "postgres/monthly/erp_backup_20260128_120000.sql.gz",
        "postgres/weekly/erp_backup_20260128_120000.sql.gz",
    ]
    first, second = archive.points("erp")
    assert (first.id, first.copies) == ("p1", (copy,))
    for name, _form, data in (SHOP, BIG, GLOBALS):
        assert archive.open_part(first, name).read() == data
    assert archive.verify(first, "all", SILENT) == {"files": 3, "bytes": copy.size}
    line = store.get(copy.ref + ".sha256").decode()
    assert line == f"{hashlib.sha256(store.get(copy.ref)).hexdigest()}  erp_backup_20260128_120000.sql.gz\n"

    decisions = decide([first, second], Keep(daily=1, weekly=1), now=second.time, zone=SEOUL)
    archive.settle(decisions)
    assert [d.stays for d in decisions] == [True, True]
    assert seen(store, "0128_120000.sql.gz") == ["postgres/weekly/erp_backup_20260128_120000.sql.gz"]
    assert archive.remove([first], SILENT) == {"points": 1, "bytes": copy.size}
    assert [e.key for e in store.list(".haechi/") if "p2" not in e.key] == []
    assert [p.id for p in archive.points()] == ["p2"]


def test_a_changed_object_is_found(store: Store) -> None:
    archive = Archive("archive.far", store, "{time}.sql.zst", zone=SEOUL)
    copy = take(archive, SHOP)
    data = bytearray(store.get(copy.ref))
    data[len(data) // 2] ^= 1
    store.put(copy.ref, bytes(data), replace=True)
    (point,) = archive.points()
    with pytest.raises(Damaged):
        archive.verify(point, "all", SILENT)
    with pytest.raises(Damaged):
        archive.open_part(point, "shop.sql").read()


def test_an_upload_that_is_given_up_leaves_nothing(store: Store) -> None:
    archive = Archive("archive.far", store, "{time}.sql", zone=SEOUL)
    with archive.intake("erp", SILENT) as intake:
        intake.part(PartInfo("big.sql", "sql"), io.BytesIO(BIG[2]))
    assert list(store.list()) == []
