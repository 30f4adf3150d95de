"""SQLite databases."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import sqlite
from haechi.sources._base import PartReader, Restored, Source, Wanted

_ROWS = 2000
_AWKWARD = ("plain", "", "it's", "한글", "line\nbreak", "nul\0inside", "\U0001f600", " ")


@contextmanager
def ground(tmp_path: Path) -> Iterator[SQLiteGround]:
    yield SQLiteGround(tmp_path)


class SQLiteGround:
    kind = "sqlite"

    def __init__(self, directory: Path):
        self._database = directory / "shop.sqlite3"
        self._away = directory / "unplugged"
        self._staging = directory / "staging"
        self._restores = directory / "restores"
        self._staging.mkdir()
        self._restores.mkdir()

    def source(self, **options: object) -> Source:
        given = {"files": [self._database], "staging": self._staging, **options}
        return sqlite.build("shop", sqlite.Options.model_validate(given), LocalPlace())

    def fill(self, amount: int) -> None:
        for path in self._database.parent.glob(f"{self._database.name}*"):
            path.unlink()
        chance = random.Random(amount)
        with closing(sqlite3.connect(self._database)) as connection, connection:
            connection.execute("pragma user_version = 7")
            connection.execute("create table items (id integer primary key, name text, data blob, odd)")
            connection.execute("create view names as select name from items")
            connection.execute('create table "select ""from" (x)')
            connection.executemany(
                "insert into items values (?, ?, ?, ?)",
                (
                    (
                        n,
                        _AWKWARD[n % len(_AWKWARD)],
                        chance.randbytes(1000),
                        (None, 1.5, -(2**63), b"\0")[n % 4],
                    )
                    for n in range(amount * _ROWS)
                ),
            )

    def state(self) -> object:
        return _state(self._database)

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        target = self._restores / str(len(list(self._restores.iterdir())))
        restored = self.source().restore(point, parts, Wanted(target={"directory": str(target)}), SILENT)
        return restored, _state(target / self._database.name)

    def break_off(self) -> None:
        self._database.rename(self._away)

    def mend(self) -> None:
        self._away.rename(self._database)

    def leftovers(self) -> list[str]:
        known = {self._database.name, self._away.name, self._staging.name, self._restores.name}
        found = [*self._database.parent.iterdir(), *self._staging.iterdir()]
        return [path.name for path in found if path.name not in known]


def _state(database: Path) -> object:
    with closing(sqlite3.connect(database)) as connection:
        schema = connection.execute("select type, name, sql from sqlite_master order by name").fetchall()
        rows = connection.execute("select * from items order by id").fetchall()
        return connection.execute("pragma user_version").fetchall(), schema, rows
