"""Reads a collection from its first key to its last, a page at a time, as tables of Arrow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from haechi.errors import SourceChanged
from haechi.i18n import _
from haechi.sources._milvus import columns
from haechi.sources._milvus.columns import Column
from haechi.sources._milvus.definition import Definition
from haechi.sources._milvus.driver import arrow
from haechi.sources._milvus.server import Server

_PAGE = 2 << 20  # bytes that a page is meant to have
_MOST = 16384  # rows; the limit that Milvus has by default
_FIRST = 500
_GUESS = 256  # bytes of a field whose length varies


@dataclass(frozen=True)
class Lane:
    """What is read by one reader: a partition, or the whole."""

    partition: str = ""


def lanes(definition: Definition) -> list[Lane]:
    if definition.sorts_itself:
        return [Lane()]  # Milvus lets nobody name them
    return [Lane(partition) for partition in definition.partitions]


def pages(server: Server, definition: Definition, lane: Lane, as_of: int, *, name: str = "") -> Iterator[Any]:
    """Tables in the order of the keys. `name`: of a collection that is called otherwise now.

    The next page is asked for by the last key of the one before, so pages may be as large or small as is fit.
    """
    wanted = definition.columns
    names = [column.name for column in wanted]
    schema = columns.table_schema(wanted)
    key = definition.key
    expression = from_the_first(key)
    limit = min(_FIRST, max(1, _PAGE // sum(column.width or _GUESS for column in wanted)))
    while True:
        answer = server.query(
            definition.database,
            name or definition.name,
            expression,
            names,
            partition=lane.partition,
            limit=limit,
            as_of=as_of,
        )
        table = _table(answer, wanted, schema)
        del answer
        if table.num_rows:
            yield table
        if table.num_rows < limit:
            return
        expression = after(key, arrow().compute.max(table.column(key.name)).as_py())
        each = max(1, table.nbytes // table.num_rows)
        limit = max(1, min(_MOST, _PAGE // each, 4 * limit))


def _table(answer: Any, wanted: list[Column], schema: Any) -> Any:
    found = columns.fields_by_name(answer)
    if missing := [column.name for column in wanted if column.name not in found]:
        if not answer.fields_data or not found:
            return schema.empty_table()
        raise SourceChanged(
            _(
                "Milvus does not give the fields {names}; the schema was changed, or they are not loaded."
            ).format(names=", ".join(missing))
        )
    key = next(column for column in wanted if column.primary)
    scalars = found[key.name].scalars
    rows = len(scalars.string_data.data) or len(scalars.long_data.data)
    if not rows:
        return schema.empty_table()
    arrays = [columns.to_arrow(column, found[column.name], rows) for column in wanted]
    return arrow().pa.table(arrays, schema=schema)


def from_the_first(key: Column) -> str:
    return f'{key.name} >= ""' if key.kind != "Int64" else f"{key.name} <= {2**63 - 1}"


def after(key: Column, last: Any) -> str:
    return f"{key.name} > {literal(last)}"


def literal(value: Any) -> str:
    """As Milvus's expressions write it."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
