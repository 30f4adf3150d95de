"""A gigabyte that lies in TOAST, in rows of many megabytes: out, and back by several jobs."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.sources._base import PartReader, Wanted
from tests.integration.postgresql_ground import database, service, unequal
from tests.servers.postgres import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(900)]

# Not compressed, so that a gigabyte is one. One text has 180 MB by itself.
SQL = """
create table pictures (id int primary key, data bytea, words text);
alter table pictures alter column data set storage external, alter column words set storage external;
insert into pictures select i, decode(repeat(md5(i::text), 1 << 19), 'hex'), repeat(md5((-i)::text), 1 << 18)
  from generate_series(1, 64) i;
insert into pictures values (0, '\\x00', repeat(E'줄\\n탭\\t\\\\', 20000000));
"""
DIGEST = "select md5(string_agg(md5(data) || md5(words), '' order by id)) from pictures"


@pytest.mark.parametrize("form", ["custom", "plain"])
def test_a_gigabyte_of_toast(postgres17: Postgres, tmp_path: Path, form: str) -> None:
    with database(postgres17, SQL, name=f"toast_{form}_{secrets.token_hex(3)}") as name:
        assert int(postgres17.psql("select pg_table_size('pictures')", name)) > 1 << 30
        before = postgres17.psql(DIGEST, name)
        erp = service(postgres17, database=name, format=form)
        file = tmp_path / "dump"
        with erp.capture(SILENT) as capture:
            (part,) = capture.parts
            with part.open() as stream, file.open("wb") as out:
                while piece := stream.read(1 << 20):
                    out.write(piece)
            facts = capture.facts()
        assert "problem" not in facts["databases"][name]
        point = RestorePoint("p", "erp", "postgresql", capture.time, parts=(part.info,), facts=dict(facts))
        readers = {part.info.name: PartReader(part.info, lambda: file.open("rb"))}
        restored = erp.restore(point, readers, Wanted(jobs=2), SILENT)
        assert unequal(restored) == []
        assert postgres17.psql(DIGEST, restored.where) == before
