"""Drills of what needs no server: they come back in a place of their own, which is gone afterwards."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from haechi import clock
from haechi.errors import HaechiError, UsageMistake
from haechi.events import SILENT
from haechi.model import ProofState
from haechi.operations import drill
from haechi.operations.acts import Command as Command_
from haechi.operations.drill import Drilled
from haechi.operations.hooks import Hook, Hooks
from haechi.places.local import LocalPlace
from haechi.sources import _throwaway
from haechi.sources._base import Rehearsable
from haechi.sources.command import Command
from haechi.sources.command import Options as CommandOptions
from haechi.sources.files import Files
from haechi.sources.files import Options as FilesOptions
from haechi.sources.sqlite import Options as SQLiteOptions
from haechi.sources.sqlite import SQLite
from tests.unit.sources.ground import Installation, install


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def with_database(root: Path) -> tuple[Installation, Path]:
    file = root / "shop.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute("create table orders (id integer primary key, what text)")
        db.executemany("insert into orders (what) values (?)", [("해치",)] * 100)
        db.commit()
    source = SQLite("it", SQLiteOptions.model_validate({"files": [str(file)]}), LocalPlace())
    return install(root / "ground", "sqlite", source, "{part}_{time:%Y%m%d_%H%M%S}.gz"), file


def rehearsed(it: Installation, place: Path, copy: str = "vault.main") -> Drilled:
    done = drill.drill(it.service, it.desk, SILENT, copies=(copy,), into=str(place))
    assert list(place.iterdir()) == [], "nothing is left of it"
    return done


def states(it: Installation) -> list[ProofState]:
    return [proof.state for proof in it.desk.journal.proofs(service="it")]


@pytest.mark.parametrize("copy", ["vault.main", "archive.nas"])
def test_a_database_file(tmp_path: Path, place: Path, copy: str) -> None:
    it, file = with_database(tmp_path)
    it.back_up()
    before = file.read_bytes()
    done = rehearsed(it, place, copy)
    assert done.passed
    assert done.copy == copy
    assert done.rehearsed is not None
    assert len(done.rehearsed.restored.comparisons) == 8
    assert 0 < done.rehearsed.seconds <= done.seconds
    assert file.read_bytes() == before
    assert states(it)[-1] is ProofState.RESTORED


def test_files_with_what_belongs_to_them(tmp_path: Path, place: Path) -> None:
    media = tmp_path / "media"
    (media / "a").mkdir(parents=True)
    (media / "a" / "사진.jpg").write_bytes(os.urandom(100_000))
    (media / "locked").mkdir()
    (media / "locked" / "secret").write_text("x")
    (media / "locked").chmod(0o500)
    source = Files("it", FilesOptions.model_validate({"paths": [str(media)]}), LocalPlace())
    it = install(tmp_path / "ground", "files", source, "{part}_{time:%Y%m%d_%H%M%S}.tar.gz")
    it.back_up()
    assert isinstance(source, Rehearsable)
    for copy in ("vault.main", "archive.nas"):
        assert rehearsed(it, place, copy).passed


def test_a_program_that_reads_it(tmp_path: Path, place: Path) -> None:
    def of(**more: object) -> Installation:
        options = CommandOptions.model_validate({"dump": ["cat", str(tmp_path / "state")], **more})
        root = tmp_path / f"ground-{len(list(tmp_path.iterdir()))}"
        return install(
            root, "command", Command("it", options, LocalPlace()), "{part}_{time:%Y%m%d_%H%M%S}.gz"
        )

    (tmp_path / "state").write_bytes(b"all that there is")
    it = of()
    it.back_up()
    assert rehearsed(it, place).passed
    it = of(rehearse=["grep", "-q", "all that there is"])
    it.back_up()
    assert rehearsed(it, place).passed
    it = of(rehearse=["grep", "-q", "something else"])
    it.back_up()
    done = rehearsed(it, place)
    assert not done.passed
    assert done.problem is not None
    assert states(it)[-1] is ProofState.FAILED


def test_what_differs_is_found_and_named(tmp_path: Path, place: Path) -> None:
    """Yesterday's data under today's name: every copy is whole, and yet it is not what was counted."""
    it, file = with_database(tmp_path)
    counted = it.back_up()
    with closing(sqlite3.connect(file)) as db:
        db.execute("delete from orders where id > 99")
        db.commit()
    it.back_up()
    newest = it.vault.points("it")[-1]
    assert newest.id != counted.id
    describe = it.vault.describe
    it.vault.describe = lambda point: describe(it.vault.points("it")[0])  # type: ignore[method-assign]
    open_part = it.vault.open_part
    it.vault.open_part = lambda _point, part: open_part(newest, part)  # type: ignore[method-assign]
    done = rehearsed(it, place)
    assert not done.passed
    assert [c.what for c in done.differences] == ["shop.db: rows", "shop.db: sha256"]
    assert states(it)[-1] is ProofState.FAILED
    assert it.desk.journal.runs(operation="drill")[0].outcome == "failure"


def test_damage_in_the_vault_is_a_result(tmp_path: Path, place: Path) -> None:
    it, _file = with_database(tmp_path)
    it.back_up()
    packs = [p for p in (it.root / "vault" / "data").rglob("*") if p.is_file()]
    for pack in packs:
        pack.chmod(0o600)
        data = bytearray(pack.read_bytes())
        data[len(data) // 3] ^= 1
        pack.write_bytes(data)
    done = rehearsed(it, place)
    assert not done.passed
    assert done.problem is not None
    assert done.problem.code == "damaged"
    assert rehearsed(it, place, "archive.nas").passed, "the other copy is not to blame"


def test_a_place_that_cannot_be_made_speaks_against_nothing(tmp_path: Path) -> None:
    it, _file = with_database(tmp_path)
    it.back_up()
    before = states(it)
    with pytest.raises(UsageMistake, match="no directory"):
        drill.drill(it.service, it.desk, SILENT, into=str(tmp_path / "nowhere"))
    assert states(it) == before


def test_by_chance_every_copy_gets_its_turn(tmp_path: Path, place: Path) -> None:
    it, _file = with_database(tmp_path)
    it.back_up()
    it.back_up()
    seen = set()
    for _attempt in range(40):
        done = drill.drill(it.service, it.desk, SILENT, which=drill.RANDOM, into=str(place))
        assert done.passed
        seen.add((done.point.id, done.copy))
        if len(seen) == 4:
            break
    assert len(seen) == 4


def test_what_a_killed_drill_has_left_is_removed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import os, subprocess, sys, signal; from haechi.sources import _throwaway\n"
        "with _throwaway.directory(sys.argv[1]) as made:\n"
        "    (made.path / 'server').mkdir(); os.chdir(made.path / 'server')\n"
        "    child = subprocess.Popen(['sleep', '60'], stdout=-3, stderr=-3)\n"
        "    os.chdir('/'); print(made.path, child.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(place)], capture_output=True, text=True, check=False
    )
    assert said.returncode == -signal.SIGKILL, said.stderr
    path, pid = said.stdout.split()
    assert Path(path).exists()
    assert Path(f"/proc/{pid}").exists()
    assert _throwaway.sweep(place) == [], "it is so young that it may be another's"
    later = clock.now().timestamp() + 60
    monkeypatch.setattr(_throwaway, "_now", lambda: later)
    with _throwaway.directory(str(place)) as mine:
        assert _throwaway.sweep(place) == [], "one that is in use stays"
        assert [p.name for p in place.iterdir()] == [mine.path.name]
    assert not Path(path).exists()
    assert _state(int(pid)) in ("Z", "")
    assert list(place.iterdir()) == []


def test_what_stands_around_a_drill_is_done(tmp_path: Path, place: Path) -> None:
    it, _file = with_database(tmp_path)
    it.back_up()
    said = tmp_path / "said"
    words = Command_(("sh", "-c", f'echo "$HAECHI_WHEN $HAECHI_OPERATION" >> {said}'), LocalPlace())
    fails = Command_(("false",), LocalPlace())
    hooks = Hooks({"drill": (Hook(words),)}, {"drill": (Hook(words), Hook(fails))})
    it.service = replace(it.service, hooks=hooks)
    done = rehearsed(it, place)
    assert done.passed
    assert said.read_text().splitlines() == ["before drill", "after drill"]
    assert len(done.unhooked) == 1
    assert it.desk.journal.runs(operation="drill")[0].outcome == "partial"


def test_a_source_without_a_throwaway_place_says_so(tmp_path: Path) -> None:
    it, _file = with_database(tmp_path)
    it.back_up()

    class Plain:
        pass

    bare = replace(it.service, source=Plain())  # type: ignore[arg-type]
    with pytest.raises(HaechiError, match="cannot be rehearsed"):
        drill.drill(bare, it.desk, SILENT)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""
