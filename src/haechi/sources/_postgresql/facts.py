"""What is counted in a database under the dump's own snapshot, and counted again after a restore.

The server computes it: a row count for each table, and a digest that does not depend on the order of rows,
because a restored table lies in another order. Large tables are sampled by a hash of their key, so that the
same rows are picked again wherever they lie. The cost is one scan a table without moving rows to us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haechi.errors import AccessRefused, ProgramFailed, SourceChanged
from haechi.i18n import _
from haechi.sources._base import Comparison
from haechi.sources._postgresql import catalog
from haechi.sources._postgresql.session import Row, Session, identifier

_SAMPLE_ROWS = 100_000
_SAMPLE_BYTES = 32 << 20

_TABLES = """
select n.nspname as schema, c.relname as name, c.oid::bigint as oid, c.reltuples::bigint as guess,
       pg_table_size(c.oid) as size,
       (select array_agg(a.attname order by a.attname) from pg_attribute a
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       (select array_agg(a.attname order by a.attname) from pg_attribute a, pg_index i
         where i.indrelid = c.oid and i.indisprimary and a.attrelid = c.oid
           and a.attnum = any (i.indkey::int2[])) as key,
       (select bool_and(a.atttypid in (20, 21, 23)) and count(*) = 1 from pg_attribute a, pg_index i
         where i.indrelid = c.oid and i.indisprimary and a.attrelid = c.oid
           and a.attnum = any (i.indkey::int2[])) as numbered,
       (select array_agg(a.attname order by a.attname) from pg_attribute a
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attlen > 0) as narrow
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence <> 't'
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select 1 from pg_depend d
                   where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  and {filter}
order by 1, 2
"""
_SEQUENCES = """
select schemaname as schema, sequencename as name, last_value as value, increment_by as step
from pg_sequences where not cycle and schemaname !~ '^pg_(toast|temp)' order by 1, 2
"""
_OBJECTS = """
select 'extensions' as kind, extname as name from pg_extension
union all select 'schemas', nspname from pg_namespace
 where nspname !~ '^pg_' and nspname <> 'information_schema'
union all select case relkind when 'v' then 'views' when 'm' then 'materialized views' when 'f' then
                 'foreign tables' when 'p' then 'partitioned tables' when 'S' then 'sequences' else 'indexes' end,
                 c.oid::regclass::text
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where relkind in ('v', 'm', 'f', 'p', 'S', 'i', 'I') and nspname !~ '^pg_' and nspname <> 'information_schema'
union all select 'functions', p.oid::regprocedure::text
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
 where nspname !~ '^pg_' and nspname <> 'information_schema'
union all select 'constraints', conrelid::regclass::text || ' ' || conname
  from pg_constraint c join pg_namespace n on n.oid = c.connamespace
 where conrelid <> 0 and contype <> 'n' and nspname !~ '^pg_' and nspname <> 'information_schema'
union all select 'triggers', tgrelid::regclass::text || ' ' || tgname from pg_trigger where not tgisinternal
union all select 'policies', polrelid::regclass::text || ' ' || polname from pg_policy
union all select 'event triggers', evtname from pg_event_trigger
union all select 'publications', pubname from pg_publication
union all select 'subscriptions', subname from pg_subscription s join pg_database d on d.oid = s.subdbid
 where d.datname = current_database()
order by 1, 2
"""
# The catalog is read as of the snapshot, the function looks at what is now.
_REPLACED = """
select c.oid::regclass::text as name from pg_class c
where c.relkind in ('r', 'm') and c.relpersistence <> 't' and c.relfilenode <> 0
  and pg_relation_filenode(c.oid) is distinct from c.relfilenode::oid
"""
_LARGE_OBJECTS = "select count(*) as count from pg_largeobject_metadata"


def gather(session: Session, depth: str, tables: str = "true", whole: bool = True) -> dict[str, Any]:
    """Facts about the session's database as its snapshot shows it.

    Called within its transaction. `tables` is a condition on pg_class `c` and pg_namespace `n`, for dumps of
    some tables only: then objects, which pg_dump picks by rules of its own, are not `whole` and left out.
    """
    facts: dict[str, Any] = {"depth": depth}
    if depth == "none":
        return facts
    if whole:
        facts["objects"] = _objects(session)
        facts["large_objects"] = session.row(_LARGE_OBJECTS)["count"]
    if depth == "objects":
        return facts
    method = digest_method(session)
    if depth != "counts":
        facts["digest"] = method
    facts["tables"] = {}
    for table in session.rows(_TABLES.format(filter=tables)):
        name = f"{table['schema']}.{table['name']}"
        # A lock that is kept would hold up a migration, and whoever comes behind it.
        session.execute("savepoint one")
        facts["tables"][name] = _table(session, table, depth, method)
        session.execute("rollback to savepoint one")
    return facts


def sequences(session: Session) -> dict[str, list[int | None]]:
    """Where they stand and by what they step. They know no snapshot: to be asked before the dump reads them."""
    rows = session.rows(_SEQUENCES)
    return {f"{row['schema']}.{row['name']}": [row["value"], row["step"]] for row in rows}


def replaced(session: Session) -> list[str]:
    """Tables whose rows were truncated or rewritten since the snapshot, which then shows them empty."""
    return [str(row["name"]) for row in session.rows(_REPLACED)]


def digest_method(session: Session) -> str:
    """Named in the facts, because digests by different methods say nothing about each other.

    They are taken over the database's own encoding. Before 12 floating-point numbers were written otherwise.
    """
    encoding = session.row("select current_setting('server_encoding') as encoding")["encoding"]
    return f"{'hashtextextended' if session.version >= 120000 else 'md5'} {encoding}"


def _table(session: Session, table: Row, depth: str, method: str) -> dict[str, Any]:
    key = table["key"] or table["narrow"]
    every = 1
    if depth == "sampled" and key:
        shares = max(table["guess"] // _SAMPLE_ROWS, table["size"] // _SAMPLE_BYTES, 1)
        every = 1 << (int(shares).bit_length() - 1)
    found: dict[str, Any] = {"schema": table["schema"], "name": table["name"]}
    if depth != "counts":
        found |= {"columns": table["columns"] or [], "every": every}
        if every > 1:
            found |= {"key": key, "numbered": bool(table["numbered"])}
    return {**found, **_count(session, found, method)}


def _count(session: Session, table: Mapping[str, Any], method: str) -> dict[str, Any]:
    """Row count, and digest if the facts have one, by the very columns and sample that the facts name."""
    what = "count(*) as rows"
    if "columns" in table:
        digest = f"sum({_hash(table['columns'], method)})"
        if table["every"] > 1:
            digest += f" filter (where {_key_hash(table, method)} & {table['every'] - 1} = 0)"
        what += f", coalesce({digest}, 0)::text as digest"
    name = f"{identifier(table['schema'])}.{identifier(table['name'])}"
    doing = _("Counting the rows of {table}").format(table=name)
    return dict(session.row(f"select {what} from only {name} t", doing))


def _hash(columns: Sequence[str], method: str) -> str:
    # Columns by name: after a restore an inherited table may have them in another order.
    row = f"row({', '.join('t.' + identifier(column) for column in columns)})::text"
    if method.startswith("hashtextextended"):
        return f'hashtextextended({row} collate "C", 0)'
    return f"('x' || substr(md5({row}), 1, 16))::bit(64)::bigint"


def _key_hash(table: Mapping[str, Any], method: str) -> str:
    """Asked of every row, so it is to be cheap: most keys are one number."""
    if table["numbered"] and method.startswith("hashtextextended"):
        return f"hashint8extended(t.{identifier(table['key'][0])}::bigint, 0)"
    return _hash(table["key"], method)


def _objects(session: Session) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for row in session.rows(_OBJECTS):
        kinds.setdefault(row["kind"], []).append(row["name"])
    return kinds


def compare(
    session: Session, facts: Mapping[str, Any], only: Sequence[str] | None = None
) -> list[Comparison]:
    """Count again in a restored database what the facts of the dump say. `only`: these tables, and no objects."""
    comparisons = []
    if only is None and facts.get("properties"):
        comparisons += _compare_properties(session, facts["properties"])
    if only is None and "objects" in facts:
        comparisons += _compare_objects(session, facts)
    method = digest_method(session)
    for name, expected in facts.get("tables", {}).items():
        if only is not None and name not in only:
            continue
        comparisons.append(_compare_table(session, name, expected, facts.get("digest"), method))
    return comparisons


def _compare_properties(session: Session, wanted: Mapping[str, Any]) -> list[Comparison]:
    """A database that somebody made anew by hand may hold all rows, and yet sort, fold and search them otherwise."""
    here = catalog.properties(session, session.database)
    return [
        Comparison(
            f"{session.database}: {what}",
            wanted[what],
            wanted[what] if _spelled(wanted[what]) == _spelled(here[what]) else here[what],
        )
        for what in ("encoding", "collate", "ctype")
        if wanted.get(what)
    ]


def _spelled(name: str) -> str:
    """Systems write one locale in several ways: en_US.UTF-8, en_US.utf8."""
    return name.lower().replace("-", "")


def sampled(facts: Mapping[str, Any], only: Sequence[str] | None = None) -> list[str]:
    """The tables of which a share of the rows went into the digest, or none at all."""
    return [
        name
        for name, table in facts.get("tables", {}).items()
        if (only is None or name in only) and ("digest" not in table or table.get("every", 1) > 1)
    ]


def _compare_table(
    session: Session, name: str, expected: Mapping[str, Any], recorded: str | None, method: str
) -> Comparison:
    measures = ["rows", "digest"] if recorded == method and "digest" in expected else ["rows"]
    wanted = dict(expected) if measures[-1] == "digest" else {k: expected[k] for k in ("schema", "name")}
    try:
        found: Any = {m: v for m, v in _count(session, wanted, method).items() if m in measures}
    except (ProgramFailed, SourceChanged, AccessRefused) as problem:
        found = problem.message
    return Comparison(f"{session.database}: {name}", {m: expected[m] for m in measures}, found)


def _compare_objects(session: Session, facts: Mapping[str, Any]) -> list[Comparison]:
    here = _objects(session)
    comparisons = []
    for kind, expected in facts["objects"].items():
        missing = sorted(set(expected) - set(here.get(kind, ())))
        comparisons.append(Comparison(f"{session.database}: {kind}, missing", [], missing))
    comparisons.append(
        Comparison(
            f"{session.database}: large objects",
            facts["large_objects"],
            session.row(_LARGE_OBJECTS)["count"],
        )
    )
    # What came back may be ahead of what was counted, never behind.
    now = {name: value for name, (value, _step) in sequences(session).items()}
    behind = [
        name
        for name, (value, step) in facts.get("sequences", {}).items()
        if value is not None and ((found := now.get(name)) is None or (found - value) * step < 0)
    ]
    comparisons.append(Comparison(f"{session.database}: sequences behind", [], behind))
    return comparisons
