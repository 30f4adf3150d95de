"""PostgreSQL 15 from Debian, one database with everything awkward in it; rehearsed in a server from a wheel."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import postgresql
from haechi.sources._base import PartReader, Restored, Source, Wanted
from haechi.sources._postgresql import embedded
from tests.integration.postgresql_ground import relatives, text
from tests.servers import free_port, short_directory
from tests.servers.postgres import SETTINGS, Postgres, bindir

SERVER = True
_NAME = "계약"  # quoted wherever it stands
_FILL = """
create table notes (id int primary key, what text, "Größe" numeric, raw bytea);
create index on notes (what);
create table "빈 표" ();
create view longest as select what from notes order by length(what) desc;
insert into notes
select i, case i % 5 when 0 then null when 1 then '' when 2 then E'\\\\N' when 3 then E'줄\\n바꿈'
     else string_agg(md5(i::text || j), '') end, i / 7.0, decode(md5(i::text), 'hex')
  from generate_series(1, {rows}) i, generate_series(1, 40) j group by i;
"""


@contextmanager
def ground(tmp_path: Path) -> Iterator[PostgresGround]:
    with short_directory("contract") as directory:
        server = embedded.create(directory / "server", bindir=bindir(15))
        embedded.launch(server, port=free_port(), settings=SETTINGS)
        try:
            yield PostgresGround(Postgres(server, 15), directory)
        finally:
            server.stop()


class PostgresGround:
    kind = "postgresql"

    def __init__(self, server: Postgres, directory: Path):
        self._postgres = server
        self._directory = directory

    def source(self, **options: object) -> Source:
        given = {
            "url": self._postgres.url,
            "bindir": str(self._postgres.bindir),
            "databases": [_NAME],
            **options,
        }
        return postgresql.build("erp", postgresql.Options.model_validate(given), LocalPlace())

    def fill(self, amount: int) -> None:
        self._postgres.psql(f'drop database if exists "{_NAME}" with (force)')
        self._postgres.psql(f'create database "{_NAME}"')
        self._postgres.psql(_FILL.format(rows=amount * 2000), _NAME)

    def state(self) -> object:
        return self._state_of(_NAME)

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        target = "throwaway"
        self._postgres.psql(f"drop database if exists {target} with (force)")
        restored = self.source().restore(point, parts, Wanted(target={"database": target}), SILENT)
        return restored, self._state_of(target)

    def break_off(self) -> None:
        self._postgres.server.stop()

    def mend(self) -> None:
        embedded.launch(self._postgres.server, port=self._postgres.port, settings=SETTINGS)

    def leftovers(self) -> list[str]:
        busy = self._postgres.psql(
            "select pid || ' ' || query from pg_stat_activity"
            " where backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
        return busy.splitlines() + relatives(self._postgres, _NAME)[1:]

    def into(self, directory: Path) -> str:
        """From root the server runs as somebody else, who must be able to come there."""
        place = self._directory / "drills"
        place.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            self._directory.chmod(0o711)
            place.chmod(0o711)
        return f"embedded:{place}"

    def _state_of(self, database: str) -> str:
        rows = self._postgres.psql(
            "select md5(string_agg(notes::text, '|' order by id)), count(*) from notes", database
        )
        return text(self._postgres, database, "--schema-only") + rows
