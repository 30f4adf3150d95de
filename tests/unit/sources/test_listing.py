"""Stored parts read by their own format: what is in there, and every kind of damage is seen without a server."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import bson
import pytest

from haechi import clock
from haechi.errors import Damaged
from haechi.events import SILENT
from haechi.model import PartInfo, RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import etcd, mongodb, redis, sqlite
from haechi.sources._base import Legible, PartReader
from haechi.sources._mongodb import archive
from haechi.sources._redis import crc
from tests.unit.operations.ground import Ground, lay


def sqlite_file(tmp_path: Path) -> bytes:
    path = tmp_path / "made.sqlite"
    database = sqlite3.connect(path)
    database.executescript("create table orders (id int, what text);")
    database.executemany("insert into orders values (?, ?)", [(n, "x" * 100) for n in range(500)])
    database.commit()
    database.close()
    return path.read_bytes()


def redis_file(_tmp_path: Path) -> bytes:
    body = b"REDIS0011" + bytes(2000) + b"\xff"
    return body + crc.update(0, body).to_bytes(8, "little")


def etcd_file(_tmp_path: Path) -> bytes:
    body = bytes(range(256)) * 64
    return body + hashlib.sha256(body).digest()


def mongodb_file(_tmp_path: Path) -> bytes:
    name = ("shop", "orders")
    documents = b"".join(bson.encode({"_id": n, "what": "tea"}) for n in range(40))
    summed = archive.Sum()
    summed.add(documents)
    head = archive.prelude([archive.Entry(name)], "7.0", "100.9", 1)
    return head + archive.segment(name, documents) + archive.end(name, summed.crc)


KINDS: dict[str, tuple[Any, Any, dict[str, Any], dict[str, int]]] = {
    "sqlite": (sqlite, sqlite_file, {"files": ["/shop.sqlite"]}, {}),
    "redis": (redis, redis_file, {}, {"bytes_in": 2018}),
    "etcd": (etcd, etcd_file, {}, {"bytes_in": 16416}),
    "mongodb": (mongodb, mongodb_file, {}, {"collections": 1, "documents": 40}),
}


def listed(kind: str, data: bytes) -> dict[str, int]:
    module, _make, options, _expected = KINDS[kind]
    built = module.build("it", module.Options.model_validate(options), LocalPlace())
    assert isinstance(built, Legible)
    part = PartReader(PartInfo("part", "bytes", len(data)), lambda: io.BytesIO(data))
    point = RestorePoint("p", "it", kind, clock.now())
    return dict(built.listing(point, {"part": part}, SILENT))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_whole_says_what_is_in_there(kind: str, tmp_path: Path) -> None:
    _module, make, _options, expected = KINDS[kind]
    found = listed(kind, make(tmp_path))
    assert found == expected or (kind == "sqlite" and found["pages"] > 10)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_cut_short_is_seen(kind: str, tmp_path: Path) -> None:
    data = KINDS[kind][1](tmp_path)
    for size in (len(data) - 1, len(data) - 4096, len(data) // 2):
        if size > 0:
            with pytest.raises(Damaged):
                listed(kind, data[:size])


@pytest.mark.parametrize("kind", ["redis", "etcd", "mongodb"])
def test_one_changed_byte_is_seen(kind: str, tmp_path: Path) -> None:
    data = bytearray(KINDS[kind][1](tmp_path))
    data[len(data) // 2] ^= 0x40
    with pytest.raises(Damaged):
        listed(kind, bytes(data))


@pytest.mark.parametrize("kind", KINDS)
def test_another_file_under_its_name_is_seen(kind: str) -> None:
    with pytest.raises(Damaged):
        listed(kind, b"<html>404 not found</html>" * 100)


def test_a_database_in_which_nothing_was_made_is_whole() -> None:
    assert listed("sqlite", b"") == {"pages": 0}


# -- in a vault -----------------------------------------------------------------------------------------


def kept(ground: Ground, form: str, data: bytes) -> RestorePoint:
    point = RestorePoint("p", "papers", "papers", clock.now(), parts=(PartInfo("part", form, len(data)),))
    with ground.vault.intake("papers", SILENT) as intake:
        intake.part(point.parts[0], io.BytesIO(data))
        intake.commit(point, {})
    (found,) = ground.vault.points()
    return found


def tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archived:
        for name in ("a", "b"):
            entry = tarfile.TarInfo(name)
            entry.size = 3000
            archived.addfile(entry, io.BytesIO(bytes(3000)))
    return made.getvalue()


DUMP = b"--\n-- PostgreSQL database dump\n--\nselect 1;\n--\n-- PostgreSQL database dump complete\n--\n\n"


@pytest.mark.parametrize(("form", "data"), [("tar", tar()), ("sql", DUMP)])
def test_a_vault_that_keeps_it_whole_is_no_proof_that_it_was_whole(
    form: str, data: bytes, tmp_path: Path
) -> None:
    ground = lay(tmp_path)
    assert ground.vault.verify(kept(ground, form, data), "all", SILENT)["blobs"]
    other = lay(tmp_path / "other")
    cut = kept(other, form, data[: len(data) // 2 - 100 if form == "tar" else -45])
    assert other.vault.verify(cut, "structure", SILENT)
    with pytest.raises(Damaged):
        other.vault.verify(cut, "all", SILENT)
