"""Directories and files of this host: media, static files, configuration and secrets, as they lie."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from haechi import clock
from haechi.errors import UsageMistake
from haechi.events import Reporter
from haechi.i18n import _, plural
from haechi.model import PartInfo, RestorePoint
from haechi.places._base import Place
from haechi.sources import _beside, _target, _throwaway
from haechi.sources._base import (
    Capture,
    Part,
    PartReader,
    Probe,
    Rehearsed,
    Restored,
    Source,
    Tree,
    Wanted,
)
from haechi.sources._files.excludes import excluder
from haechi.sources._files.listing import FirstLook
from haechi.sources._files.packing import TarStream
from haechi.sources._files.restoring import Restore

PART = "files"
_SHOWN = 10  # changed files named in a warning
_MODE = re.compile(r"0?[0-7]{3,4}")


def _told_mode(mode: str | None) -> str | None:
    if mode is not None and not _MODE.fullmatch(mode):
        raise ValueError("an octal mode such as 755")
    return mode


class Options(BaseModel):
    """What is kept, and how it is to come back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    paths: tuple[Path, ...] = Field(
        min_length=1, description="Directories and files; relative ones are relative to the plan"
    )
    exclude: tuple[str, ...] = Field(
        (), description="What to leave out, as .gitignore says it: “*.tmp”, “cache/”, “!keep.tmp”"
    )
    owner: str | None = Field(
        None, description="Who owns what comes back: “www-data:www-data”; else as it was"
    )
    mode: str | None = Field(
        None, description="The mode of everything that comes back: “755”; else as it was"
    )

    @field_validator("paths", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("paths")
    @classmethod
    def _beside_the_plan(cls, paths: tuple[Path, ...], info: ValidationInfo) -> tuple[Path, ...]:
        base = (info.context or {}).get("base") or Path()
        return tuple((base / path.expanduser()).absolute() for path in paths)

    _octal = field_validator("mode")(_told_mode)


class Target(_target.Target):
    """Where a restore goes, if not beside what is there."""

    directory: Path | None = Field(
        None, description="A new directory for what comes back; several paths lie in it as below /"
    )
    owner: str | None = Field(None, description="As in the plan, for this time")
    mode: str | None = Field(None, description="As in the plan, for this time")

    _octal = field_validator("mode")(_told_mode)


def build(name: str, options: Options, place: Place) -> Source:
    return Files(name, options, place)


def main_form(_options: Options) -> str:
    """What archives must be able to hold."""
    return "tar"


class Files:
    """The directories and files of one service."""

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    @property
    def roots(self) -> tuple[Path, ...]:
        """Where they really lie, without those that lie in others."""
        found = sorted({path.resolve() for path in self.options.paths})
        return tuple(p for p in found if not any(p != q and p.is_relative_to(q) for q in found))

    def probe(self) -> Probe:
        self._only_here()
        tree = self._tree()
        with FirstLook(tree.roots, tree.excluded) as look:
            return Probe(version="", size=look.size, details={"paths": [str(root) for root in tree.roots]})

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        self._only_here()
        tree = self._tree()
        moment = clock.now()
        with FirstLook(tree.roots, tree.excluded) as look:
            part = Part(PartInfo(PART, "tar"), lambda: cast(BinaryIO, TarStream(tree)), look.size, tree)
            yield Capture(moment, [part], lambda: _facts(look, reporter))

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        self._only_here()
        target = Target.read(wanted.target)
        told = target.owner or self.options.owner, target.mode or self.options.mode
        part = parts.get(PART) or next(iter(parts.values()))
        return Restore(point, part, wanted, reporter, target.directory, *told, self.roots).run()

    def rehearse(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> Rehearsed:
        return _throwaway.rehearse(
            self, point, parts, wanted, into, reporter, lambda place: {"directory": place / "restored"}
        )

    def lying_beside(self) -> Sequence[_beside.Beside]:
        return _beside.lying(self.roots)

    def swap(self, name: str) -> str:
        return str(_beside.swap(Path(name)) or "")

    def undo(self, name: str) -> str:
        return str(_beside.undo(Path(name)) or "")

    def finish(self, name: str) -> Sequence[str]:
        return _beside.finish(Path(name))

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        """Values are paths below one of the service's directories, or below `where` in it."""
        self._only_here()
        waiting = {b.of: b.path for b in _beside.lying(self.roots) if beside and b.state == _beside.RESTORED}
        below = [waiting.get(str(root), root) / where.strip("/") for root in self.roots]
        return (value for value in values if not any(_lies_below(directory, value) for directory in below))

    def _tree(self) -> Tree:
        roots = self.roots
        return Tree(roots, excluder(roots, self.options.exclude))

    def _only_here(self) -> None:
        if not self.place.is_local:
            raise UsageMistake(
                _("Files are read on this host only, not at {place}.").format(place=self.place.name),
                hint=_(
                    "Run haechi there, or keep what `tar -c PATH` writes there, by a service of the kind “command”."
                ),
            )


def _lies_below(directory: Path, value: str) -> bool:
    """Whether there is something of this name: never the directory itself, and never something outside of it."""
    path = os.path.normpath(value.lstrip("/"))
    return path != "." and Path(path).parts[0] != ".." and os.path.lexists(directory / path)


def _facts(look: FirstLook, reporter: Reporter) -> dict[str, Any]:
    """Asked when all has been read: whatever is not as it was before is named."""
    facts, changed = look.compare()
    if changed:
        reporter.warn(
            plural(
                "{count} file changed while it was read; it may be kept as it was or half-way: {paths}",
                "{count} files changed while they were read; each may be kept as it was or half-way: {paths}",
                len(changed),
                paths=", ".join(changed[:_SHOWN]) + (" …" if changed[_SHOWN:] else ""),
            )
        )
    return {"trees": facts}
