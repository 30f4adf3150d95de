"""Databases that lie beside the one they are to replace, and the exchange by rename.

The server itself remembers: a comment on each such database says what it is, so that a swap can be undone or
finished by another process, on another day. Names show it to people: `shop__haechi_20260128_120000` has come
back, `shop__before_20260128_120500` is what it replaced.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from haechi import clock
from haechi.errors import AlreadyThere, HaechiError, NotThere
from haechi.i18n import _
from haechi.sources._postgresql import catalog
from haechi.sources._postgresql.server import Server
from haechi.sources._postgresql.session import Session, identifier, literal

_LONGEST = 63  # bytes, in a name of PostgreSQL
_OURS = "haechi "
UNDER_WAY, RESTORED, PART, BEFORE, DRILLED = "under way", "restored", "part", "before", "drilled"

_MARKED = """
select d.datname as name, shobj_description(d.oid, 'pg_database') as comment
from pg_database d where starts_with(shobj_description(d.oid, 'pg_database'), 'haechi {') order by d.datname
"""
_SUBSCRIPTIONS = """
select s.subname as name from pg_subscription s join pg_database d on d.oid = s.subdbid where d.datname = {name}
"""
_CUT_OFF = """
select count(pg_terminate_backend(pid)) as cut from pg_stat_activity
 where datname = {name} and pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class Beside:
    """A database that bears our mark."""

    name: str
    of: str  # whose place it takes, or had
    state: str
    about: Mapping[str, Any]


def marked(session: Session, of: str | None = None, state: str | None = None) -> list[Beside]:
    """Those that lie beside, oldest first."""
    found = []
    for row in session.rows(_MARKED):
        try:
            about = json.loads(row["comment"].removeprefix(_OURS))
            beside = Beside(row["name"], about["of"], about["state"], about)
        except (ValueError, KeyError):
            continue  # somebody's own words
        if of in (None, beside.of) and state in (None, beside.state):
            found.append(beside)
    return sorted(found, key=lambda b: str(b.about.get("time", "")))


def fresh_name(session: Session, of: str, mark: str) -> str:
    """`shop__haechi_20260128_120000`, the name cut to fit, and numbered should there be one of that second."""
    tail = stamp = f"{mark}{clock.now():%Y%m%d_%H%M%S}"
    for number in itertools.count(2):
        name = of.encode()[: _LONGEST - len(tail)].decode(errors="ignore") + tail
        if not session.rows(f"select 1 from pg_database where datname = {literal(name)}"):
            break
        tail = f"{stamp}_{number}"
    return name


def marking(name: str, of: str, state: str, **about: Any) -> str:
    """The statement that puts our mark on a database."""
    time = f"{clock.now():%Y-%m-%dT%H:%M:%S.%fZ}"
    return comment(
        name, _OURS + json.dumps({"of": of, "state": state, "time": time, **about}, ensure_ascii=False)
    )


def create(session: Session, name: str, of: str, like: Mapping[str, Any], point: str) -> None:
    """An empty database like the old one, marked as under way. Held by an advisory lock of this session."""
    doing = _("Making the database “{name}”").format(name=name)
    session.execute(f"select pg_advisory_lock({lock(name)})")
    try:
        session.execute(catalog.create_database(name, like, session.version), doing)
    except HaechiError as problem:
        if "already exists" in problem.message:
            raise AlreadyThere(
                _("There is a database “{name}” already.").format(name=name),
                hint=_("Choose another name for what comes back."),
            ) from problem
        raise
    session.execute(marking(name, of, UNDER_WAY, point=point, comment=like.get("comment")))


def drop(server: Server, session: Session, name: str) -> None:
    """Remove a database of ours, whoever is still connected to it."""
    doing = _("Removing the database “{name}”").format(name=name)
    _unsubscribe(server, session, name, doing)
    if session.version >= 130000:
        session.execute(f"drop database if exists {identifier(name)} with (force)", doing)
        return
    session.rows(_CUT_OFF.format(name=literal(name)))
    session.execute(f"drop database if exists {identifier(name)}", doing)


def _unsubscribe(server: Server, session: Session, name: str, doing: str) -> None:
    """A database with subscriptions cannot be removed. Their slots at the publisher are left alone: the database
    that is in use has subscriptions of the same names, and lives on those slots."""
    found = [identifier(row["name"]) for row in session.rows(_SUBSCRIPTIONS.format(name=literal(name)))]
    if not found:
        return
    with server.session(name) as inside:
        for subscription in found:
            inside.execute(f"alter subscription {subscription} disable", doing)
            inside.execute(f"alter subscription {subscription} set (slot_name = none)", doing)
            inside.execute(f"drop subscription {subscription}", doing)


