"""Subscriptions of a database that is about to be replaced in place.

One with a slot at its publisher cannot be dropped within a transaction, and everything in place is one transaction.
So each lets go of its slot first, without a word to the publisher, and whichever is still there afterwards takes it
up again: it was not in the dump, or the restore has failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from haechi.events import Reporter
from haechi.i18n import _
from haechi.sources._postgresql.server import Server
from haechi.sources._postgresql.session import Row, Session, identifier, literal

_HERE = """
select s.oid::bigint as id, s.subname as name, s.subenabled as enabled, s.subslotname as slot
from pg_subscription s join pg_database d on d.oid = s.subdbid where d.datname = current_database() order by 2
"""


@contextmanager
def detached(server: Server, database: str, reporter: Reporter) -> Iterator[None]:
    """Inside, they can be dropped."""
    with server.session(database) as session:
        letting_go = [row for row in session.rows(_HERE) if row["slot"]]
        try:
            for row in letting_go:
                _let_go(session, row["name"])
            yield
        finally:
            kept = _take_up_again(session, letting_go)
    for row in letting_go:
        if row["id"] not in kept:
            reporter.note(
                _(
                    "The subscription “{name}” came back switched off, on the slot “{slot}”: when the data is right, "
                    "alter subscription {identifier} enable."
                ).format(name=row["name"], slot=row["slot"], identifier=identifier(row["name"]))
            )


def _let_go(session: Session, name: str) -> None:
    doing = _("Taking the subscription “{name}” off its slot").format(name=name)
    session.execute(f"alter subscription {identifier(name)} disable", doing)
    session.execute(f"alter subscription {identifier(name)} set (slot_name = none)", doing)


def _take_up_again(session: Session, subscriptions: Sequence[Row]) -> set[int]:
    """The very ones that are still there; which those are."""
    there = {row["id"] for row in session.rows(_HERE)}
    for row in subscriptions:
        if row["id"] in there:
            doing = _("Putting the subscription “{name}” back on its slot").format(name=row["name"])
            name = identifier(row["name"])
            session.execute(f"alter subscription {name} set (slot_name = {literal(row['slot'])})", doing)
            if row["enabled"]:
                session.execute(f"alter subscription {name} enable", doing)
    return there
