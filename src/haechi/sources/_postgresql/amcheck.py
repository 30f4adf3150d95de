"""Looks at what has come back page by page: every heap and every B-tree, by PostgreSQL's own amcheck.

In throwaway databases only: the extension is installed in them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from haechi.errors import AccessRefused, ProgramFailed, ProgramMissing, SourceChanged, VersionMismatch
from haechi.events import Reporter
from haechi.i18n import _
from haechi.sources._base import Comparison
from haechi.sources._postgresql.server import Server
from haechi.sources._postgresql.session import Session, identifier, literal

SOUND = "sound"
_SHOWN = 20  # relations that are named; damage rarely stops at one
_CORRUPT = 2  # pg_amcheck's status when it has found something
_HAS_PROGRAM = 140000  # from this version on there is pg_amcheck
_HAS_HEAPS = 140000  # and verify_heapam

_RELATION = re.compile(r'^(?:heap table|btree index) "(?:.+?)"')
_CHECKED = """
select c.relkind as kind, n.nspname as schema, c.relname as name, c.oid::int8 as oid
from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_am a on a.oid = c.relam
left join pg_index i on i.indexrelid = c.oid
where c.relpersistence <> 't' and (
  (c.relkind in ('r', 'm', 't') and a.amname = 'heap') or (c.relkind = 'i' and a.amname = 'btree' and i.indisvalid))
order by n.nspname, c.relname
"""


def look(server: Server, databases: Collection[str], reporter: Reporter) -> tuple[list[Comparison], str]:
    """One comparison a database, and by what it was looked at; nothing, and why, where there is no amcheck."""
    title = _("Checking heaps and indexes")
    with reporter.step(title, total=len(databases), unit="") as step:
        try:
            found = []
            for name in sorted(databases):
                damage, how = _database(server, name)
                found.append(Comparison(f"{name}: amcheck", SOUND, _told(damage)))
                step.advance(1)
            return found, how if found else ""
        except (AccessRefused, ProgramMissing, VersionMismatch, ProgramFailed) as problem:
            reporter.note(_("Heaps and indexes were not checked: {reason}").format(reason=problem.message))
            return [], ""


def _database(server: Server, name: str) -> tuple[list[str], str]:
    if server.version >= _HAS_PROGRAM:
        try:
            return _by_program(server, name), "pg_amcheck"
        except ProgramMissing:
            pass
    with server.session(name) as session:
        return list(_by_functions(session)), "amcheck"


def _by_program(server: Server, name: str) -> list[str]:
    argv = [
        server.fitting().program("pg_amcheck"),
        "--no-password",
        "--install-missing",
        "--heapallindexed",
        "--parent-check",
        "--jobs=2",
    ]
    done = server.place.run(argv, env=server.address.env(name), user=server.run_as, check=False)
    said = done.stdout.decode(errors="replace")
    if done.status == 0:
        return []
    damage = list(_named(said))
    if done.status == _CORRUPT and damage:
        return damage
    if "No such file or directory" in done.stderr:
        raise ProgramMissing(_("There is no pg_amcheck in {place}.").format(place=server.place.name))
    reason = (done.stderr or said).strip()
    raise ProgramFailed(reason.splitlines()[-1] if reason else "-", detail=reason)


def _named(said: str) -> Iterator[str]:
    """Its report: a line that names a relation, then indented lines that say what is wrong with it."""
    lines = said.splitlines()
    for at, line in enumerate(lines):
        if _RELATION.match(line):
            wrong = next((below.strip() for below in lines[at + 1 : at + 2] if below[:1].isspace()), "")
            yield f"{line.rstrip(':')}: {wrong.removeprefix('ERROR:').strip()}"


def _by_functions(session: Session) -> Iterator[str]:
    session.execute("create extension if not exists amcheck with schema pg_catalog")
    heaps = session.version >= _HAS_HEAPS
    for row in session.rows(_CHECKED):
        what = f"{identifier(row['schema'])}.{identifier(row['name'])}"
        relation = f"{literal(what)}::regclass"
        try:
            if row["kind"] == "i":
                session.rows(f"select bt_index_parent_check({relation}, true) as nothing")
            elif heaps:
                for wrong in session.rows(f"select blkno, msg from verify_heapam({relation}) limit 1"):
                    yield f"heap table {what}, block {wrong['blkno']}: {wrong['msg']}"
        except (ProgramFailed, SourceChanged) as problem:
            yield f"{'btree index' if row['kind'] == 'i' else 'heap table'} {what}: {problem.message}"


def _told(damage: list[str]) -> str:
    shown = "; ".join(damage[:_SHOWN])
    more = len(damage) - _SHOWN
    return SOUND if not damage else shown + (f"; … +{more}" if more > 0 else "")
