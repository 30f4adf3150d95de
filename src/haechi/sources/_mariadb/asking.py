"""Values that a query names, and which values a column does not hold: streams, for the audit of references."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from haechi.i18n import _
from haechi.sources._columns import Column, batches
from haechi.sources._mariadb.server import Server, identifier, literal

_BATCH = 2000


def values(server: Server, database: str, sql: str) -> Iterator[str]:
    """As they come, in hexadecimal on the way, so that “NULL” and null differ."""
    query = sql.rstrip().rstrip(";")
    with server.session(database) as session:
        session.execute("start transaction with consistent snapshot, read only")
        rows = session.rows(
            f"with answer (v) as (select * from (\n{query}\n) it)"
            " select hex(cast(v as char)) from answer where v is not null",
            _("The query of the audit"),
        )
        for row in rows:
            yield bytes.fromhex(row[0]).decode(errors="surrogateescape")


def missing(server: Server, database: str, column: Column, wanted: Iterable[str]) -> Iterator[str]:
    table, name = identifier(column.table[-1]), identifier(column.name)
    with server.session(database) as session:
        session.execute("start transaction with consistent snapshot, read only")
        for batch in batches(wanted, _BATCH):
            rows = session.execute(
                "select hex(w.v) from json_table("
                f"{literal(json.dumps(batch))}, '$[*]' columns (v longtext path '$')) w"
                f" where not exists (select 1 from {table} held where binary held.{name} = binary w.v)",
                _("Looking for values in {table}").format(table=column.table[-1]),
            )
            for row in rows:
                yield bytes.fromhex(row[0]).decode(errors="surrogateescape")
