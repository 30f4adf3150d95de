"""Copies by SQLite's online backup: each the state of one moment, whoever writes meanwhile."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haechi.errors import Damaged, StoreFull
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import PartInfo
from haechi.sources._base import Part
from haechi.sources._sqlite import database

FORM = "sqlite"
_PAGES = 1000  # copied between two steps of the progress
_SPARE = 16 << 20


@dataclass(frozen=True)
class Copied:
    """One database as it was at its moment."""

    name: str
    path: Path
    facts: dict[str, Any]

    @property
    def part(self) -> Part:
        info = PartInfo(self.name, FORM, pages=self.facts["page_size"])
        return Part(info, lambda: self.path.open("rb"), self.path.stat().st_size)


@contextmanager
def copies(files: Sequence[Path], staging: Path | None, reporter: Reporter) -> Iterator[list[Copied]]:
    """All of them at once, so that their moments lie close together."""
    names = part_names(files)
    with tempfile.TemporaryDirectory(prefix="haechi-sqlite-", dir=staging) as room:  # open to us alone
        _demand_space(Path(room), sum(_size(file) for file in files))
        made = []
        for number, file in enumerate(files):
            copy = Path(room) / str(number)
            with reporter.step(file.name, _size(file)) as step:
                mode = _copy(file, copy, step.advance)
            facts = database.facts(copy)
            if facts["integrity"] != "ok":
                raise Damaged(
                    _("{path} is damaged: {reason}").format(path=file, reason=facts["integrity"]),
                    hint=_("Its last good state is in the restore points before; nothing was saved now."),
                )
            facts |= {"path": str(file), "journal_mode": mode, **_ownership(file)}
            facts["sha256"] = database.digest(copy)
            made.append(Copied(names[file], copy, facts))
        yield made


def part_names(files: Sequence[Path]) -> dict[Path, str]:
    """File names where they differ, else as much of the path as it takes."""
    names = [file.name for file in files]
    if len(set(names)) == len(names):
        return {file: file.name for file in files}
    above = Path(os.path.commonpath([file.parent for file in files]))
    return {file: str(file.relative_to(above)) for file in files}


def _copy(file: Path, copy: Path, advance: Any) -> str:
    """A transaction held open on the source keeps its state still from the first page to the last. Says the
    source's journal mode, which copies do not keep."""
    with database.explained(file), closing(database.read_only(file)) as source:
        source.execute("begin")
        source.execute("select count(*) from sqlite_master").fetchone()
        page = source.execute("pragma page_size").fetchone()[0]
        done = 0

        def told(_status: int, remaining: int, total: int) -> None:
            nonlocal done
            now = (total - remaining) * page
            advance(now - done)
            done = now

        with closing(sqlite3.connect(copy)) as target:
            source.backup(target, pages=_PAGES, progress=told, sleep=0.0)
        source.execute("rollback")
        return str(source.execute("pragma journal_mode").fetchone()[0])


def _size(file: Path) -> int:
    """With what is still in its log."""
    log = file.with_name(file.name + "-wal")
    return file.stat().st_size + (log.stat().st_size if log.exists() else 0)


def _ownership(file: Path) -> dict[str, int]:
    found = file.stat()
    return {"mode": stat.S_IMODE(found.st_mode), "uid": found.st_uid, "gid": found.st_gid}


def _demand_space(room: Path, needed: int) -> None:
    free = shutil.disk_usage(room).free
    if needed + _SPARE > free:
        raise StoreFull(
            _("{path} has {free} bytes left, and {needed} are needed.").format(
                path=room.parent, free=free, needed=needed + _SPARE
            ),
            hint=_("Free some space there, or name another directory with `staging` in the plan."),
        )
