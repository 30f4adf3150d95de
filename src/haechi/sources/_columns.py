"""Where rows are looked for: a column, as the plan writes it for the audit of a set."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from haechi.errors import UsageMistake
from haechi.i18n import _

BATCH = 10_000  # values that are looked for at once


@dataclass(frozen=True)
class Column:
    database: str
    table: tuple[str, ...]  # with its schema, if it is written
    name: str


def column(where: str) -> Column:
    """`table.column`, `schema.table.column`, either with `database:` before it. Raises UsageMistake."""
    database, _colon, path = where.rpartition(":")
    *table, name = path.split(".")
    if not table or not all((*table, name)):
        raise UsageMistake(
            _("“{where}” does not say in which column values are looked for.").format(where=where),
            hint=_("Write `where` as table.column, or as database:schema.table.column."),
        )
    return Column(database, tuple(table), name)


def batches(values: Iterable[str], size: int = BATCH) -> Iterator[list[str]]:
    """So many at a time."""
    stream = iter(values)
    while batch := list(itertools.islice(stream, size)):
        yield batch