def lock(name: str) -> str:
    """What is held, as an advisory lock, by whoever works on a database of ours."""
    return f"hashtext({literal(name)}), 4843"


def sweep(server: Server, session: Session, of: str) -> list[str]:
    """Remove what an interrupted restore has left: marked as under way, and held by nobody."""
    return _sweep(server, session, marked(session, of, UNDER_WAY))


def sweep_drills(server: Server, session: Session) -> list[str]:
    """Remove what killed drills have left, whatever it is of."""
    return _sweep(server, session, marked(session, state=DRILLED))


def _sweep(server: Server, session: Session, lying: Sequence[Beside]) -> list[str]:
    left = []
    for beside in lying:
        if session.row(f"select pg_try_advisory_lock({lock(beside.name)}) as free")["free"]:
            drop(server, session, beside.name)
            session.execute(f"select pg_advisory_unlock({lock(beside.name)})")
            left.append(beside.name)
    return left


def swap(server: Server, of: str, beside: str | None = None) -> str:
    """Put what came back in the place of the old one; gives back the old one's new name, if there was one.

    One transaction renames both. It first locks the old database's name, so that nobody new gets in, while a
    second session ends those who are in. Whatever fails, both are named as they were.
    """
    with server.administration(of) as session, server.administration(of) as other:
        chosen = _newest(session, of, RESTORED, beside)
        present = session.rows(
            f"select shobj_description(oid, 'pg_database') as comment from pg_database where datname = {literal(of)}"
        )
        old = fresh_name(session, of, catalog.BEFORE) if present else ""
        statements = (
            [_rename(of, old), marking(old, of, BEFORE, comment=present[0]["comment"])] if present else []
        )
        statements += [_rename(chosen.name, of), comment(of, chosen.about.get("comment"))]
        _exchange(session, other, [of, chosen.name], statements)
        return old


def undo(server: Server, of: str) -> str:
    """Put the old database back in its place; gives back the name of what had replaced it."""
    with server.administration(of) as session, server.administration(of) as other:
        old = _newest(session, of, BEFORE, None)
        aside = fresh_name(session, of, catalog.BESIDE)
        text = old.about.get("comment")
        statements = [
            _rename(of, aside),
            marking(aside, of, RESTORED, comment=text),
            _rename(old.name, of),
            comment(of, text),
        ]
        _exchange(session, other, [of, old.name], statements)
        return aside


def finish(server: Server, of: str) -> list[str]:
    """Let go of what was replaced, and of what came back but was never put in place; gives back their names."""
    with server.administration(of) as session:
        going = [b.name for b in marked(session, of) if b.state not in (UNDER_WAY, DRILLED)]
        going += sweep(server, session, of)
        for name in going:
            drop(server, session, name)
        return going


def _newest(session: Session, of: str, state: str, name: str | None) -> Beside:
    found = [b for b in marked(session, of, state) if name in (None, b.name)]
    if not found:
        raise NotThere(
            _("Nothing lies beside the database “{name}” that could take its place.").format(name=of),
            hint=_("Restore it first: what comes back lies beside until it is put in place."),
        )
    return found[-1]


def _exchange(session: Session, other: Session, names: list[str], statements: list[str]) -> None:
    """These statements at once, with nobody connected to any of the databases named so now."""
    locked = threading.Event()

    def cut_off() -> None:
        while not locked.is_set():
            try:
                for name in names:
                    other.rows(_CUT_OFF.format(name=literal(name)))
            except HaechiError:
                return  # without the right to end sessions: then the server says that somebody is in the way
            locked.wait(0.02)

    helper = threading.Thread(target=cut_off, daemon=True)
    doing = _("Exchanging the databases by name")
    session.execute("begin", doing)
    try:
        helper.start()
        try:
            for statement in statements:
                session.execute(statement, doing)
        finally:
            # Both names are locked by now. Stopped before the commit: after it, these names mean others.
            locked.set()
            helper.join()
        session.execute("commit", doing)
    except BaseException:
        session.execute("rollback", doing)
        raise


def _rename(old: str, new: str) -> str:
    return f"alter database {identifier(old)} rename to {identifier(new)}"


def comment(name: str, text: str | None) -> str:
    """The statement that comments on a database."""
    return f"comment on database {identifier(name)} is {literal(text) if text else 'null'}"
