"""Databases that lie beside the one they are to replace, and the exchange.

A table in each of them says what it is, so that another process may go on another day. There is no renaming of a
database: its tables are renamed, all by one statement, and what cannot be renamed (views, triggers, routines, events)
is written down in that table before it is taken away, and made anew in its new place.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from haechi import clock
from haechi.errors import HaechiError, NotThere
from haechi.i18n import _
from haechi.sources._mariadb import facts
from haechi.sources._mariadb.server import Server, identifier, literal

RESTORED, BEFORE, UNDER_WAY = "restored", "before", "under way"
_LONGEST = 64  # characters, in a name
_WORDS = {RESTORED: "__haechi_", BEFORE: "__before_", UNDER_WAY: "__haechi_"}
_CODE, _EVENTS = "code", "events"
_COMING, _ASIDE = "coming", "aside"


@dataclass(frozen=True)
class Beside:
    """A database that bears our mark."""

    name: str
    of: str
    state: str
    time: str


def marked(server: Server) -> list[Beside]:
    """Those that lie beside, oldest first."""
    rows = server.rows(
        f"select table_schema from information_schema.tables where table_name = {literal(facts.MARK)}"
    )
    found = []
    for (name,) in rows:
        about = _read(server, name)
        if "of" in about:
            found.append(Beside(name, about["of"], about.get("state", UNDER_WAY), about.get("time", "")))
    return sorted(found, key=lambda beside: beside.time)


def create(server: Server, of: str, charset: str, collation: str, name: str | None = None) -> str:
    """An empty database, marked as under way."""
    made = name or fresh_name(server, of, UNDER_WAY)
    doing = _("Making the database “{name}”").format(name=made)
    server.run(f"create database {identifier(made)} {_like(charset, collation)}", doing=doing)
    _mark(server, made, of, UNDER_WAY)
    return made


def settle(server: Server, name: str, events: str) -> None:
    """What is complete says so. Its events are written down, and act once it is in use."""
    write(server, name, **{_EVENTS: events, "state": RESTORED})


def sweep(server: Server, of: str) -> None:
    """Remove what a killed restore has left; an exchange that was killed is completed or undone."""
    mend(server, of)
    for beside in marked(server):
        if beside.of == of and beside.state == UNDER_WAY and "role" not in _read(server, beside.name):
            drop(server, beside.name)


def drop(server: Server, name: str) -> None:
    server.run(
        f"drop database if exists {identifier(name)}",
        doing=_("Removing the database “{name}”").format(name=name),
    )


def fresh_name(server: Server, of: str, state: str) -> str:
    tail = stamp = f"{_WORDS[state]}{clock.now():%Y%m%d_%H%M%S}"
    there = {row[0].lower() for row in server.rows("show databases")}
    for number in itertools.count(2):
        name = of[: _LONGEST - len(tail)] + tail
        if name.lower() not in there:
            break
        tail = f"{stamp}_{number}"
    return name


def exchange(server: Server, of: str, wanted: str, kept: str) -> str:
    """The newest of the state `wanted` becomes `of`; what was there is kept in the state `kept`, under the name that
    is given back (empty if there was nothing)."""
    mend(server, of)
    coming = [beside for beside in marked(server) if beside.of == of and beside.state == wanted]
    if not coming:
        raise NotThere(
            _("Nothing lies beside “{name}” that could take its place.").format(name=of),
            hint=_("Restore it first: what comes back lies beside until it is put in place."),
        )
    moving = _prepare(server, of, coming[-1].name, kept)
    try:
        _take_away_code(server, of)
        _take_away_code(server, coming[-1].name)
        _rename_all(server, moving)
    except HaechiError:
        _go_back(server, moving)
        raise
    return _complete(server, moving)


def mend(server: Server, of: str) -> None:
    """If an exchange was killed in the middle: complete it if the tables were renamed, else go back."""
    about = {beside.name: _read(server, beside.name) for beside in marked(server) if beside.of == of}
    coming = next((name for name, told in about.items() if told.get("role") == _COMING), None)
    aside = next((name for name, told in about.items() if told.get("role") == _ASIDE), None)
    if coming is not None:
        moving = _Moving(of, coming, aside)
        (_go_back if facts.tables(server.rows, coming) else _complete)(server, moving)
    elif aside is not None and "state" in about[aside]:
        # Either it was about to begin, or all was done but for this mark.
        if facts.tables(server.rows, aside):
            _complete(server, _Moving(of, None, aside))
        else:
            drop(server, aside)


@dataclass(frozen=True)
class _Moving:
    """An exchange under way; all that it needs to be completed or undone stands in the marks of both."""

    of: str
    coming: str | None
    aside: str | None  # None where there was nothing to be replaced


def _prepare(server: Server, of: str, coming: str, kept: str) -> _Moving:
    """Write down what cannot be renamed, before any of it is touched."""
    was = _read(server, coming)["state"]
    aside = None
    if of in {row[0] for row in server.rows("show databases")}:
        charset, collation = _charset(server, of)
        aside = create(server, of, charset, collation, fresh_name(server, of, kept))
        write(
            server, aside, role=_ASIDE, becomes=kept, **{_CODE: code(server, of), _EVENTS: events(server, of)}
        )
    else:
        server.run(f"create database {identifier(of)} {_like(*_charset(server, coming))}")
    write(server, coming, role=_COMING, becomes=was, state=UNDER_WAY, **{_CODE: code(server, coming)})
    return _Moving(of, coming, aside)


def _rename_all(server: Server, moving: _Moving) -> None:
    assert moving.coming
    moves = [(moving.coming, name, moving.of) for name in facts.tables(server.rows, moving.coming)]
    if moving.aside:
        moves = [(moving.of, name, moving.aside) for name in facts.tables(server.rows, moving.of)] + moves
    if moves:
        renames = ", ".join(f"{_path(a, name)} to {_path(b, name)}" for a, name, b in moves)
        server.run(f"rename table {renames}", doing=_("Exchanging “{name}”").format(name=moving.of))


def _go_back(server: Server, moving: _Moving) -> None:
    if moving.aside:
        about = _read(server, moving.aside)
        _make_anew(server, moving.of, about.get(_CODE, "") + about.get(_EVENTS, ""))
    else:
        drop(server, moving.of)
    if moving.coming:
        about = _read(server, moving.coming)
        _make_anew(server, moving.coming, about.get(_CODE, ""))
        _settle(server, moving.coming, about["becomes"])
    if moving.aside:
        drop(server, moving.aside)


def _complete(server: Server, moving: _Moving) -> str:
    if moving.coming:
        about = _read(server, moving.coming)
        server.run(f"alter database {identifier(moving.of)} {_like(*_charset(server, moving.coming))}")
        _make_anew(server, moving.of, about.get(_CODE, "") + about.get(_EVENTS, ""))
        drop(server, moving.coming)
    if not moving.aside:
        return ""
    about = _read(server, moving.aside)
    _make_anew(server, moving.aside, about.get(_CODE, ""))
    _settle(server, moving.aside, about["becomes"])
    return moving.aside


def _settle(server: Server, name: str, state: str) -> None:
    mark = _path(name, facts.MARK)
    server.run(
        f"start transaction; replace into {mark} values ('state', {literal(state)});"
        f" delete from {mark} where name in ('{_CODE}', 'role', 'becomes'); commit;"
    )


def finish(server: Server, of: str) -> list[str]:
    """Remove for good what lies beside."""
    mend(server, of)
    gone = [beside.name for beside in marked(server) if beside.of == of]
    for name in gone:
        drop(server, name)
    return gone


# -- what cannot be renamed ---------------------------------------------------------------------------


def code(server: Server, database: str) -> str:
    """Views, triggers and routines as statements."""
    views = _names(server, database, "views", "table")
    text = ""
    if views:
        text += _written(server, "--no-data", "--skip-triggers", database, *views)
    return text + _written(
        server, "--no-data", "--no-create-info", "--triggers", "--routines", "--skip-events", database
    )


def events(server: Server, database: str) -> str:
    return _written(
        server, "--no-data", "--no-create-info", "--skip-triggers", "--skip-routines", "--events", database
    )


def _written(server: Server, *words: str) -> str:
    plainly = (
        "--default-character-set=utf8mb4",
        "--skip-comments",
        "--skip-lock-tables",
        "--add-drop-trigger",
    )
    with server.dumping(*plainly, *words) as output:
        return output.read().decode(errors="surrogateescape")


def _take_away_code(server: Server, database: str) -> None:
    statements = []
    for kind, table, prefix in (
        ("trigger", "triggers", "trigger"),
        ("view", "views", "table"),
        ("event", "events", "event"),
    ):
        statements += [
            f"drop {kind} {_path(database, name)};" for name in _names(server, database, table, prefix)
        ]
    for kind, name in server.rows(
        "select lower(routine_type), routine_name from information_schema.routines where routine_type in"
        f" ('FUNCTION', 'PROCEDURE') and routine_schema = {literal(database)}"
    ):
        statements.append(f"drop {kind} {_path(database, name)};")
    if statements:
        server.run("\n".join(statements), database)


def _make_anew(server: Server, database: str, text: str) -> None:
    if text.strip():
        server.run(
            text,
            database,
            doing=_("Making views, triggers and routines of “{name}” anew").format(name=database),
        )


def _names(server: Server, database: str, table: str, prefix: str) -> list[str]:
    rows = server.rows(
        f"select {prefix}_name from information_schema.{table} where {prefix}_schema = {literal(database)}"
    )
    return [row[0] for row in rows]


# -- the table that marks -----------------------------------------------------------------------------


def write(server: Server, name: str, **about: str) -> None:
    values = ", ".join(f"({literal(key)}, {literal(value)})" for key, value in about.items())
    server.run(f"replace into {_path(name, facts.MARK)} values {values}")


def _mark(server: Server, name: str, of: str, state: str) -> None:
    server.run(
        f"create table {_path(name, facts.MARK)} (name varchar(20) primary key, value longtext)"
        " engine = InnoDB default character set utf8mb4"
    )
    write(server, name, of=of, state=state, time=f"{clock.now():%Y-%m-%dT%H:%M:%S.%fZ}")


def _read(server: Server, name: str) -> dict[str, str]:
    rows = server.rows(f"select name, value from {_path(name, facts.MARK)}")
    return {row[0]: row[1] for row in rows}


def _charset(server: Server, database: str) -> Sequence[str]:
    return server.rows(
        "select default_character_set_name, default_collation_name from information_schema.schemata"
        f" where schema_name = {literal(database)}"
    )[0]


def _path(database: str, name: str) -> str:
    return f"{identifier(database)}.{identifier(name)}"


def _like(charset: str, collation: str) -> str:
    return f"character set {charset} collate {collation}" if charset and collation else ""
