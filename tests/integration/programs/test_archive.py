"""An archive as operations see it: what goes in comes back, and the tree is the one that was promised."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from haechi.archive.archive import Archive
from haechi.errors import Damaged, HaechiError, NotThere, UsageMistake
from haechi.events import SILENT, Reporter
from haechi.model import Keep, PartInfo
from haechi.retention import decide
from haechi.stores.local import Local
from tests.listening import Heard
from tests.unit.archive.ground import (
    ERP,
    GLOBALS,
    KOREAN,
    NOON,
    SEOUL,
    SHOP,
    hidden,
    local,
    take,
    tree,
)

DAILY = "postgres/daily/erp_backup_20260128_120000.sql.gz"


def test_a_point_comes_back_with_all_that_was_said_of_it(tmp_path: Path) -> None:
    archive = local(tmp_path)
    copy = take(archive, GLOBALS, SHOP, KOREAN, tables={"한": 3})
    (point,) = local(tmp_path).points("erp")
    assert point.copies == (copy,)
    assert (copy.where, copy.ref) == ("archive.nas", DAILY)
    assert copy.size == (tmp_path / DAILY).stat().st_size
    assert archive.describe(point).facts == {"tables": {"한": 3}}
    assert point.time == NOON
    assert [part.name for part in point.parts] == ["globals.sql", "shop.sql", "한국어.sql"]
    for name, _form, data in (KOREAN, GLOBALS, SHOP):
        assert archive.open_part(point, name).read() == data
    assert archive.attachment(point, "plan.toml") == b"[plan]\n"
    assert archive.points("crm") == []
    with pytest.raises(NotThere, match="no part"):
        archive.open_part(point, "other.sql")


def test_everything_is_for_the_owner_alone(tmp_path: Path) -> None:
    os.umask(before := os.umask(0o002))
    try:
        os.umask(0)
        take(local(tmp_path / "nas"), SHOP)
    finally:
        os.umask(before)
    for path in (tmp_path / "nas").rglob("*"):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_one_dump_in_three_tiers_is_stored_once(tmp_path: Path) -> None:
    take(local(tmp_path), SHOP)
    names = [
        tmp_path / f"postgres/{tier}/erp_backup_20260128_120000.sql.gz"
        for tier in ("daily", "weekly", "monthly")
    ]
    assert len({name.stat().st_ino for name in names}) == 1


def test_only_the_first_of_a_week_and_of_a_month_stands_in_their_tiers(tmp_path: Path) -> None:
    archive = local(tmp_path, "{tier}/{time:%Y%m%d}.sql")
    for day in range(8):  # Wednesday 28 January to Wednesday 4 February
        take(archive, KOREAN, at=NOON + timedelta(days=day))
    assert [n for n in tree(tmp_path) if not n.startswith("daily/")] == [
        "monthly/20260128.sql",
        "monthly/20260201.sql",
        "weekly/20260128.sql",
        "weekly/20260201.sql",
    ]


def test_latest_always_bears_the_newest(tmp_path: Path) -> None:
    archive = local(tmp_path, latest="postgres/backup_latest.sql.gz")
    take(archive, KOREAN)
    take(archive, SHOP, at=NOON + timedelta(days=1))
    newest = tmp_path / "postgres/backup_latest.sql.gz"
    assert newest.samefile(tmp_path / "postgres/daily/erp_backup_20260129_120000.sql.gz")
    summed, name = newest.with_name(newest.name + ".sha256").read_text().split()
    assert (hashlib.sha256(newest.read_bytes()).hexdigest(), "backup_latest.sql.gz") == (summed, name)
    archive.remove([archive.points()[-1]], SILENT)
    assert newest.samefile(tmp_path / DAILY)


def test_a_latest_that_cannot_be_is_a_warning_and_no_more(tmp_path: Path) -> None:
    archive = local(tmp_path, "{database}_{time}.sql.gz", latest="latest.sql.gz")
    reporter = Reporter(heard := Heard())
    with archive.intake("erp", reporter) as intake:
        for name, form, data in (GLOBALS, SHOP):
            intake.part(PartInfo(name, form), io.BytesIO(data))
        point = replace(_point(), parts=(PartInfo("globals.sql", "sql"), PartInfo("shop.sql", "sql")))
        intake.commit(point, {})
    assert len(heard.said) == len(heard.warnings) == 1
    assert len(archive.points()) == 1


def _point() -> Any:
    from haechi.model import RestorePoint

    return RestorePoint(id="p1", service="erp", source="postgresql", time=NOON)


def test_parts_that_have_files_of_their_own(tmp_path: Path) -> None:
    archive = local(tmp_path, "{service}/{time:%Y%m%d}/{database}.dump")
    dump = ("shop.dump", "pg-custom", b"PGDMP and so on")
    take(archive, GLOBALS, dump)
    assert tree(tmp_path) == ["erp/20260128/globals.sql", "erp/20260128/shop.dump"]
    (point,) = archive.points()
    assert archive.open_part(point, "shop.dump").read() == dump[2]
    assert archive.verify(point, "all", SILENT)["files"] == 2


def test_what_cannot_be_joined_is_refused_before_it_is_written(tmp_path: Path) -> None:
    archive = local(tmp_path, "vault_{time}.dump")
    dump = ("shop.dump", "pg-custom", b"PGDMP")
    with pytest.raises(UsageMistake, match="cannot be joined"):
        take(archive, dump, ("crm.dump", "pg-custom", b"PGDMP"))
    with pytest.raises(UsageMistake, match="holds another"):
        take(archive, SHOP)
    assert tree(tmp_path) == []
    assert hidden(tmp_path) == []


def test_a_second_file_of_one_name_replaces_nothing(tmp_path: Path) -> None:
    archive = local(tmp_path, "{time:%Y%m%d}.sql")
    (tmp_path / "20260128.sql").write_bytes(b"somebody's")
    take(archive, SHOP)
    take(archive, KOREAN, at=NOON + timedelta(hours=1))
    assert tree(tmp_path) == ["20260128-2.sql", "20260128-3.sql", "20260128.sql"]
    assert (tmp_path / "20260128.sql").read_bytes() == b"somebody's"
    assert (tmp_path / "20260128-3.sql").read_bytes() == KOREAN[2]


def test_two_at_the_same_moment_get_two_names(tmp_path: Path) -> None:
    problems: list[BaseException] = []

    def run(service: str) -> None:
        try:
            take(local(tmp_path, "{time:%Y%m%d}.sql.gz"), SHOP, service=service)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(f"s{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert len(tree(tmp_path)) == 6
    for point in local(tmp_path, "{time:%Y%m%d}.sql.gz").points():
        local(tmp_path, "{time:%Y%m%d}.sql.gz").verify(point, "all", SILENT)


# -- what goes wrong ------------------------------------------------------------------------------------


def test_without_a_commit_nothing_is_left(tmp_path: Path) -> None:
    with local(tmp_path).intake("erp", SILENT) as intake:
        intake.part(PartInfo("shop.sql", "sql"), io.BytesIO(SHOP[2]))
    assert (tree(tmp_path), hidden(tmp_path)) == ([], [])


class _Cut(io.RawIOBase):
    def __init__(self, good: bytes):
        self._good = io.BytesIO(good)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._good.readinto(buffer)
        if not count:
            raise HaechiError("the connection is gone")
        return count


def test_a_stream_that_fails_is_never_committed(tmp_path: Path) -> None:
    with local(tmp_path).intake("erp", SILENT) as intake:
        intake.part(PartInfo("globals.sql", "sql"), io.BytesIO(GLOBALS[2]))
        with pytest.raises(HaechiError, match="gone"):
            intake.part(PartInfo("shop.sql", "sql"), _Cut(SHOP[2]))  # type: ignore[arg-type]
        with pytest.raises(Damaged):
            intake.commit(_point(), {})
    assert (tree(tmp_path), hidden(tmp_path)) == ([], [])


class _Lying(Local):
    """A disk that says yes and keeps something else."""

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        data = super().get(key, offset, length)
        if "/incoming/" in key and offset == 0:
            return bytes([data[0] ^ 1]) + data[1:]
        return data


def test_a_disk_that_keeps_something_else_is_found_at_once(tmp_path: Path) -> None:
    archive = Archive("archive.nas", _Lying(tmp_path), ERP, zone=SEOUL)
    with pytest.raises(Damaged, match="did not keep"):
        take(archive, SHOP)
    assert tree(tmp_path) == []


class _Full(Local):
    def put(self, key: str, data: Any, *, replace: bool = False) -> None:
        if isinstance(data, Iterator):
            next(data)
            raise HaechiError("no space is left")
        super().put(key, data, replace=replace)


def test_a_store_that_fails_ends_the_writer_with_its_own_error(tmp_path: Path) -> None:
    archive = Archive("archive.nas", _Full(tmp_path), "{time}.sql", zone=SEOUL)
    with pytest.raises(HaechiError, match="no space"):
        take(archive, ("big.sql", "sql", bytes(40 << 20)))


def test_damage_is_found(tmp_path: Path) -> None:
    archive = local(tmp_path, "{time}.sql.gz")
    take(archive, GLOBALS, SHOP)
    (point,) = archive.points()
    (file,) = tmp_path.glob("*.gz")
    good = file.read_bytes()
    for at in range(0, len(good), max(len(good) // 25, 1)):
        file.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(Damaged):
            archive.verify(point, "all", SILENT)
        with pytest.raises(Damaged):
            for name in ("globals.sql", "shop.sql"):
                archive.open_part(point, name).read()
    for broken in (good[:-1], good + b"x", b""):
        file.write_bytes(broken)
        with pytest.raises(Damaged):
            archive.verify(point, "structure", SILENT)
    file.unlink()
    with pytest.raises(Damaged, match="missing"):
        archive.verify(point, "structure", SILENT)
    with pytest.raises(NotThere):
        archive.open_part(point, "shop.sql")


def test_another_tier_makes_good_a_file_that_is_lost(tmp_path: Path) -> None:
    archive = local(tmp_path)
    take(archive, SHOP)
    (tmp_path / DAILY).unlink()
    assert archive.open_part(archive.points()[0], "shop.sql").read() == SHOP[2]


def test_one_database_is_read_without_the_others(tmp_path: Path) -> None:
    asked: list[int] = []

    class Counting(Local):
        def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
            data = super().get(key, offset, length)
            if not key.startswith(".haechi/"):
                asked.append(len(data))
            return data

    archive = Archive("archive.nas", Counting(tmp_path), "{time}.sql.zst", zone=SEOUL)
    big = ("big.sql", "sql", os.urandom(20 << 20))
    take(archive, big, SHOP, big)
    assert archive.open_part(archive.points()[0], "shop.sql").read() == SHOP[2]
    assert sum(asked) < 1 << 20


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (("shop.sql", "sql", SHOP[2][:-10]), "cut short"),
        (("shop.dump", "pg-custom", b"NOTADUMP"), "does not begin"),
        (("files.tar", "tar", b"x" * 5000), "cannot be listed"),
    ],
)
def test_what_is_no_dump_of_its_form_is_damaged(tmp_path: Path, part: Any, message: str) -> None:
    archive = local(tmp_path, "{time}_{part}.gz")
    take(archive, part)
    archive.verify(archive.points()[0], "structure", SILENT)
    with pytest.raises(Damaged, match=message):
        archive.verify(archive.points()[0], "all", SILENT)


# -- letting go ------------------------------------------------------------------------------------------


def test_removing_takes_every_name_and_nothing_else(tmp_path: Path) -> None:
    archive = local(tmp_path, md5=True)
    take(archive, SHOP)
    take(archive, KOREAN, at=NOON + timedelta(days=1))
    old, new = archive.points()
    freed = archive.remove([old], SILENT)
    assert freed == {"points": 1, "bytes": old.copies[0].size}
    assert tree(tmp_path, sums=True) == [
        f"postgres/daily/erp_backup_20260129_120000.sql.gz{end}" for end in ("", ".md5", ".sha256")
    ]
    assert archive.points() == [new]
    assert archive.remove([old], SILENT) == {"points": 0, "bytes": 0}
    assert not any(old.id in name for name in hidden(tmp_path))


def test_holds_are_kept_with_the_point(tmp_path: Path) -> None:
    archive = local(tmp_path)
    take(archive, SHOP, rows=1)
    (point,) = archive.points()
    archive.hold(point, True)
    (held,) = local(tmp_path).points()
    assert held == replace(point, held=True)
    archive.hold(held, False)
    assert local(tmp_path).points() == [point]


def test_sixty_days_leave_the_tree_of_the_table(tmp_path: Path) -> None:
    """Daily 7 days, weekly on Sunday 30 days, monthly on the 1st 90 days: each in its directory, and nowhere else."""
    archive = local(tmp_path, "{tier}/backup_{time:%Y%m%d}.sql")
    keep = Keep(daily=timedelta(days=7), weekly=timedelta(days=30), monthly=timedelta(days=90))
    start = NOON.replace(month=1, day=1)
    days = [start + timedelta(days=n) for n in range(60)]
    for day in days:
        take(archive, KOREAN, at=day)
        made = decide(archive.points(), keep, now=day, zone=SEOUL)
        archive.remove([d.point for d in made if not d.stays], SILENT)
        archive.settle(made)
    last = days[-1]
    expected = [f"daily/backup_{d:%Y%m%d}.sql" for d in days[-7:]]
    expected += [f"monthly/backup_{d:%Y%m%d}.sql" for d in days if d.day == 1]
    expected += [
        f"weekly/backup_{d:%Y%m%d}.sql" for d in days if d.weekday() == 6 and last - d < timedelta(days=30)
    ]
    assert tree(tmp_path) == sorted(expected)
    for point in archive.points():
        assert archive.verify(point, "all", SILENT)


def test_settling_brings_back_a_tier_that_is_missing(tmp_path: Path) -> None:
    archive = local(tmp_path, "{tier}/{time:%Y%m%d}.sql")
    take(archive, SHOP)
    take(archive, KOREAN, at=NOON + timedelta(days=1))
    first, second = archive.points()
    archive.remove([first], SILENT)
    archive.settle(decide([second], Keep(daily=1, weekly=1), now=second.time, zone=SEOUL))
    assert tree(tmp_path) == ["daily/20260129.sql", "weekly/20260129.sql"]
    assert (tmp_path / "weekly/20260129.sql.sha256").exists()


def test_every_six_hours_with_tiers_of_ones_own(tmp_path: Path) -> None:
    archive = local(tmp_path, "{tier}/{time:%m%d_%H}.sql", tiers=("hourly", "daily", "weekly"))
    keep = Keep(last=3, daily=4, weekly=2)
    for n in range(48):
        take(archive, KOREAN, at=NOON + timedelta(hours=6 * n))
        made = decide(archive.points(), keep, now=NOON + timedelta(hours=6 * n), zone=SEOUL)
        archive.settle(made)
        archive.remove([d.point for d in made if not d.stays], SILENT)
        for point in archive.points():
            archive.verify(point, "structure", SILENT)
    assert tree(tmp_path) == [
        "daily/0206_00.sql",
        "daily/0207_00.sql",
        "daily/0208_00.sql",
        "daily/0209_00.sql",
        "hourly/0208_18.sql",
        "hourly/0209_00.sql",
        "hourly/0209_06.sql",
        "weekly/0201_00.sql",
        "weekly/0208_00.sql",
    ]


def test_another_layout_leaves_old_files_where_they_are(tmp_path: Path) -> None:
    """What was packed as gzip gets no name that says zstd, whatever the plan says today."""
    take(local(tmp_path, "{tier}/{time:%Y%m%d}.sql.gz"), SHOP)
    changed = local(tmp_path, "{tier}/{time:%Y%m%d}.sql.zst", latest="latest.sql.zst")
    before = tree(tmp_path)
    (point,) = changed.points()
    changed.settle(decide([point], Keep(monthly=1), now=point.time, zone=SEOUL))
    changed.remove([], SILENT)
    assert tree(tmp_path) == before
    assert changed.open_part(point, "shop.sql").read() == SHOP[2]
    assert changed.remove([point], SILENT)["points"] == 1
    assert tree(tmp_path) == []


# -- files of others -------------------------------------------------------------------------------------


def test_files_of_others_are_points_and_are_held(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "postgres/daily").mkdir(parents=True)
    theirs = tmp_path / "postgres/daily/erp_backup_20250301_020000.sql.gz"
    theirs.write_bytes(gzip.compress(b"select 1;\n"))
    (tmp_path / "postgres/daily/notes.txt").write_text("not a backup")
    archive = local(tmp_path, service="erp")
    take(archive, SHOP)
    theirs_, ours = archive.points("erp")
    assert theirs_.time == NOON.replace(year=2025, month=3, day=1, hour=2)
    assert (theirs_.held, ours.held) == (True, False)
    assert [part.name for part in theirs_.parts] == ["backup.sql"]
    assert archive.open_part(theirs_, "backup.sql").read() == b"select 1;\n"
    archive.verify(theirs_, "all", SILENT)
    assert archive.describe(theirs_) == theirs_

    theirs.write_bytes(theirs.read_bytes()[:-2])
    with pytest.raises(Damaged):
        archive.verify(archive.points()[0], "all", SILENT)


def test_their_checksums_are_believed(tmp_path: Path) -> None:
    file = tmp_path / "erp_20250301_020000.sql"
    file.write_bytes(b"select 1;\n")
    (tmp_path / (file.name + ".md5")).write_text(f"{hashlib.md5(b'select 2;').hexdigest()}  {file.name}\n")
    archive = local(tmp_path, "erp_{time}.sql")
    with pytest.raises(Damaged, match="checksum"):
        archive.verify(archive.points()[0], "all", SILENT)


def test_lifting_the_hold_makes_them_ours(tmp_path: Path) -> None:
    (tmp_path / "erp_20250301_020000.sql").write_bytes(b"select 1;\n")
    archive = local(tmp_path, "erp_{time}.sql", service="erp")
    (point,) = archive.points()
    archive.hold(point, False)
    (ours,) = archive.points()
    assert ours == replace(point, held=False)
    assert archive.remove([ours], SILENT) == {"points": 1, "bytes": 10}
    assert tree(tmp_path) == []


def test_a_broken_manifest_costs_no_more_than_what_it_knew(tmp_path: Path) -> None:
    archive = local(tmp_path, service="erp")
    take(archive, SHOP)
    (manifest,) = (tmp_path / ".haechi/points").iterdir()
    manifest.write_text("{ half")
    (point,) = archive.points()
    assert point.held
    assert archive.open_part(point, "backup.sql").read() == SHOP[2]


def test_a_manifest_of_a_newer_version_is_no_point_to_guess_at(tmp_path: Path) -> None:
    archive = local(tmp_path)
    take(archive, SHOP)
    (manifest,) = (tmp_path / ".haechi/points").iterdir()
    body = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**body, "colour": "blue", "point": {**body["point"], "mood": "good"}}))
    assert not archive.points()[0].held  # what is only added is passed over
    manifest.write_text(json.dumps({**body, "format": 2}))
    assert archive.points()[0].held


def test_archives_in_one_directory_see_their_own(tmp_path: Path) -> None:
    store = Local(tmp_path)
    erp = Archive("archive.erp", store, "postgres/{time}.sql.gz", zone=SEOUL)
    mongo = Archive("archive.mongo", store, "mongodb/{time}.archive", zone=SEOUL)
    take(erp, SHOP)
    take(mongo, ("m.archive", "bson-archive", b"\x6d\xe2\x99\x81"), service="mongo", name="m1")
    assert [p.service for p in erp.points()] == ["erp"]
    assert [p.service for p in mongo.points()] == ["mongo"]
    renamed = Archive("archive.new", store, "postgres/{time}.sql.gz", zone=SEOUL)
    assert [p.held for p in renamed.points()] == [False]
