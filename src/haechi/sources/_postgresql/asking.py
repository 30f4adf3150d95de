"""Values that a query names, and which values a column does not hold: streams, for the audit of references."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from haechi.errors import NotThere
from haechi.i18n import _
from haechi.sources import _columns
from haechi.sources._postgresql import problems
from haechi.sources._postgresql.server import Server
from haechi.sources._postgresql.session import Session, identifier, literal

_FETCH = 5000
_TEXTS = ("text", "character varying", "name")

_TYPE = """
select format_type(atttypid, null) as type from pg_attribute
 where attrelid = {table}::regclass and attname = {column} and attnum > 0 and not attisdropped
"""
_MISSING = """
select wanted from jsonb_array_elements_text({values}::jsonb) wanted
 where not exists (select 1 from {table} held where held.{column}{cast} = wanted)
"""


def execute(server: Server, database: str, sql: str, seconds: float) -> None:
    """Carry out a statement, in the database's own search path. It may be one that wants no transaction around it."""
    psql = server.clients[0].program("psql")
    argv = [psql, "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"]
    with problems.translated(_("The statement failed")):
        server.place.run(
            argv,
            stdin=sql.encode(),
            env={**server.address.env(database), "PGCLIENTENCODING": "UTF8"},
            user=server.run_as,
            deadline=seconds,
        )


@contextmanager
def _reading(server: Server, database: str) -> Iterator[Session]:
    """One snapshot, which changes nothing, with the search path that the database gives its users."""
    with server.session(database) as session:
        session.execute("reset search_path")
        session.execute("begin transaction isolation level repeatable read read only")
        yield session


def values(server: Server, database: str, sql: str) -> Iterator[str]:
    with _reading(server, database) as session:
        query = f"select row_to_json(answer) from (\n{sql.rstrip().rstrip(';')}\n) answer"
        session.execute(f"declare haechi_values no scroll cursor for {query}", _("The query of the audit"))
        while lines := session.execute(f"fetch {_FETCH} from haechi_values"):
            for line in lines:
                row = json.loads(line.decode(errors="surrogateescape"), parse_int=str, parse_float=str)
                value = next(iter(row.values()))
                if value is not None:
                    yield value if isinstance(value, str) else json.dumps(value)


def missing(server: Server, database: str, column: _columns.Column, wanted: Iterable[str]) -> Iterator[str]:
    table = ".".join(map(identifier, column.table))
    doing = _("Looking for values in {table}").format(table=table)
    with _reading(server, database) as session:
        types = session.rows(_TYPE.format(table=literal(table), column=literal(column.name)), doing)
        if not types:
            raise NotThere(
                _("{table} has no column “{name}”.").format(table=table, name=column.name),
                hint=_("Correct `where` in the set's audit."),
            )
        cast = "" if types[0]["type"] in _TEXTS else "::text"
        for batch in _columns.batches(wanted):
            query = _MISSING.format(
                values=literal(json.dumps(batch)), table=table, column=identifier(column.name), cast=cast
            )
            yield from (str(row["wanted"]) for row in session.rows(query, doing))
