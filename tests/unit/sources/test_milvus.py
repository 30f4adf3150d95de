"""What of Milvus needs no server: columns there and back, digests, the tar, and when searches are the same."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import pytest
from pydantic import ValidationError

from haechi.errors import Damaged, VersionMismatch
from haechi.fileio import Pieces
from haechi.sources._milvus import columns, names, packing, searching
from haechi.sources._milvus.columns import Column
from haechi.sources._milvus.digest import Digest
from haechi.sources._milvus.driver import arrow, messages
from haechi.sources._milvus.options import Options
from haechi.sources._milvus.unpacking import unpack

SPARSE = [struct.pack("<IfIf", 3, 0.5, 90000, -1.0), struct.pack("<If", 7, 2.0), b""]
COLUMNS: list[tuple[Column, list[Any]]] = [
    (Column("key", "Int64", primary=True), [-(2**63), 0, 2**63 - 1]),
    (Column("word", "VarChar"), ["", "한글\0", 'a"b\\']),
    (Column("flag", "Bool"), [True, False, True]),
    (Column("tiny", "Int8"), [-128, 0, 127]),
    (Column("half", "Float"), [0.5, -1.25, 3.0]),
    (Column("full", "Double"), [0.1, 1e300, -0.0]),
    (Column("about", "JSON"), ['{"a":1}', "null", '"한"']),
    (Column("tags", "Array", element="VarChar"), [["a", ""], [], ["한"]]),
    (Column("vector", "FloatVector", dim=3), [[1.0, 2.0, 3.0], [-0.5, 0.0, 2.0**100], [4.0, 5.0, 6.0]]),
    (Column("bits", "BinaryVector", dim=16), [b"\x00\xff", b"ab", b"\x01\x02"]),
    (Column("f16", "Float16Vector", dim=2), [b"abcd", b"efgh", b"ijkl"]),
    (Column("i8", "Int8Vector", dim=2), [b"ab", b"cd", b"\xff\x00"]),
    (Column("sparse", "SparseFloatVector"), SPARSE),
]  # fmt: skip


@pytest.mark.parametrize(("column", "values"), COLUMNS, ids=lambda v: v.name if isinstance(v, Column) else "")
def test_a_column_there_and_back(column: Column, values: list[Any]) -> None:
    """Through Milvus's message, a Parquet file and Milvus's message again."""
    message = written(column, values)
    table = arrow().pa.table([columns.to_arrow(column, message, 3)], schema=columns.table_schema([column]))
    again = arrow().parquet.read_table(arrow().pa.BufferReader(packing.file_of(table)))
    assert again.column(0).to_pylist() == values
    assert written(column, again.column(0).to_pylist()).SerializeToString() == message.SerializeToString()


@pytest.mark.parametrize("filled", [True, False])
@pytest.mark.parametrize("which", [1, 8, 9])
def test_what_is_null_stays_null(which: int, filled: bool) -> None:
    """Answers of some types hold a filler where nothing is, those of others leave it out."""
    column, values = COLUMNS[which]
    column = Column(column.name, column.kind, column.element, column.dim, nullable=True)
    message = written(column, [values[0], values[1], values[2]] if filled else [values[0], values[2]])
    message.ClearField("valid_data")
    message.valid_data.extend([True, False, True])
    found = columns.to_arrow(column, message, 3)
    assert found.to_pylist() == [values[0], None, values[2]]
    back = messages().schema.FieldData()
    columns.to_message(column, found, back)
    assert list(back.valid_data) == [True, False, True]
    assert columns.to_arrow(column, back, 3).to_pylist() == [values[0], None, values[2]]


def written(column: Column, values: list[Any]) -> Any:
    message = messages().schema.FieldData()
    columns.to_message(
        column, arrow().pa.array(values, columns.table_schema([column]).field(0).type), message
    )
    return message


def test_a_type_that_is_not_known_is_no_smaller_copy() -> None:
    schema = messages().schema.CollectionSchema()
    schema.fields.add(name="where", data_type="Geometry")
    with pytest.raises(VersionMismatch, match="where"):
        columns.columns_of(schema)


def table(order: list[int], **changed: list[Any]) -> Any:
    schema = columns.table_schema([column for column, _values in COLUMNS])
    arrays = [
        arrow().pa.array([changed.get(c.name, values)[i] for i in order], schema.field(c.name).type)
        for c, values in COLUMNS
    ]
    return arrow().pa.table(arrays, schema=schema)


def digest(*tables: Any) -> Digest:
    found = Digest([column for column, _values in COLUMNS])
    for one in tables:
        found.add(one)
    return found


def test_the_order_of_rows_is_nothing_and_everything_else_something() -> None:
    whole = digest(table([0, 1, 2]))
    assert digest(table([2, 0]), table([1])).facts == whole.facts
    seen = {whole.facts["keyed"]}
    for column, values in COLUMNS:
        other = digest(table([0, 1, 2], **{column.name: [values[1], values[0], values[2]]}))
        assert other.facts["keyed"] not in seen, column.name
        seen.add(other.facts["keyed"])
        assert (other.facts["rows"] == whole.facts["rows"]) == column.primary
    assert digest(table([0, 1])).facts != whole.facts
    assert digest(table([0, 1, 2, 2])).facts != whole.facts


def test_the_first_error_of_any_reader_ends_all() -> None:
    ended = []

    def endless() -> Iterator[packing.Member]:
        try:
            while True:
                yield "a", b"x"
                time.sleep(0.001)
        finally:
            ended.append("endless")

    def failing() -> Iterator[packing.Member]:
        yield "b", b"y"
        raise Damaged("here")

    stream = Pieces(packing.tar_of(iter(packing.Together([endless, failing], 2))))
    with pytest.raises(Damaged):
        stream.read()
    with pytest.raises(Damaged):
        stream.read()  # it is no end, however often it is asked
    stream.close()
    assert ended == ["endless"]


@pytest.mark.parametrize("data", [b"", b"x" * 600, bytes(1024)])
def test_what_is_no_collection_is_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        unpack(cast(BinaryIO, io.BytesIO(data)))


def found(*pairs: tuple[int, float]) -> dict[str, Any]:
    return {"keys": [key for key, _d in pairs], "distances": [d for _k, d in pairs]}


NEAR = found((1, 0.0), (2, 0.5), (3, 0.7), (4, 0.7))


@pytest.mark.parametrize(
    ("now", "exact", "nearly"),
    [
        (NEAR, True, True),
        (found((1, 0.0), (2, 0.5000001), (4, 0.7), (3, 0.7)), True, True),
        (found((1, 0.0), (2, 0.5), (3, 0.7), (9, 0.7)), True, True),  # as far as the one that fell off
        (found((1, 0.0), (3, 0.7), (4, 0.7), (9, 0.8)), False, True),
        (found((1, 0.0), (2, 0.6), (3, 0.7), (4, 0.7)), False, False),
        (found((7, 0.0), (8, 0.5), (9, 0.7), (4, 0.7)), False, False),
        (found(), False, False),
    ],
)
def test_when_a_search_finds_the_same(now: dict[str, Any], exact: bool, nearly: bool) -> None:
    assert searching._same(NEAR, now, exact=True, keyed=True) is exact
    assert searching._same(NEAR, now, exact=False, keyed=True) is nearly


def test_what_is_nearer_is_no_damage_where_an_index_is_not_exact() -> None:
    nearer = found((1, 0.0), (7, 0.4), (8, 0.5), (9, 0.6))
    assert searching._same(NEAR, nearer, exact=False, keyed=True)
    assert not searching._same(NEAR, nearer, exact=True, keyed=True)
    assert not searching._same(NEAR, nearer, exact=False, keyed=True, farther=False)
    assert not searching._same(nearer, NEAR, exact=False, keyed=True)


def test_names_say_what_lies_beside() -> None:
    beside = names.read("shop", "docs__before_20260128_120500_2")
    assert beside
    assert (beside.name, beside.of, beside.state) == (
        "shop.docs__before_20260128_120500_2",
        "shop.docs",
        names.BEFORE,
    )
    assert names.split(beside.of) == ("shop", "docs")
    assert names.split("docs") == ("default", "docs")
    assert names.read("shop", "docs__before_long") is None
    first = names.fresh("docs", names.RESTORED, ())
    assert names.fresh("docs", names.RESTORED, (first,)).startswith("docs__haechi_")


@pytest.mark.parametrize(
    "given",
    [{"url": "milvus:19530"}, {"user": "root"}, {"user": "a", "password": "b", "token": "c"}, {"odd": 1}],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate(given)
