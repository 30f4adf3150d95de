"""Databases that lie beside those they are to replace, and the exchange, collection by collection.

Their names say what they are, so that another process may go on another day: `shop__haechi_20260128_120000` has come
back, `shop__part_…` holds single collections of it, `shop__before_…` is what was replaced. A database that holds the
collection `haechi_under_way` is not complete.

MongoDB renames no database. It moves collections between databases by copying them, one after another; so an exchange
takes as long as copying takes, and can be broken off. Where the old ones go it is remembered how far it has come: the
next command goes on with it first, and nothing is removed before.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from haechi import clock
from haechi.errors import NotThere, UsageMistake
from haechi.i18n import _

RESTORED, PART, BEFORE = "restored", "part", "before"
UNDER_WAY = "haechi_under_way"  # a collection: this database is being filled
EXCHANGING = "haechi_exchanging"  # a collection: what is replaced is being moved in here
MOVING_IN = (
    "haechi_moving_in"  # a collection: all of that is in here, the new ones are being moved into place
)
MARKS = (UNDER_WAY, EXCHANGING, MOVING_IN)
TEMPORARY = "haechi_restoring_"  # begins the names of collections that are not in their places yet
_WORDS = {RESTORED: "haechi", PART: "part", BEFORE: "before"}
_STATES = {word: state for state, word in _WORDS.items()}
_NAMED = re.compile(r"(?P<of>.+)__(?P<word>haechi|part|before)_(?P<time>\d{8}_\d{6}(?:-\d+)?)")
_STAMP = "%Y%m%d_%H%M%S"
_LONG = timedelta(days=1)  # after which a restore on another host is not under way any more
_LONGEST = 63  # bytes, in the name of a database

Doc = dict[str, Any]


class Admin(Protocol):
    """Whoever carries out commands: PyMongo's connection, or the server's own shell."""

    @property
    def shown(self) -> str:
        """Which server it is, without secrets."""

    def command(self, database: str, command: Mapping[str, Any], doing: str) -> Doc: ...

    def listed(self, database: str, command: Mapping[str, Any], doing: str) -> Iterator[Doc]: ...

    def carry_out(self, steps: Sequence[tuple[str, Doc]], doing: str) -> None:
        """Commands for databases, one after another, up to the first that fails."""


@dataclass(frozen=True)
class Beside:
    """One that lies beside `of`."""

    name: str
    of: str
    state: str
    time: str


def databases(admin: Admin) -> set[str]:
    found = admin.command("admin", {"listDatabases": 1, "nameOnly": True}, _("Listing the databases"))
    return {str(one["name"]) for one in found["databases"]}


def collections(admin: Admin, database: str) -> dict[str, Doc]:
    """By name, as the server tells of them, without its own."""
    doing = _("Listing the collections of “{name}”").format(name=database)
    found = {str(told["name"]): told for told in admin.listed(database, {"listCollections": 1}, doing)}
    return {name: told for name, told in found.items() if not name.startswith("system.")}


def is_one(name: str) -> bool:
    return _NAMED.fullmatch(name) is not None


def lying(admin: Admin) -> list[Beside]:
    """Those that are complete, oldest first."""
    return [b for b in _marked(admin) if not {UNDER_WAY, EXCHANGING} & set(collections(admin, b.name))]


def fresh(there: Collection[str], of: str, state: str) -> str:
    """A name that no database has yet; cut to what the server takes."""
    tail = stamp = f"__{_WORDS[state]}_{clock.now():{_STAMP}}"
    number = 2
    while True:
        name = of.encode()[: _LONGEST - len(tail)].decode(errors="ignore") + tail
        if name not in there:
            return name
        tail, number = f"{stamp}-{number}", number + 1


def mark(admin: Admin, name: str) -> None:
    """Say that this database is being filled, and by whom."""
    _remember(admin, name, UNDER_WAY, {"host": socket.gethostname(), "pid": os.getpid()})


def unmark(admin: Admin, name: str) -> None:
    admin.command(name, {"drop": UNDER_WAY}, _("Making the database “{name}”").format(name=name))


def sweep(admin: Admin, of: Collection[str]) -> list[str]:
    """Remove the databases that killed restores and rehearsals have left. Others may be at theirs right now."""
    left = [b.name for b in _marked(admin) if b.of in of and b.state != BEFORE and _is_abandoned(admin, b)]
    for name in left:
        drop(admin, name)
    return left


def sweep_inside(admin: Admin, of: Collection[str]) -> list[str]:
    """The same within these databases: two restores of one service never run at once."""
    left = []
    for database in databases(admin) & set(of):
        for name in collections(admin, database):
            if name.startswith(TEMPORARY):
                drop_collection(admin, database, name)
                left.append(f"{database}.{name}")
    return left


def _is_abandoned(admin: Admin, beside: Beside) -> bool:
    if UNDER_WAY not in collections(admin, beside.name):
        return False
    found = admin.listed(beside.name, {"find": UNDER_WAY}, _("Looking at “{name}”").format(name=beside.name))
    who = next(found, {})
    if who.get("host") != socket.gethostname():
        began = datetime.strptime(beside.time.partition("-")[0], _STAMP).replace(tzinfo=UTC)
        return clock.now() - began > _LONG
    try:
        os.kill(int(who["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def drop(admin: Admin, name: str) -> None:
    admin.command(name, {"dropDatabase": 1}, _("Removing the database “{name}”").format(name=name))


def drop_collection(admin: Admin, database: str, name: str) -> None:
    admin.command(database, {"drop": name}, _("Removing “{name}”").format(name=f"{database}.{name}"))


def rename(admin: Admin, old: str, new: str, *, over: bool = False) -> None:
    """Full names, `database.collection`."""
    command = {"renameCollection": old, "to": new, "dropTarget": over}
    admin.command("admin", command, _("Renaming “{old}” to “{new}”").format(old=old, new=new))


def swap(admin: Admin, of: str) -> str:
    """What came back takes the place of the old one; where that is kept, if there was one."""
    if (done := _go_on(admin, of)) and done[0] == BEFORE:
        return done[1]
    coming = _newest(admin, of, RESTORED)
    return _exchange(admin, of, coming.name, _twin(admin, coming, BEFORE))


def undo(admin: Admin, of: str) -> str:
    """The old one back into its place; where what had replaced it lies now."""
    if (done := _go_on(admin, of)) and done[0] == RESTORED:
        return done[1]
    coming = _newest(admin, of, BEFORE)
    return _exchange(admin, of, coming.name, _twin(admin, coming, RESTORED))


def finish(admin: Admin, of: str) -> list[str]:
    """Remove for good what lies beside. Raises UsageMistake while an exchange is not at its end."""
    if broken := _broken_off(admin, of):
        raise UsageMistake(
            _("The exchange of “{name}” was broken off: parts of it are in “{beside}”.").format(
                name=of, beside=broken.name
            ),
            hint=_("Go on with it first: haechi beside swap, or haechi beside undo."),
        )
    gone = [beside.name for beside in _marked(admin) if beside.of == of]
    for name in gone:
        drop(admin, name)
    return gone


def _twin(admin: Admin, coming: Beside, state: str) -> str:
    """The name for what `coming` replaces: of the same time, so that they are seen to belong together."""
    name = (
        coming.name.removesuffix(f"{_WORDS[coming.state]}_{coming.time}") + f"{_WORDS[state]}_{coming.time}"
    )
    there = databases(admin)
    return fresh(there, coming.of, state) if name in there else name


def _exchange(admin: Admin, of: str, coming: str, aside: str) -> str:
    """What is in `of` goes to `aside`, and what is in `coming` takes its place."""
    _demand_movable(admin, (of, coming))
    _remember(admin, aside, EXCHANGING, {"coming": coming})
    return _carry_out(admin, of, coming, aside)


def _carry_out(admin: Admin, of: str, coming: str, aside: str) -> str:
    """From wherever it stands."""
    if MOVING_IN not in collections(admin, aside):
        _move(admin, of, aside)
        _remember(admin, aside, MOVING_IN, {})
    _move(admin, coming, of)
    had = set(collections(admin, aside)) - set(MARKS)
    # In this order: without the second mark the first would say that the new ones are the old ones.
    for name in (EXCHANGING, MOVING_IN):
        drop_collection(admin, aside, name)
    return aside if had else ""


def _go_on(admin: Admin, of: str) -> tuple[str, str] | None:
    """Bring an exchange to its end that was broken off: what it was, and what it came to."""
    if (broken := _broken_off(admin, of)) is None:
        return None
    doing = _("Looking at “{name}”").format(name=broken.name)
    coming = str(next(iter(admin.listed(broken.name, {"find": EXCHANGING}, doing)))["coming"])
    return broken.state, _carry_out(admin, of, coming, broken.name)


def _broken_off(admin: Admin, of: str) -> Beside | None:
    return next((b for b in _marked(admin) if b.of == of and EXCHANGING in collections(admin, b.name)), None)


def _remember(admin: Admin, database: str, mark: str, told: Doc) -> None:
    """Made by its first document, so that it is never there without it."""
    doing = _("Marking the database “{name}”").format(name=database)
    admin.command(database, {"insert": mark, "documents": [{"_id": 1, **told}]}, doing)


def _move(admin: Admin, old: str, new: str) -> None:
    """All collections and views of one database into another. Again from the start is no harm."""
    there = collections(admin, new)
    steps: list[tuple[str, Doc]] = []
    for name, told in collections(admin, old).items():
        if name in MARKS:
            continue
        if told.get("type") != "view":
            # A copy that was broken off is the server's own and gone; one that is there is whole.
            command = {"renameCollection": f"{old}.{name}", "to": f"{new}.{name}", "dropTarget": True}
            steps.append(("admin", command))
            continue
        # Only what a view says can be moved. It is made there before it goes here.
        if name not in there:
            steps.append((new, {"create": name, **told["options"]}))
        steps.append((old, {"drop": name}))
    admin.carry_out(steps, _("Moving the collections of “{old}” to “{new}”").format(old=old, new=new))


def _demand_movable(admin: Admin, names: Sequence[str]) -> None:
    for database in names:
        for name, told in collections(admin, database).items():
            if "timeseries" in (told.get("options") or {}):
                raise UsageMistake(
                    _("The time series “{name}” cannot be moved to another database.").format(
                        name=f"{database}.{name}"
                    ),
                    hint=_("Restore with --in-place instead: it is loaded again where it is."),
                )


def _marked(admin: Admin) -> list[Beside]:
    found = []
    for name in databases(admin):
        if match := _NAMED.fullmatch(name):
            found.append(Beside(name, match["of"], _STATES[match["word"]], match["time"]))
    return sorted(found, key=lambda beside: beside.time)


def _newest(admin: Admin, of: str, state: str) -> Beside:
    found = [beside for beside in lying(admin) if (beside.of, beside.state) == (of, state)]
    if not found:
        raise NotThere(
            _("Nothing lies beside the database “{name}” that could take its place.").format(name=of),
            hint=_("Restore it first: what comes back lies beside until it is put in place."),
        )
    return found[-1]
