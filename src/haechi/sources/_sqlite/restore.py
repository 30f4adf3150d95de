"""Brings database files back: beside the old ones, counted and compared, put in place only when that was asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from haechi.errors import NotThere
from haechi.events import Reporter
from haechi.fileio import explain
from haechi.i18n import _
from haechi.process import BUFFER
from haechi.sources import _beside
from haechi.sources._base import Comparison, PartReader, Restored, Wanted
from haechi.sources._newfile import new_file, refuse_old
from haechi.sources._sqlite import database

_COMPARED = ("pages", "page_size", "user_version", "integrity", "encoding", "rows", "made", "sha256")


def restore(
    known: Mapping[str, Any],
    parts: Mapping[str, PartReader],
    wanted: Wanted,
    directory: Path | None,
    reporter: Reporter,
) -> Restored:
    coming: dict[str, Path] = {}
    compared: list[Comparison] = []
    if not wanted.only and (lost := sorted(known.keys() - parts.keys())):
        compared.append(Comparison("missing", [], lost))
    with ExitStack() as undo:
        for name in _chosen(parts, known, wanted):
            facts = known[name]
            final = Path(facts["path"]) if directory is None else directory / name
            if directory is not None:
                refuse_old(final)
            _beside.sweep([final])
            path = _bring(parts[name], final, facts, undo, reporter)
            coming[name] = path
            digest = database.digest(path)
            found = {**database.facts(path), "sha256": digest}
            compared += [
                Comparison(f"{name}: {key}", facts[key], found[key]) for key in _COMPARED if key in facts
            ]
            database.set_journal_mode(path, str(facts.get("journal_mode")))
        undo.pop_all()
    equal = all(c.equal for c in compared)
    where: dict[str, Path] = {}
    for name, path in coming.items():
        final = Path(known[name]["path"])
        if directory is not None:
            where[name] = directory / name
            path.rename(where[name])
        elif wanted.in_place and equal:
            where[name] = final
            _put_in_place(path, final)
        else:
            where[name] = _beside.settle(path, final, _beside.RESTORED)
    return Restored(
        ", ".join(str(path) for path in where.values()),
        tuple(compared),
        {
            "came_back": {known[name]["path"]: str(path) for name, path in where.items()},
            "beside": directory is None and not wanted.in_place,
            "partial": bool(wanted.only),
        },
    )


def guessed(parts: Mapping[str, PartReader], files: Sequence[Path]) -> dict[str, Any]:
    """Of other people's copies nothing is known: they are for the files of the plan that are called so."""
    fitting = {part: [file for file in files if file.name == part] for part in parts}
    if len(parts) == len(files) == 1:
        fitting = {part: list(files) for part in parts}
    found = {part: {"path": str(some[0])} for part, some in fitting.items() if len(some) == 1}
    if len(found) < len(parts):
        raise NotThere(
            _("The plan names no file for {names}.").format(names=", ".join(sorted(set(parts) - set(found)))),
            hint=_("Name it under `files` in the plan."),
        )
    return found


def _chosen(parts: Mapping[str, PartReader], known: Mapping[str, Any], wanted: Wanted) -> list[str]:
    """All, or those that were asked for by their names or paths."""
    if not wanted.only:
        return [name for name in parts if name in known]
    chosen = []
    for asked in wanted.only:
        fitting = [name for name in parts if name in known and asked in (name, known[name]["path"])]
        if not fitting:
            raise NotThere(
                _("This restore point has no {names}.").format(names=asked),
                hint=_("It has: {parts}").format(parts=", ".join(parts)),
            )
        chosen += fitting
    return chosen


def _bring(
    part: PartReader, final: Path, facts: Mapping[str, Any], undo: ExitStack, reporter: Reporter
) -> Path:
    """The file under a name that says it is not complete; it goes again unless all goes well."""
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        path = _beside.fresh(final, _beside.UNDER_WAY)
        undo.callback(_beside.remove, path)
        with (
            reporter.step(part.info.name, part.info.size or None) as step,
            part.open() as stream,
            new_file(path, int(facts.get("mode", 0o600))) as file,
        ):
            shutil.copyfileobj(stream, file, BUFFER)
            step.advance(file.tell())
    except OSError as problem:
        raise explain(problem, final) from None
    with suppress(PermissionError):
        os.chown(path, int(facts.get("uid", -1)), int(facts.get("gid", -1)))
    return path


def _put_in_place(path: Path, final: Path) -> None:
    """What is there goes only now; the operation has saved it before."""
    database.settle(final)
    old = _beside.exchange(path, final, _beside.BEFORE)
    if old is not None:
        _beside.remove(old)
