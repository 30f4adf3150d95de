"""SQLite: database files, copied whole while others write to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from haechi import clock
from haechi.errors import NotThere, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.places._base import Place
from haechi.sources import _beside, _columns, _target
from haechi.sources._base import Address, Capture, PartReader, Probe, Restored, Source, Wanted
from haechi.sources._sqlite import asking, capture, database, restore, stored
from haechi.sources._throwaway import ByDirectory


def _is_pattern(path: Path) -> bool:
    return not set("*?[").isdisjoint(str(path))


def _fitting(pattern: Path) -> list[Path]:
    return list(Path("/").glob(str(pattern).lstrip("/")))


class Options(BaseModel):
    """The database files of one service."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: tuple[Path, ...] = Field(
        min_length=1, description="Database files, or patterns such as “data/*.sqlite3”; relative to the plan"
    )
    staging: Path | None = Field(
        None, description="Where the copies lie while they are read; they need as much space as the databases"
    )

    @field_validator("files", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("files")
    @classmethod
    def _beside_the_plan(cls, files: tuple[Path, ...], info: ValidationInfo) -> tuple[Path, ...]:
        base = (info.context or {}).get("base") or Path()
        return tuple((base / file.expanduser()).absolute() for file in files)


class Target(_target.Target):
    """Where a restore goes, if not beside the databases."""

    directory: Path | None = Field(None, description="A directory for what comes back; no file is replaced")


def build(name: str, options: Options, place: Place) -> Source:
    return SQLite(name, options, place)


def main_form(_options: Options) -> str:
    """What archives must be able to hold."""
    return capture.FORM


class SQLite(ByDirectory):
    """Satisfies `Source` and `Exchangeable`."""

    kept_as = _beside.KEPT_AS

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    def files(self) -> list[Path]:
        """Those that are there now. Raises NotThere when one that is named is not, or a pattern fits none."""
        found: set[Path] = set()
        for named in self.options.files:
            if _is_pattern(named):
                fitting = [path for path in _fitting(named) if database.looks_like_one(path)]
            else:
                fitting = [named] if named.is_file() else []
            if not fitting:
                raise NotThere(
                    _("{path} is not there.").format(path=named),
                    hint=_(
                        "Correct the plan; if it was lost, bring it back: haechi restore, then haechi beside swap."
                    ),
                )
            found |= {path.resolve() for path in fitting}
        return sorted(path for path in found if _beside.owner_of(path) is None)

    def known(self) -> list[Path]:
        """Those that are there, and those that are gone: their names are known from the plan, or from what lies
        beside."""
        found: set[Path] = set()
        for named in self.options.files:
            if not _is_pattern(named):
                found.add(named.resolve())
                continue
            for path in _fitting(named):
                found.add((_beside.owner_of(path) or path).resolve())
            for path in _fitting(named.with_name(f"{named.name}.*")):
                if (of := _beside.owner_of(path)) is not None:
                    found.add(of.resolve())
        return sorted(found)

    def probe(self) -> Probe:
        self._only_here()
        files = self.files()
        for file in files:
            database.read_only(file).close()
        size = sum(file.stat().st_size for file in files)
        return Probe(database.VERSION, size, {"databases": [str(file) for file in files]})

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        self._only_here()
        files = self.files()
        moment = clock.now()
        with capture.copies(files, self.options.staging, reporter) as copies:
            yield Capture(
                moment,
                [copy.part for copy in copies],
                lambda: {"databases": {c.name: c.facts for c in copies}},
            )

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        self._only_here()
        known = point.facts.get("databases") or restore.guessed(parts, self.known())
        directory = Target.read(wanted.target).directory
        return restore.restore(known, parts, wanted, directory, reporter)

    def standing(self, restored: Restored, place: Path) -> tuple[Address, SQLite]:
        files = [Path(path) for path in restored.details["came_back"].values()]
        alone = files[0] if len(files) == 1 else place / "restored"
        return Address(path=str(alone)), SQLite(
            self.name, Options.model_validate({"files": files}), self.place
        )

    def listing(
        self, point: RestorePoint, parts: Mapping[str, PartReader], reporter: Reporter
    ) -> Mapping[str, int]:
        return {"pages": sum(stored.pages(part, reporter) for part in parts.values())}

    def lying_beside(self) -> Sequence[_beside.Beside]:
        return _beside.lying(self.known())

    def swap(self, name: str) -> str:
        self._settle(Path(name))
        return str(_beside.swap(Path(name)) or "")

    def undo(self, name: str) -> str:
        self._settle(Path(name))
        return str(_beside.undo(Path(name)) or "")

    def finish(self, name: str) -> Sequence[str]:
        return _beside.finish(Path(name))

    def execute(self, sql: str, seconds: float) -> None:
        self._only_here()
        asking.execute(self._asked("", False), sql, seconds)

    def values(self, sql: str, database: str = "", *, beside: bool = False) -> Iterator[str]:
        self._only_here()
        return asking.values(self._asked(database, beside), sql)

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        self._only_here()
        column = _columns.column(where)
        return asking.missing(self._asked(column.database, beside), column, values)

    def _asked(self, named: str, beside: bool) -> Path:
        """The file of this name or path, the one there is if none is named, or what came back and lies beside it."""
        files = [path for path in self.known() if named in ("", path.name, str(path))]
        if len(files) != 1:
            raise UsageMistake(
                _("“{service}” has several databases.").format(service=self.name)
                if files
                else _("“{service}” has no database “{name}”.").format(service=self.name, name=named),
                hint=_("Say which one is asked: {names}").format(
                    names=", ".join(path.name for path in self.known())
                ),
            )
        waiting = [b for b in _beside.lying(files) if beside and b.state == _beside.RESTORED]
        return waiting[-1].path if waiting else files[0]

    def _settle(self, path: Path) -> None:
        """Also those beside: somebody may have looked into them."""
        for one in (path, *(beside.path for beside in _beside.lying([path]))):
            database.settle(one)

    def _only_here(self) -> None:
        if not self.place.is_local:
            raise UsageMistake(
                _("SQLite's files are read on this host only, not at {place}.").format(place=self.place.name),
                hint=_("Run haechi there, where the files are."),
            )
