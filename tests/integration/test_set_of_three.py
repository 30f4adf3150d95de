"""One point of rows, objects and vectors, as an application with PostgreSQL, a bucket and Milvus wants it: every
document's object is in the bucket and in the collection, and what dangles is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import NotThere
from haechi.events import SILENT
from haechi.operations.service import Service
from haechi.operations.sets import audit as set_audit
from haechi.operations.sets import backup as set_backup
from haechi.operations.sets import restore as set_restore
from haechi.operations.sets.recovery_set import RecoverySet, Reference
from haechi.places.local import LocalPlace
from haechi.sources import bucket, milvus
from tests.integration.postgresql_ground import ask, database, service
from tests.integration.test_bucket import opened, room
from tests.servers.milvus import MilvusServer, running
from tests.servers.postgres import Postgres
from tests.servers.seaweedfs import SeaweedFS
from tests.unit.sources.ground import SEOUL, Installation, install

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("milvus")]
COUNT = 60
TABLE = (
    "create table documents as select 'uploads/' || n || '.pdf' as object_key "
    f"from generate_series(0, {COUNT - 1}) n"
)


@pytest.fixture(scope="module")
def vectors() -> Iterator[MilvusServer]:
    from tests.integration import milvus_ground as it

    with running() as server:
        with closing(it.client(server.url)) as client:
            it.make_docs(client, "docs", COUNT)
            client.load_collection("docs")
            client.flush("docs")
        yield server


def erp(root: Path, rows: Any, objects: Any, meaning: Any) -> tuple[RecoverySet, Installation]:
    ground = install(root / "ground", "postgresql", rows, "{service}/{part}_{time:%Y%m%d_%H%M%S}.dump")
    members = tuple(
        Service(name, kind, source, (ground.vault,), SEOUL)
        for name, kind, source in (
            ("rows", "postgresql", rows),
            ("objects", "bucket", objects),
            ("vectors", "milvus", meaning),
        )
    )
    reference = Reference(
        "select object_key from documents",
        "rows",
        ("objects", "vectors"),
        {"vectors": "docs.object_key"},
        title="every document has its object and its vector",
    )
    return RecoverySet("erp", members, SEOUL, references=(reference,)), ground


def test_it_is_taken_audited_and_brought_back(
    postgres15: Postgres, seaweedfs: SeaweedFS, vectors: MilvusServer, tmp_path: Path
) -> None:
    name, other = room(seaweedfs, "erp"), room(seaweedfs, "erp")
    with closing(opened(seaweedfs, name)) as there:
        for number in range(COUNT):
            there.put(f"uploads/{number}.pdf", f"document {number}".encode(), {})
    objects = bucket.build(
        "objects", bucket.Options.model_validate({**seaweedfs.options, "url": f"s3://{name}"}), LocalPlace()
    )
    meaning = milvus.build("vectors", milvus.Options.model_validate({"url": vectors.url}), LocalPlace())
    with database(postgres15, TABLE) as db:
        rows = service(postgres15, databases=db)
        application, ground = erp(tmp_path, rows, objects, meaning)
        set_backup.take(application, ground.desk, SILENT).raise_if_partial(application)
        assert all(finding.holds for finding in set_audit.audit(application, ground.desk, SILENT))

        ask(postgres15, "insert into documents values ('uploads/nowhere.pdf')", db)
        with closing(opened(seaweedfs, name)) as there:
            there.delete("uploads/7.pdf")
        found = {f.service: sorted(f.first) for f in set_audit.audit(application, ground.desk, SILENT)}
        assert found == {
            "objects": ["uploads/7.pdf", "uploads/nowhere.pdf"],
            "vectors": ["uploads/nowhere.pdf"],
        }

        with pytest.raises(NotThere):
            set_restore.plan(application, SILENT, which="19990101")
        targets = {"objects": {"url": f"s3://{other}"}, "vectors": {"database": "beside"}}
        planned = set_restore.plan(application, SILENT, targets=targets)
        done = set_restore.execute(planned, ground.desk, SILENT)
        assert done.good, done.different
        assert set(done.brought) == {"rows", "objects", "vectors"}
        with closing(opened(seaweedfs, other)) as there:
            assert sorted(found.key for found in there.list("")) == sorted(
                f"uploads/{number}.pdf" for number in range(COUNT)
            )
        back = done.brought["rows"].restored.where
        assert ask(postgres15, "select count(*) from documents", back) == str(COUNT)
        assert ask(postgres15, "select count(*) from documents", db) == str(COUNT + 1), "what is in use stays"
