"""Files and directories that lie beside those they are to replace, and the exchange by rename.

Their names say what they are, so that another process may go on another day: `media.haechi_20260128_120000` has
come back, `media.part_…` holds single paths of it, `media.before_…` is what was replaced, and `media.under-way_…` is
not complete.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from haechi import clock
from haechi.errors import NotThere
from haechi.fileio import explain, sync_directory
from haechi.i18n import _

RESTORED, PART, BEFORE, UNDER_WAY = "restored", "part", "before", "under way"
KEPT_AS = ".before_"
_WORDS = {RESTORED: "haechi", PART: "part", BEFORE: "before", UNDER_WAY: "under-way"}
_NAMED = re.compile(
    r"(?P<of>.+)\.(?P<word>haechi|part|before|under-way)_(?P<time>\d{8}_\d{6}(?:-\d+)?)", re.DOTALL
)
_STATES = {word: state for state, word in _WORDS.items()}


@dataclass(frozen=True)
class Beside:
    """One that lies beside `of`, which is a path."""

    path: Path
    of: str
    state: str
    time: str

    @property
    def name(self) -> str:
        return str(self.path)


def owner_of(path: Path) -> Path | None:
    """What this lies beside; None if its name says nothing of the kind."""
    match = _NAMED.fullmatch(path.name)
    return path.with_name(match["of"]) if match else None


def read(path: Path) -> Beside | None:
    """What a name alone says; None if it says nothing of the kind."""
    match = _NAMED.fullmatch(path.name)
    return (
        Beside(path, str(path.with_name(match["of"])), _STATES[match["word"]], match["time"])
        if match
        else None
    )


def lying(paths: Sequence[Path]) -> list[Beside]:
    """What lies beside these, oldest first."""
    found = []
    for path in paths:
        for other in path.parent.iterdir() if path.parent.is_dir() else ():
            match = _NAMED.fullmatch(other.name)
            if match and match["of"] == path.name:
                found.append(Beside(other, str(path), _STATES[match["word"]], match["time"]))
    return sorted(found, key=lambda beside: beside.time)


def fresh(path: Path, state: str, avoid: Collection[Path] = ()) -> Path:
    """A name beside this path that nothing has yet."""
    stamp = f"{path.name}.{_WORDS[state]}_{clock.now():%Y%m%d_%H%M%S}"
    name, number = stamp, 2
    while os.path.lexists(path.parent / name) or path.parent / name in avoid:
        name, number = f"{stamp}-{number}", number + 1
    return path.parent / name


def settle(under_way: Path, of: Path, state: str) -> Path:
    """What is complete gets the name that says so."""
    named = fresh(of, state)
    _rename(under_way, named)
    return named


def sweep(paths: Sequence[Path]) -> None:
    """Remove what a killed restore has left. Two restores of one service never run at once."""
    for beside in lying(paths):
        if beside.state == UNDER_WAY:
            remove(beside.path)


def swap(path: Path) -> Path | None:
    """The newest that came back into the place of `path`; where the old one is kept, if there was one."""
    coming = _newest(path, RESTORED)
    return exchange(coming.path, path, BEFORE)


def undo(path: Path) -> Path | None:
    """The old one back into its place; where what had replaced it lies now."""
    return exchange(_newest(path, BEFORE).path, path, RESTORED)


def finish(path: Path) -> list[str]:
    """Remove for good what lies beside."""
    gone = lying([path])
    for beside in gone:
        remove(beside.path)
    return [beside.name for beside in gone]


def exchange(coming: Path, path: Path, state: str) -> Path | None:
    """`coming` becomes `path`, and what was there gets a name of this state. Should the second rename fail, the
    first is taken back."""
    aside = None
    if os.path.lexists(path):
        aside = fresh(path, state)
        _rename(path, aside)
    try:
        _rename(coming, path)
    except BaseException:
        if aside is not None:
            _rename(aside, path)
        raise
    return aside


def remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as problem:
        raise explain(problem, path) from None


def _rename(old: Path, new: Path) -> None:
    try:
        old.rename(new)
        sync_directory(new.parent)
    except OSError as problem:
        raise explain(problem, old) from None


def _newest(path: Path, state: str) -> Beside:
    found = [beside for beside in lying([path]) if beside.state == state]
    if not found:
        raise NotThere(
            _("Nothing lies beside {path} that could take its place.").format(path=path),
            hint=_("Restore it first: what comes back lies beside until it is put in place."),
        )
    return found[-1]
