"""Damage planted into copies of files, databases in files, buckets and GitLabs: each drill finds it and names it."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import tarfile
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from haechi.events import SILENT
from haechi.operations import drill
from haechi.places.local import LocalPlace
from haechi.sources import bucket, command, files, gitlab, sqlite
from tests.integration.planted.planting import drilled, named, whole
from tests.servers.gitlab import GitLab
from tests.unit.sources.bucket_ground import MemoryBucket
from tests.unit.sources.elsewhere import Elsewhere
from tests.unit.sources.ground import Installation, install

COPIES = ("vault.main", "archive.nas")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


# -- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    (root / "media").mkdir(parents=True)
    (root / ".env.production").write_text("SECRET_KEY=…")
    (root / "secrets.json").write_text('{"key": "해치"}')
    (root / "old.json").write_text('{"key": "new!"}')
    (root / "emptied").mkdir()
    (root / "emptied" / "one").write_text("1")
    for number in range(5):
        (root / "media" / f"{number}.jpg").write_bytes(bytes([number]) * 2000)
    return root


def files_of(tmp_path: Path, tree: Path, *, elsewhere: bool = False) -> Installation:
    place = Elsewhere() if elsewhere else LocalPlace()
    source = files.build("it", files.Options.model_validate({"paths": [str(tree)]}), place)
    return install(tmp_path / "ground", "files", source, "{part}_{time:%Y%m%d_%H%M%S}.tar.gz")


@pytest.mark.parametrize(("elsewhere", "copy"), [(False, "vault.main"), (True, "archive.nas")])
def test_files(tmp_path: Path, place: Path, tree: Path, elsewhere: bool, copy: str) -> None:
    it = files_of(tmp_path, tree, elsewhere=elsewhere)
    whole(drilled(it, copy=copy, into=place))

    def damage() -> None:
        (tree / "secrets.json").unlink()  # left out, with the hidden one
        (tree / ".env.production").unlink()
        shutil.rmtree(tree / "emptied")
        (tree / "emptied").mkdir()
        os.truncate(tree / "media" / "2.jpg", 7)
        (tree / "media" / "3.jpg").chmod(0o666)
        (tree / "x.php").write_text("<?php")
        (tree / "old.json").write_text('{"key": "haec"}')  # as large as it is today
        os.utime(tree / "old.json", (1_700_000_000, 1_700_000_000))
        if os.geteuid() == 0:
            os.chown(tree / "media" / "4.jpg", 33, 33)

    done = drilled(it, damage, copy=copy, into=place)
    said = named(done)
    for word in (
        "secrets.json is missing",
        ".env.production is missing",
        "emptied/one is missing",
        "x.php was not",
    ):
        assert word in said
    if not elsewhere:  # there a tar tells of all names of a file before its contents
        assert "old.json is not what it was" in said
        assert "media/2.jpg is not what it was" in said
    found = {c.what.rpartition(": ")[2] for c in done.differences}
    assert {"files", "modes", "contents" if elsewhere else "listing"} <= found
    assert ("owners" in found) == (os.geteuid() == 0)
    assert "media/1.jpg" not in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_nothing_but_a_wrong_owner(tmp_path: Path, place: Path, tree: Path) -> None:
    done = drilled(files_of(tmp_path, tree), lambda: os.chown(tree / "secrets.json", 33, 33), into=place)
    assert [c.what.rpartition(": ")[2] for c in done.differences] == ["owners"]


def test_one_byte_of_a_file_with_its_old_time_is_found_where_contents_are_counted(
    tmp_path: Path, place: Path, tree: Path
) -> None:
    def damage() -> None:
        path = tree / "media" / "3.jpg"
        before = path.stat()
        path.write_bytes(b"\xff" + path.read_bytes()[1:])
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    it = files_of(tmp_path, tree, elsewhere=True)
    assert "contents" in named(drilled(it, damage, into=place))


def test_of_many_files_the_directory_is_named(tmp_path: Path, place: Path, tree: Path) -> None:
    for number in range(150):
        (tree / "media" / f"more-{number}").write_text("x")
    it = files_of(tmp_path, tree)
    assert "media is not what it was" in named(drilled(it, (tree / "media" / "more-7").unlink, into=place))


# -- SQLite ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file)) as db:
        for name in ("orders", "emptied", "bare"):
            db.execute(f"create table {name} (id integer primary key, what text, price integer)")
            db.executemany(
                f"insert into {name} (what, price) values (?, ?)", [("해치", n) for n in range(99)]
            )
        db.execute("create index by_price on bare (price)")
        db.commit()
    return file


def shop_of(tmp_path: Path, shop: Path) -> Installation:
    source = sqlite.build("it", sqlite.Options.model_validate({"files": [str(shop)]}), LocalPlace())
    return install(tmp_path / "ground", "sqlite", source, "{part}_{time:%Y%m%d_%H%M%S}.gz")


def _sql(shop: Path, *statements: str) -> None:
    with closing(sqlite3.connect(shop)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def test_a_database_in_a_file(tmp_path: Path, place: Path, shop: Path) -> None:
    it = shop_of(tmp_path, shop)
    for copy in COPIES:
        whole(drilled(it, copy=copy, into=place))
    for change in ("set price = price + 1", "set what = 'íìž'"):
        one = drilled(it, partial(_sql, shop, f"update orders {change} where id = 7"), into=place)
        assert [c.what for c in one.differences] == ["shop.db: sha256"]
    statements = ("delete from orders where id > 90", "delete from emptied", "drop index by_price")
    said = named(drilled(it, lambda: _sql(shop, *statements), into=place))
    for word in ("'orders': 90", "'emptied': 0", "shop.db: made: ['index by_price'] is []"):
        assert word in said


def test_a_truncated_database_in_a_file(tmp_path: Path, place: Path, shop: Path) -> None:
    it = shop_of(tmp_path, shop)
    assert "shop.db" in named(drilled(it, rewrite=lambda _name, data: data[:-4096], into=place))


def test_the_file_of_yesterday_under_the_name_of_today(tmp_path: Path, place: Path, shop: Path) -> None:
    it = shop_of(tmp_path, shop)
    before = set((tmp_path / "ground" / "nas").glob("*.gz"))
    it.back_up()
    (yesterday,) = set((tmp_path / "ground" / "nas").glob("*.gz")) - before
    kept = yesterday.read_bytes()
    _sql(shop, "update orders set price = 0")
    point = it.back_up()
    for file in (tmp_path / "ground" / "nas").glob("*.gz"):
        file.chmod(0o600)
        file.write_bytes(kept)
    done = drill.drill(it.service, it.desk, SILENT, copies=("archive.nas",), into=str(place))
    assert done.point.id == point.id
    assert named(done).startswith("damaged")


# -- a bucket --------------------------------------------------------------------------------------------------------


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> MemoryBucket:
    it = MemoryBucket()
    monkeypatch.setattr(bucket, "open_bucket", lambda _url, _options: it)
    for number in range(6):
        it.put(f"invoices/{number}.pdf", f"invoice {number}".encode(), {"content-type": "application/pdf"})
    return it


def bucket_of(tmp_path: Path) -> Installation:
    options = bucket.Options.model_validate({"url": "s3://documents"})
    source = bucket.build("it", options, LocalPlace())
    return install(tmp_path / "ground", "bucket", source, "{part}_{time:%Y%m%d_%H%M%S}.tar")


def _swapped(_name: str, data: bytes) -> bytes:
    """The contents of two objects of one size, each under the other's name, with the other's etag."""
    return _repacked(data, {"invoices/1.pdf": "invoices/2.pdf", "invoices/2.pdf": "invoices/1.pdf"})


def _repacked(data: bytes, contents_of: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old.getmembers():
            other = old.getmember(contents_of.get(member.name, member.name))
            new.addfile(member, old.extractfile(other))
    return out.getvalue()


@pytest.mark.parametrize("copy", COPIES)
def test_a_bucket_that_is_whole(tmp_path: Path, place: Path, here: MemoryBucket, copy: str) -> None:
    whole(drilled(bucket_of(tmp_path), copy=copy, into=place))


def test_swapped_objects(tmp_path: Path, place: Path, here: MemoryBucket) -> None:
    said = named(drilled(bucket_of(tmp_path), rewrite=_swapped, copy="archive.nas", into=place))
    assert "invoices/1.pdf" in said
    assert "invoices/2.pdf" in said
    assert "invoices/3.pdf" not in said


@pytest.mark.parametrize("copy", COPIES)
def test_objects_that_were_swapped_with_all_that_belongs_to_them(
    tmp_path: Path, place: Path, here: MemoryBucket, copy: str
) -> None:
    def damage() -> None:
        one, other = (here.versions[f"invoices/{n}.pdf"][-1].data for n in (1, 2))
        here.put("invoices/1.pdf", other, {})
        here.put("invoices/2.pdf", one, {})

    assert named(drilled(bucket_of(tmp_path), damage, copy=copy, into=place)).startswith("contents")


@pytest.mark.parametrize("copy", COPIES)
def test_a_missing_object_and_an_empty_bucket(
    tmp_path: Path, place: Path, here: MemoryBucket, copy: str
) -> None:
    it = bucket_of(tmp_path)
    said = named(drilled(it, lambda: here.delete("invoices/4.pdf"), copy=copy, into=place))
    assert "invoices/4.pdf is missing" in said

    def empty() -> None:
        for key in list(here.versions):
            here.delete(key)

    assert "objects: 5 is 0" in named(drilled(it, empty, copy=copy, into=place))


def test_a_service_whose_etags_are_no_sums_is_not_blamed(
    tmp_path: Path, place: Path, here: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.unit.sources.bucket_ground import Version

    monkeypatch.setattr(Version, "etag", property(lambda self: f"{hash(self.name) & (1 << 128) - 1:032x}"))
    whole(drilled(bucket_of(tmp_path), copy="archive.nas", into=place))


# -- GitLab, and any program -----------------------------------------------------------------------------------------


def gitlab_of(tmp_path: Path) -> Installation:
    it = GitLab(tmp_path / "gitlab")
    source = gitlab.build("it", gitlab.Options.model_validate(it.options()), it.place)
    return install(tmp_path / "ground", "gitlab", source, "{time:%Y%m%d_%H%M%S}_{part}.tar")


@pytest.mark.parametrize("copy", COPIES)
def test_a_gitlab_that_is_whole(tmp_path: Path, place: Path, copy: str) -> None:
    whole(drilled(gitlab_of(tmp_path), copy=copy, into=place))


@pytest.mark.parametrize(
    ("what", "word"),
    [
        ("left out", "gitlab-secrets.json"),
        ("of another machine", "gitlab-secrets.json"),
        ("truncated", "damaged: "),
    ],
)
def test_a_damaged_gitlab(tmp_path: Path, place: Path, what: str, word: str) -> None:
    def rewrite(name: str, data: bytes) -> bytes | None:
        if name == "gitlab-secrets.json" and what == "left out":
            return None
        if name == "gitlab-secrets.json" and what == "of another machine":
            return json.dumps({"db_key_base": "another"}).encode()
        return data[: len(data) // 2] if name == "gitlab_backup.tar" and what == "truncated" else data

    done = drilled(gitlab_of(tmp_path), rewrite=rewrite, copy="archive.nas", into=place)
    assert word in named(done)


def test_a_truncated_stream_of_any_program(tmp_path: Path, place: Path) -> None:
    (tmp_path / "state").write_bytes(b"all that there is" * 1000)
    options = command.Options.model_validate({"dump": ["cat", str(tmp_path / "state")]})
    source = command.build("it", options, LocalPlace())
    it = install(tmp_path / "ground", "command", source, "{part}_{time:%Y%m%d_%H%M%S}.gz")
    whole(drilled(it, into=place))
    said = named(drilled(it, rewrite=lambda _name, data: data[:-1], into=place))
    assert "size" in said
    assert "sha256" in said
