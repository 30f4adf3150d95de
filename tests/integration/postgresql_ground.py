"""What the PostgreSQL tests share: a service over a test server, points kept in memory, databases of their own."""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from haechi.events import SILENT, Reporter
from haechi.model import RestorePoint
from haechi.places._base import Place
from haechi.places._open import open_place
from haechi.sources import postgresql
from haechi.sources._base import PartReader, Restored, Wanted
from haechi.sources._postgresql import feeding
from tests.servers.postgres import Postgres

AWKWARD = Path(__file__).with_name("postgresql_awkward.sql")
_UNSUBSCRIBE = """
do $$ declare one text; begin
  for one in select quote_ident(subname) from pg_subscription s join pg_database d on d.oid = s.subdbid
              where d.datname = current_database() loop
    execute 'alter subscription ' || one || ' disable';
    execute 'alter subscription ' || one || ' set (slot_name = none)';
    execute 'drop subscription ' || one;
  end loop;
end $$
"""


def service(server: Postgres, place: Place | None = None, **options: Any) -> postgresql.PostgreSQL:
    given = {"url": server.url, "bindir": str(server.bindir), **options}
    built = postgresql.build("erp", postgresql.Options.model_validate(given), place or open_place("local"))
    assert isinstance(built, postgresql.PostgreSQL)
    return built


@contextmanager
def database(server: Postgres, sql: str = "", options: str = "", name: str = "") -> Iterator[str]:
    """A database of this test's own, and none of its relatives afterwards."""
    name = name or f"t_{secrets.token_hex(4)}"
    server.psql(f'create database "{name}" {options}')
    try:
        if sql:
            ask(server, sql, name)
        yield name
    finally:
        for left in relatives(server, name):
            ask(server, _UNSUBSCRIBE, left)
            server.psql(f'drop database "{left}" with (force)')


def ask(server: Postgres, sql: str, name: str) -> str:
    """Rows from this database, whatever is in its name."""
    return server.psql(sql, feeding.conninfo(name))


def relatives(server: Postgres, name: str) -> list[str]:
    """This database and those that lie beside it."""
    said = server.psql(
        f"select datname from pg_database where datname = $${name}$$ or starts_with(datname, $${name}__$$) order by 1"
    )
    return said.splitlines()


@dataclass
class Kept:
    """A point with its parts in memory."""

    point: RestorePoint
    data: dict[str, bytes]

    @property
    def parts(self) -> Mapping[str, PartReader]:
        infos = {part.name: part for part in self.point.parts}
        return {
            name: PartReader(infos[name], lambda data=data: io.BytesIO(data))  # type: ignore[misc]
            for name, data in self.data.items()
        }


def take(source: postgresql.PostgreSQL, reporter: Reporter = SILENT) -> Kept:
    """A backup into memory."""
    data, infos = {}, []
    with source.capture(reporter) as capture:
        for part in capture.parts:
            with part.open() as stream:
                data[part.info.name] = stream.read()
            infos.append(replace(part.info, size=len(data[part.info.name])))
        point = RestorePoint(
            "point", "erp", "postgresql", capture.time, parts=tuple(infos), facts=dict(capture.facts())
        )
    return Kept(point, data)


def bring_back(
    source: postgresql.PostgreSQL, kept: Kept, *only: str, reporter: Reporter = SILENT, **how: Any
) -> Restored:
    return source.restore(kept.point, kept.parts, Wanted(only=only, **how), reporter)


def text(server: Postgres, name: str, *options: str) -> str:
    """The database as pg_dump writes it, without what differs from one dump to the next."""
    import os
    import subprocess

    done = subprocess.run(
        [server.bindir / "pg_dump", *options, name],
        env={**os.environ, **server.env},
        capture_output=True,
        check=True,
        timeout=100,
    )
    said = done.stdout.decode(errors="surrogateescape")
    said = re.sub(r"^\\(un)?restrict .*$", "", said, flags=re.MULTILINE)
    # Rows lie in another order where pg_restore was not alone; the order of rows is not part of a table.
    return re.sub(
        r"(?<= FROM stdin;\n)(.*?)(?=^\\\.$)",
        lambda rows: "".join(sorted(rows[1].splitlines(keepends=True))),
        said,
        flags=re.MULTILINE | re.DOTALL,
    )


def unequal(restored: Restored) -> list[str]:
    return [f"{c.what}: {c.expected} / {c.found}" for c in restored.comparisons if not c.equal]
