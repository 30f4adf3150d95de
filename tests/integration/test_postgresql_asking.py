"""PostgreSQL as audits and hooks ask it: statements, values of a query as a stream, values that a column lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.errors import DeadlinePassed, HaechiError, NotThere, UsageMistake
from haechi.events import SILENT
from haechi.operations.service import Service
from haechi.operations.sets import audit as set_audit
from haechi.operations.sets import backup as set_backup
from haechi.operations.sets import restore as set_restore
from haechi.operations.sets.recovery_set import RecoverySet, Reference
from haechi.places.local import LocalPlace
from haechi.sources import files
from haechi.sources._base import Answering, Searchable, TakesStatements
from tests.integration.postgresql_ground import ask, database, service
from tests.servers.postgres import Postgres
from tests.unit.sources.ground import SEOUL, install

pytestmark = pytest.mark.server

_TABLES = """
create schema app; alter database "{name}" set search_path = app;
create table app.documents (id int primary key, key text, size numeric);
insert into app.documents select n, 'a/' || n || e'\\n한', n * 0.5 from generate_series(1, 12000) n;
insert into app.documents values (0, null, null);
create table app."Odd; one" ("the key" varchar(50));
insert into app."Odd; one" select key from app.documents where id % 2 = 0;
"""


def test_statements(postgres15: Postgres) -> None:
    with database(postgres15) as name:
        ask(postgres15, _TABLES.format(name=name), name)
        erp = service(postgres15, databases=name)
        assert isinstance(erp, TakesStatements)
        erp.execute("delete from documents where id = 1; select 'it''s \\ fine'", 20)
        erp.execute("vacuum documents", 20)  # wants no transaction around it
        assert ask(postgres15, "select count(*) from app.documents", name) == "12000"
        with pytest.raises(HaechiError, match="nowhere"):
            erp.execute("insert into nowhere values (1)", 20)
        with pytest.raises(DeadlinePassed):
            erp.execute("select pg_sleep(30)", 1)


def test_values_and_what_is_missing(postgres15: Postgres) -> None:
    with database(postgres15) as name:
        ask(postgres15, _TABLES.format(name=name), name)
        erp = service(postgres15, databases=name)
        assert isinstance(erp, Answering) and isinstance(erp, Searchable)
        keys = list(erp.values("select key, size from documents order by id;"))
        assert len(keys) == 12_000 and keys[1] == "a/2\n한"
        assert list(erp.values("select size, 1 from documents where id in (3, 4) order by id")) == [
            "1.5",
            "2.0",
        ]
        assert list(erp.values("select key from documents where id < 0")) == []
        gone = list(erp.missing(keys, "Odd; one.the key"))
        assert sorted(gone) == sorted(keys[0::2])
        assert list(erp.missing(["7", "12001", "x'; drop"], f"{name}:app.documents.id")) == [
            "12001",
            "x'; drop",
        ]
        with pytest.raises(NotThere, match="no column"):
            list(erp.missing(["x"], "documents.nothing"))
        with pytest.raises(UsageMistake):
            list(erp.missing(["x"], ""))
        with pytest.raises(HaechiError):
            list(erp.values("select nothing from nowhere"))
        several = service(postgres15, databases=[name, "postgres"])
        with pytest.raises(UsageMistake, match="several databases"):
            list(several.values("select 1"))
        assert list(several.values("select count(*) from documents", name)) == ["12001"]


def test_a_set_of_rows_and_files_comes_back_as_one(postgres15: Postgres, tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    for number in range(5):
        (media / f"{number}.jpg").write_text("x")
    with database(postgres15) as name:
        ask(postgres15, "create table t as select n || '.jpg' as path from generate_series(0, 4) n", name)
        rows = service(postgres15, databases=name)
        tree = files.build("media", files.Options.model_validate({"paths": str(media)}), LocalPlace())
        ground = install(
            tmp_path / "ground", "postgresql", rows, "{service}/{part}_{time:%Y%m%d_%H%M%S}.dump"
        )
        members = (
            Service("rows", "postgresql", rows, (ground.vault,), SEOUL),
            Service("media", "files", tree, (ground.vault,), SEOUL),
        )
        erp = RecoverySet(
            "erp", members, SEOUL, references=(Reference("select path from t", "rows", ("media",)),)
        )
        set_backup.take(erp, ground.desk, SILENT).raise_if_partial(erp)
        ask(postgres15, "insert into t values ('lost.jpg')", name)
        (media / "0.jpg").unlink()
        (finding,) = set_audit.audit(erp, ground.desk, SILENT)
        assert sorted(finding.first) == ["0.jpg", "lost.jpg"]
        done = set_restore.execute(set_restore.plan(erp, SILENT), ground.desk, SILENT, swap=True)
        assert done.good and list(done.swapped) == ["rows", "media"]
        assert set_audit.audit(erp, ground.desk, SILENT)[0].holds
        assert ask(postgres15, "select count(*) from t", name) == "5" and (media / "0.jpg").exists()
