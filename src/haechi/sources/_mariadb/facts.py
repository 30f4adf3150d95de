"""What a database holds, counted: the rows of its tables with a digest of them, and how much code it has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from haechi.sources._base import Comparison
from haechi.sources._mariadb.server import identifier, literal

Ask = Callable[[str], Sequence[Sequence[str]]]

MARK = "haechi_beside"  # the table by which a database that lies beside is known
_LARGE = 64 << 20  # bytes, above which a table is counted and not digested
_TEXTS = {
    "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "binary", "varbinary", "tinyblob", "blob",
    "mediumblob", "longblob", "bit", "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring",
    "multipolygon", "geometrycollection", "enum", "set", "inet6", "inet4", "uuid",
}  # fmt: skip
_LITTLE = ("information_schema", "performance_schema", "mysql", "sys")


def system(database: str) -> bool:
    """Whether it is the server's own."""
    return database.lower() in _LITTLE


def tables(ask: Ask, database: str) -> dict[str, int]:
    """The base tables, and how large they are about."""
    rows = ask(
        "select table_name, coalesce(data_length, 0) from information_schema.tables"
        f" where table_schema = {literal(database)} and table_type in ('BASE TABLE', 'SYSTEM VERSIONED')"
        " order by table_name"
    )
    return {name: int(size) for name, size in rows if name != MARK}


def count(ask: Ask, database: str, depth: str) -> dict[str, Any]:
    """`depth` is “sampled”, “full” or “counts”."""
    found: dict[str, Any] = {"tables": {}}
    for name, size in tables(ask, database).items():
        digested = depth == "full" or (depth == "sampled" and size <= _LARGE)
        found["tables"][name] = _table(ask, database, name, digested)
    for what, by_table in (("indexes", _indexes(ask, database)), ("texts", _texts(ask, database))):
        for name, about in found["tables"].items():
            about[what] = by_table.get(name, {})
    for what, source in (
        ("views", "views where table_schema"),
        ("triggers", "triggers where trigger_schema"),
        ("routines", "routines where routine_schema"),
    ):
        rows = ask(f"select count(*) from information_schema.{source} = {literal(database)}")
        found[what] = int(rows[0][0])
    return found


def _table(ask: Ask, database: str, name: str, digested: bool) -> dict[str, Any]:
    whole = f"{identifier(database)}.{identifier(name)}"
    if not digested:
        return {"rows": int(ask(f"select count(*) from {whole}")[0][0])}
    columns = ask(
        "select column_name, lower(data_type) from information_schema.columns where"
        f" table_schema = {literal(database)} and table_name = {literal(name)} order by ordinal_position"
    )
    # As text in the form that a dump has it, so that a float's last bits, which no dump carries, do not count.
    texts = [
        f"ifnull(hex({identifier(c)}), '-')"
        if kind in _TEXTS
        else f"ifnull(cast({identifier(c)} as char), '-')"
        for c, kind in columns
    ]
    row = f"crc32(concat_ws(',', {', '.join(texts)}))"
    answer = ask(f"select count(*), coalesce(sum({row}), 0), coalesce(bit_xor({row}), 0) from {whole}")[0]
    return {"rows": int(answer[0]), "digest": f"{answer[1]}-{answer[2]}"}


def _indexes(ask: Ask, database: str) -> dict[str, dict[str, str]]:
    """By table the columns of each index; one without them is not the same."""
    rows = ask(
        "select table_name, index_name, non_unique, coalesce(column_name, ''), coalesce(sub_part, '')"
        f" from information_schema.statistics where table_schema = {literal(database)}"
        " order by table_name, index_name, seq_in_index"
    )
    found: dict[str, dict[str, str]] = {}
    for table, index, repeats, column, beginning in rows:
        columns = found.setdefault(table, {}).get(index, "unique" if repeats == "0" else "")
        found[table][index] = f"{columns} {column}{f'({beginning})' if beginning else ''}".strip()
    return found


def _texts(ask: Ask, database: str) -> dict[str, dict[str, list[str]]]:
    """By table the columns that hold text, by their collation: it begins with the name of the character set."""
    rows = ask(
        "select table_name, collation_name, column_name from information_schema.columns"
        f" where table_schema = {literal(database)} and collation_name is not null"
        " order by table_name, ordinal_position"
    )
    found: dict[str, dict[str, list[str]]] = {}
    for table, collation, column in rows:
        # What was called utf8 is called utf8mb3 by newer servers.
        name = collation.replace("utf8_", "utf8mb3_", 1) if collation.startswith("utf8_") else collation
        found.setdefault(table, {}).setdefault(name, []).append(column)
    return found


def agreeing(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What is the same in both: of a database that was counted before and after, what nobody has touched."""
    there = {
        name: about for name, about in one.get("tables", {}).items() if other["tables"].get(name) == about
    }
    kept = {what: n for what, n in one.items() if what != "tables" and other.get(what) == n}
    return {"tables": there, **kept}


def compare(database: str, expected: dict[str, Any], found: dict[str, Any]) -> list[Comparison]:
    """Each table that was counted, and the rest by number."""
    made = []
    for name, about in expected.get("tables", {}).items():
        now = found["tables"].get(name, {})
        for what, value in about.items():
            made.append(Comparison(f"{database}.{name}: {what}", value, now.get(what)))
    made += [
        Comparison(f"{database}: {what}", n, found.get(what))
        for what, n in expected.items()
        if what in ("views", "triggers", "routines")
    ]
    return made
