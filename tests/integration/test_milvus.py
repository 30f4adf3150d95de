"""Milvus, real: collections out and in, exchanged by alias, refused, and brought back by hand."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import Damaged, NotThere, ServerUnavailable, UsageMistake
from haechi.events import SILENT, Reporter
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.plan.load import loads
from haechi.sources import milvus
from haechi.sources._base import Exchangeable, PartReader, Rehearsable, Searchable, TakesStatements, Wanted
from haechi.sources._milvus import packing
from haechi.sources.milvus import Milvus
from tests.listening import Heard
from tests.servers.milvus import MilvusServer, running
from tests.unit.sources.test_pages import REST

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("milvus")]
PAGE = Path("docs/howto/milvus.md").read_text("utf-8")


@dataclass
class Taken:
    point: RestorePoint
    data: Mapping[str, bytes]

    @property
    def parts(self) -> dict[str, PartReader]:
        return {i.name: PartReader(i, partial(io.BytesIO, self.data[i.name])) for i in self.point.parts}


def take(source: Milvus, reporter: Reporter = SILENT) -> Taken:
    data, infos = {}, []
    with source.capture(reporter) as capture:
        for part in capture.parts:
            with part.open() as stream:
                data[part.info.name] = stream.read()
            infos.append(replace(part.info, size=len(data[part.info.name])))
        facts = json.loads(json.dumps(capture.facts()))
    return Taken(RestorePoint("p", "m", "milvus", capture.time, facts=facts, parts=tuple(infos)), data)


@pytest.fixture(scope="module")
def server() -> Iterator[MilvusServer]:
    """Three collections: one in use by an alias, one that is not loaded, one whose keys the server makes."""
    from tests.integration import milvus_ground as it

    with running() as server:
        client = it.client(server.url)
        it.make_docs(client, "docs", 5000)
        it.make_numbers(client, "numbers", 6000, kind="HNSW")
        it.make_bits(client, "bits", 300)
        client.create_alias("docs", "current")
        for name in ("docs", "bits"):
            client.load_collection(name)
        client.close()
        yield server


@pytest.fixture
def client(server: MilvusServer) -> Iterator[Any]:
    from tests.integration import milvus_ground as it

    client = it.client(server.url)
    yield client
    client.close()


def service(server: MilvusServer, **options: Any) -> Milvus:
    return Milvus("m", milvus.Options.model_validate({"url": server.url, **options}), LocalPlace())


@pytest.fixture(scope="module")
def kept(server: MilvusServer) -> Taken:
    return take(service(server))


def test_what_is_taken_says_what_it_is(server: MilvusServer, kept: Taken, client: Any) -> None:
    import pyarrow.parquet

    from tests.integration import milvus_ground as it

    facts = kept.point.facts["collections"]
    assert {name: fact["count"] for name, fact in facts.items()} == {
        "docs": 5000,
        "numbers": 6000,
        "bits": 300,
    }
    assert facts["docs"]["partitions"] == {"_default": 2000, "archive": 3000}
    assert all(len(fact["searches"]) >= 3 for fact in facts.values())
    assert str(client.get_load_state("numbers")["state"]) == "NotLoad"
    # Stock tools open it, and find the rows as PyMilvus gives them.
    rows = {}
    with tarfile.open(fileobj=io.BytesIO(kept.data["docs"])) as tar:
        assert json.load(tar.extractfile("collection.json"))["aliases"] == ["current"]  # type: ignore[arg-type]
        for member in tar.getmembers():
            if member.name.endswith(".parquet"):
                file = tar.extractfile(member)
                assert file
                for found in pyarrow.parquet.read_table(io.BytesIO(file.read())).to_pylist():
                    row = {**json.loads(found.pop("$meta")), **found, "about": json.loads(found["about"])}
                    rows[row["key"]] = json.dumps(dict(sorted(row.items())), ensure_ascii=False)
    assert rows == it.rows_of(client, "docs", "key")


def test_all_comes_back_beside_and_takes_the_place(server: MilvusServer, kept: Taken, client: Any) -> None:
    from tests.integration import milvus_ground as it

    source = service(server)
    before = it.rows_of(client, "docs", "key")
    restored = source.restore(kept.point, kept.parts, Wanted(), SILENT)
    assert restored.equal, [c for c in restored.comparisons if not c.equal]
    assert len(restored.comparisons) >= 15
    came = restored.details["came_back"]
    assert str(client.get_load_state(came["numbers"])["state"]) == "NotLoad"
    assert it.rows_of(client, came["docs"], "key") == before
    assert client.list_partitions(came["docs"]) == client.list_partitions("docs")
    client.insert("docs", [{**_row(), "key": "later"}])
    assert isinstance(source, Exchangeable)
    aside = source.swap("docs")
    assert client.describe_alias("current")["collection_name"] == "docs"
    assert _count(client, "docs") == _count(client, "current") == 5000
    assert _count(client, aside) == 5001
    source.undo("docs")
    assert _count(client, "docs") == _count(client, "current") == 5001
    client.delete("docs", filter='key == "later"')
    for name in ("docs", "numbers", "bits"):
        source.finish(name)
    assert sorted(client.list_collections()) == ["bits", "docs", "numbers"]
    with pytest.raises(NotThere):
        source.swap("docs")


def test_elsewhere_with_new_keys(server: MilvusServer, kept: Taken, client: Any) -> None:
    heard = Heard()
    source = service(server)
    wanted = Wanted(only=("bits",), target={"database": "other", "ids": "new"})
    restored = source.restore(kept.point, kept.parts, wanted, Reporter(heard))
    assert restored.equal, [c for c in restored.comparisons if not c.equal]
    assert heard.said == []
    from pymilvus import MilvusClient

    other = MilvusClient(uri=server.url, db_name="other")
    assert other.list_collections() == ["bits"]
    assert other.describe_collection("bits")["auto_id"]
    other.drop_collection("bits")
    other.close()
    client.drop_database("other")


def test_a_rehearsal_leaves_nothing(server: MilvusServer, kept: Taken, client: Any) -> None:
    source = service(server, collections="bits")
    one = Taken(replace(kept.point, parts=tuple(p for p in kept.point.parts if p.name == "bits")), kept.data)
    lied = replace(
        one.point,
        facts={
            "collections": {
                "gone": {},
                "bits": {
                    **kept.point.facts["collections"]["bits"],
                    "digest": {"rows": "0", "keyed": "0"},
                    "indexes": ["code", "another"],
                },
            }
        },
    )
    assert isinstance(source, Rehearsable)
    with source.rehearse(lied, one.parts, Wanted(), None, SILENT) as done:
        pass
    assert [c.what for c in done.restored.comparisons if not c.equal] == [
        "collections missing",
        "bits: indexes",
        "bits: digest",
    ]
    assert done.left == ()
    assert sorted(client.list_collections()) == ["bits", "docs", "numbers"]


def without_end(data: bytes) -> bytes:
    """Cut between two members: tar itself would not notice."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        end = tar.getmember(packing.END)
    return data[: end.offset] + bytes(1024)


