"""A file that anybody has made comes back whole or not at all, and proves nothing."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from haechi.errors import Damaged, HaechiError, UsageMistake
from haechi.events import SILENT
from haechi.operations import restore_file
from haechi.sources._base import Wanted
from tests.unit.operations.ground import Ground, lay

TEXT = b"create table t ();\n" * 100_000
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "a.sql": bytes,
    "a.sql.gz": gzip.compress,
    "a.sql.zst": zstandard.compress,
    "packed in spite of its name.sql": gzip.compress,
    "a.dump": bytes,
}


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return lay(tmp_path)


def bring_back(ground: Ground, file: Path) -> None:
    planned = restore_file.plan(ground.service(), file, Wanted())
    done = restore_file.execute(planned, ground.desk, SILENT)
    assert done.restored.equal
    assert done.safety is None


@pytest.mark.parametrize("name", PACKINGS)
def test_what_is_in_the_file_comes_back(ground: Ground, name: str) -> None:
    file = ground.root / name
    file.write_bytes(PACKINGS[name](TEXT))
    bring_back(ground, file)
    assert ground.source.restored == {name: TEXT}
    (run,) = ground.desk.journal.runs()
    assert (run.operation, run.point) == ("restore", "")
    assert ground.desk.journal.proofs() == []


@pytest.mark.parametrize("name", ["a.sql.gz", "a.sql.zst"])
def test_a_file_that_was_cut_is_damaged(ground: Ground, name: str) -> None:
    file = ground.root / name
    file.write_bytes(PACKINGS[name](TEXT)[:-9])
    with pytest.raises(Damaged):
        bring_back(ground, file)
    assert [run.outcome for run in ground.desk.journal.runs()] in ([], ["failure"])


@pytest.mark.parametrize("name", ["a.sql", "a.sql.gz", "a.sql.zst"])
def test_what_a_failed_dump_leaves_behind_is_not_restored(ground: Ground, name: str) -> None:
    file = ground.root / name
    file.write_bytes(PACKINGS[name](b""))
    with pytest.raises(Damaged, match="nothing in"):
        bring_back(ground, file)


def test_never_over_what_is_there(ground: Ground) -> None:
    file = ground.root / "a.sql"
    file.write_bytes(TEXT)
    with pytest.raises(UsageMistake, match="beside"):
        restore_file.plan(ground.service(), file, Wanted(in_place=True))
    assert not ground.source.captures


def test_what_is_no_file_is_said_so(ground: Ground) -> None:
    with pytest.raises(UsageMistake, match="not a file"):
        bring_back(ground, ground.root)
    with pytest.raises(HaechiError, match="No such file"):
        bring_back(ground, ground.root / "nowhere.sql")
    sealed = ground.root / "a.sql.gz.gpg"
    sealed.write_bytes(b"\x8c")
    with pytest.raises(UsageMistake, match="encrypted") as raised:
        bring_back(ground, sealed)
    assert "> a.sql.gz" in raised.value.hint


def test_the_plans_checks_are_asked(ground: Ground) -> None:
    file = ground.root / "a.sql"
    file.write_bytes(TEXT)
    checks = ({"sql": "select 1"},)
    planned = restore_file.plan(ground.service(checks=checks), file, Wanted(target={"database": "x"}))
    assert planned.wanted.target == {"checks": checks, "database": "x"}
