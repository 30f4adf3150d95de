"""What hooks and audits ask of Milvus: that it writes everything out, and which of many values it has."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.sources._milvus import capture, columns, exchange, names
from haechi.sources._milvus import definition as definitions
from haechi.sources._milvus.definition import Definition
from haechi.sources._milvus.options import Options
from haechi.sources._milvus.reading import literal
from haechi.sources._milvus.server import Server

_BATCH = 1000  # values that are looked for at once


def execute(server: Server, options: Options, statement: str) -> None:
    word, *asked = statement.rstrip(";").split()
    if word.lower() != "flush":
        raise UsageMistake(
            _("Milvus takes no statement “{statement}”.").format(statement=statement),
            hint=_("It knows: flush, and flush COLLECTION."),
        )
    there = capture.chosen(server, options.model_copy(update={"collections": tuple(asked) or "all"}))
    for database, of_it in itertools.groupby(there, key=lambda one: one[0]):
        server.flush(database, [name for _database, name in of_it])


def missing(
    server: Server, options: Options, values: Iterable[str], where: str, *, beside: bool
) -> Iterator[str]:
    """`where` is `collection.field` or `collection`, with the database before it where it is not the default; without
    it the keys of the one collection that there is. Fields within `$meta` may be named too."""
    chosen = capture.chosen(server, options)
    it, field = _place(server, {names.shown(*one): one for one in chosen}, where)
    name = it.name
    if beside:
        newest = [b for b in exchange.lying(server, options.databases) if b.of == it.full_name]
        name = next((b.collection for b in reversed(newest) if b.state == names.RESTORED), name)
    yield from _search(server, it, name, field, values)


def missing_in(
    server: Server, there: Mapping[str, tuple[str, str]], values: Iterable[str], where: str
) -> Iterator[str]:
    """The same of collections by the names that they had: each with its database and its name of now."""
    it, field = _place(server, there, where)
    yield from _search(server, it, it.name, field, values)


def _search(server: Server, it: Definition, name: str, field: str, values: Iterable[str]) -> Iterator[str]:
    if not server.is_loaded(it.database, name, []):
        raise UsageMistake(
            _("The collection {name} is not loaded, so nothing can be looked for in it.").format(name=name),
            hint=_("Load it, or leave it out of the audit."),
        )
    column = next((c for c in it.columns if c.name == field), None)
    numeric = column is not None and column.kind.startswith("Int")
    stream = iter(values)
    while batch := list(itertools.islice(stream, _BATCH)):
        known = _known(server, it, name, field, batch, numeric=numeric)
        yield from (value for value in batch if value not in known)


def _known(
    server: Server, it: Definition, name: str, field: str, batch: list[str], *, numeric: bool
) -> set[str]:
    able = [v for v in batch if not numeric or v.lstrip("-").isdigit()]
    if not able:
        return set()
    said = ", ".join(literal(int(v) if numeric else v) for v in able)
    output = field if any(c.name == field for c in it.columns) else columns.META
    found: set[str] = set()
    answer = server.query(it.database, name, f"{field} in [{said}]", [output])
    for data in answer.fields_data:
        if (columns.META if data.is_dynamic else data.field_name) == output:
            found |= _values(data, field)
    return found


def _values(data: Any, field: str) -> set[str]:
    import json

    if data.is_dynamic:
        rows = (json.loads(row) for row in data.scalars.json_data.data)
        return {str(row[field]) for row in rows if field in row}
    kind = data.scalars.WhichOneof("data")
    return {str(value) for value in getattr(data.scalars, kind).data} if kind else set()


def _place(server: Server, there: Mapping[str, tuple[str, str]], where: str) -> tuple[Definition, str]:
    if not where:
        if len(there) != 1:
            raise UsageMistake(
                _(
                    "Milvus has several collections, and it is not said in which of them values are looked for."
                ),
                hint=_("Write `where` as collection.field: {names}").format(names=", ".join(there) or "-"),
            )
        it = definitions.look_up(server, *next(iter(there.values())))
        return it, it.key.name
    for name, one in there.items():
        if where == name or where.startswith(name + "."):
            it = definitions.look_up(server, *one)
            return it, where[len(name) + 1 :] or it.key.name
    raise UsageMistake(
        _("Milvus at {where} has no collection “{name}”.").format(where=server.shown, name=where),
        hint=_("It has: {names}").format(names=", ".join(there) or "-"),
    )