def without_a_file(data: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        one = next(m for m in tar.getmembers() if m.name.endswith(".parquet"))
    size = (one.size + 511) // 512 * 512 + 512
    return data[: one.offset] + data[one.offset + size :]


@pytest.mark.parametrize(
    "damage",
    [
        without_end,
        without_a_file,
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:4096].replace(b'"format": 1', b'"format": x') + data[4096:],
    ],
)
def test_damage_is_found_and_leaves_nothing(
    server: MilvusServer, kept: Taken, client: Any, damage: Callable[[bytes], bytes]
) -> None:
    data = {**kept.data, "docs": damage(kept.data["docs"])}
    with pytest.raises(Damaged):
        service(server).restore(kept.point, Taken(kept.point, data).parts, Wanted(only=("docs",)), SILENT)
    assert sorted(client.list_collections()) == ["bits", "docs", "numbers"]


def test_values_are_looked_for(server: MilvusServer) -> None:
    source = service(server)
    assert isinstance(source, Searchable)
    asked = ["uploads/7.pdf", "uploads/4999.pdf", "uploads/5000.pdf", 'odd "one"']
    assert list(source.missing(asked, "docs.object_key")) == asked[2:]
    assert list(source.missing(["it's/2", "nope", "back\\slash/4"], "docs")) == ["nope"]
    assert list(source.missing(["0", "299", "300", "x"], "bits.n")) == ["300", "x"]
    with pytest.raises(UsageMistake):
        list(source.missing(["1"]))
    with pytest.raises(UsageMistake, match="not loaded"):
        list(source.missing(["1"], "numbers"))


