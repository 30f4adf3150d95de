"""pg_dump's patterns for tables and schemas as conditions for a query, so that facts cover what a dump holds.

The rules are psql's: `*` and `?` are wildcards, a dot parts schema and table, what is not quoted is in small
letters; and a table without a schema is one of `public`, the only place where pg_dump looks by default.
"""

from __future__ import annotations

import re

from haechi.sources._postgresql.options import Options
from haechi.sources._postgresql.session import literal


def condition(options: Options) -> str:
    """Which tables' rows are in the dump, in terms of pg_class `c` and pg_namespace `n`."""
    words = []
    if options.tables:
        words.append(_any(options.tables))
    elif options.schemas:
        words.append(f"({' or '.join(map(_schema, options.schemas))})")
    for excluded in (options.exclude_tables, options.exclude_table_data):
        if excluded:
            words.append(f"not {_any(excluded)}")
    if options.exclude_schemas:
        words.append(f"not ({' or '.join(map(_schema, options.exclude_schemas))})")
    return " and ".join(words) or "true"


def _any(patterns: tuple[str, ...]) -> str:
    return f"({' or '.join(map(_table, patterns))})"


def _table(pattern: str) -> str:
    parts = split(pattern)
    name = f"c.relname operator(pg_catalog.~) {literal(parts[-1])}"
    if len(parts) > 1:
        return f"(n.nspname operator(pg_catalog.~) {literal(parts[-2])} and {name})"
    return f"({name} and n.nspname = 'public')"


def _schema(pattern: str) -> str:
    return f"n.nspname operator(pg_catalog.~) {literal(split(pattern)[-1])}"


def split(pattern: str) -> list[str]:
    """The parts of a pattern as anchored regular expressions."""
    parts, quoted = [""], False
    for sign in pattern:
        if sign == '"':
            quoted = not quoted
        elif quoted:
            parts[-1] += re.escape(sign) if not sign.isalnum() else sign
        elif sign == ".":
            parts.append("")
        elif sign in "*?":
            parts[-1] += ".*" if sign == "*" else "."
        elif sign in "$^()[]{}|+\\":
            parts[-1] += "\\" + sign
        else:
            parts[-1] += sign.lower()
    return [f"^({part})$" for part in parts]