def test_what_is_not_whole_is_refused(server: MilvusServer, client: Any) -> None:
    from pymilvus import DataType

    with pytest.raises(UsageMistake, match="no collection “nope”"):
        service(server, collections=["nope"]).probe()
    with pytest.raises(UsageMistake, match="not loaded"):
        take(service(server, collections="numbers", load=False))
    with pytest.raises(ServerUnavailable):
        service(server, url="http://127.0.0.1:9").probe()
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    client.create_collection("bare", schema=schema)
    try:
        empty = take(service(server, collections="bare"))
        assert empty.point.facts["collections"]["bare"]["count"] == 0
        client.insert("bare", [{"id": 1, "vector": [0.0] * 4}])
        with pytest.raises(UsageMistake, match="no index"):
            take(service(server, collections="bare"))
    finally:
        client.drop_collection("bare")


def test_a_partition_that_is_not_loaded_is_read_too(server: MilvusServer, client: Any) -> None:
    """Milvus itself would answer with the loaded ones alone."""
    client.release_partitions("docs", ["archive"])
    assert _count(client, "docs") == 2000
    kept = take(service(server, collections="docs"))
    assert kept.point.facts["collections"]["docs"]["count"] == 5000
    assert _count(client, "docs") == 2000
    client.load_collection("docs")


def test_flush_writes_out(server: MilvusServer) -> None:
    source = service(server)
    assert isinstance(source, TakesStatements)
    source.execute("flush bits", 60)
    with pytest.raises(UsageMistake):
        source.execute("drop everything", 60)


def test_by_hand(server: MilvusServer, kept: Taken, client: Any, tmp_path: Path) -> None:
    """What the page says to type, typed."""
    from tests.integration import milvus_ground as it

    for plan in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[:1]:
        assert loads(REST + plan, environment={}).services
    (tmp_path / "docs.tar").write_bytes(kept.data["docs"])
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    code = code.replace("http://127.0.0.1:19530", server.url).replace('insert("docs"', 'insert("by_hand"')
    code = code.replace('"docs', f'"{tmp_path}/docs')
    it.make_docs(client, "by_hand", 0)
    exec(compile(code, "docs/howto/milvus.md", "exec"), {})
    client.load_collection("by_hand")
    assert it.rows_of(client, "by_hand", "key") == it.rows_of(client, "docs", "key")
    client.drop_collection("by_hand")


def test_the_table_has_every_option() -> None:
    told = {
        name
        for cell in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
        for name in re.findall("`(\\w+)`", cell)
    }
    assert told == set(milvus.Options.model_fields)


def _count(client: Any, name: str) -> int:
    found = client.query(name, "", output_fields=["count(*)"], consistency_level="Strong")
    return int(found[0]["count(*)"])


def _row() -> dict[str, Any]:
    return {"vector": [0.0] * 64, "price": 0.0, "small": 0, "yes": True, "about": {}, "tags": []}
