"""Chooses from an archive of pg_dump: single tables and schemas with all that belongs to them.

pg_restore's own --table leaves out indexes, keys and triggers. Its verbose listing names what depends on what,
so the choice can be made whole: what a table needs (types, functions, sequences) and what hangs on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from haechi.errors import NotThere
from haechi.i18n import _

_ENTRY = re.compile(
    r"^-- TOC entry (?P<id>\d+) .*\n(?:-- Dependencies: (?P<needs>[\d ]+)\n)?"
    r"-- Name: (?P<name>.*); Type: (?P<kind>[A-Z ]+); Schema: (?P<schema>.*?); Owner: .*$",
    re.MULTILINE,
)
_LINE = re.compile(r"^(?P<id>\d+); \d+ \d+ (?P<rest>.*)$", re.MULTILINE)
# What belongs to a table without being needed by it.
_HANGERS = {
    "ACL",
    "COMMENT",
    "CONSTRAINT",
    "CHECK CONSTRAINT",
    "DEFAULT",
    "FK CONSTRAINT",
    "INDEX",
    "INDEX ATTACH",
    "POLICY",
    "ROW SECURITY",
    "RULE",
    "SECURITY LABEL",
    "SEQUENCE OWNED BY",
    "STATISTICS",
    "STATISTICS DATA",
    "TABLE ATTACH",
    "TRIGGER",
}
_TABLES = {"TABLE", "FOREIGN TABLE", "MATERIALIZED VIEW", "VIEW"}


@dataclass
class Item:
    """One entry of the archive's table of contents."""

    id: int
    kind: str
    schema: str
    name: str
    needs: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Wish:
    """`schema.table`, or `schema.*`"""

    schema: str
    table: str | None

    @classmethod
    def parse(cls, text: str) -> Wish:
        """Names with dots are quoted; a table without a schema is one of `public`."""
        parts = re.findall(r'"((?:[^"]|"")+)"|([^.]+)', text)
        names = [(quoted.replace('""', '"') if quoted else plain) for quoted, plain in parts]
        if len(names) == 1:
            return cls("public", names[0])
        return cls(names[0], None if names[1] == "*" else names[1])

    def __str__(self) -> str:
        return f"{self.schema}.{self.table or '*'}"


def choose(verbose: str, listing: str, wishes: Sequence[Wish]) -> list[str]:
    """The lines of `pg_restore --list` that bring back these tables, in the archive's order.

    `verbose` is what `pg_restore --schema-only --verbose --file=-` writes. Raises NotThere.
    """
    items = {
        int(m["id"]): Item(
            int(m["id"]), m["kind"], m["schema"], m["name"], set(map(int, (m["needs"] or "").split()))
        )
        for m in _ENTRY.finditer(verbose)
    }
    chosen: set[int] = set()
    for wish in wishes:
        found = {item.id for item in items.values() if _matches(item, wish)}
        if not found:
            raise NotThere(_("There is no “{name}” in this dump.").format(name=wish))
        chosen |= found
    wanted = set(chosen)
    _need(items, chosen)
    schemas = {items[one].schema for one in chosen}
    made = {item.id for item in items.values() if item.kind == "SCHEMA" and item.name in schemas}
    chosen |= made
    _hang(items, chosen, wanted | made)
    filled = wanted | {one for one in chosen if items[one].kind == "SEQUENCE"}
    names = {(items[one].schema, items[one].name) for one in filled}
    return [m[0] for m in _LINE.finditer(listing) if int(m["id"]) in chosen or _is_data(m["rest"], names)]


def _matches(item: Item, wish: Wish) -> bool:
    if item.schema != wish.schema:
        return False
    return wish.table is None or (item.kind in _TABLES and item.name == wish.table)


def _need(items: dict[int, Item], chosen: set[int]) -> None:
    """Add what the chosen ones stand on."""
    waiting = list(chosen)
    while waiting:
        for needed in items[waiting.pop()].needs & items.keys() - chosen:
            chosen.add(needed)
            waiting.append(needed)


def _hang(items: dict[int, Item], chosen: set[int], wanted: set[int]) -> None:
    """Add what hangs on the wanted ones, but nothing that would draw other tables in: no keys to them."""
    sequences = {one for one in chosen if items[one].kind == "SEQUENCE"}
    reach = wanted | sequences
    while more := {
        item.id
        for item in items.values()
        if item.id not in chosen
        and (item.kind in _HANGERS or _is_own_sequence(item, wanted))
        and item.needs & reach
        and not _asks_for_more(items, item, chosen)
    }:
        _need(items, more)
        chosen |= more
        reach |= more


def _asks_for_more(items: dict[int, Item], item: Item, chosen: set[int]) -> bool:
    closure = {item.id}
    _need(items, closure)
    return any(items[one].kind in _TABLES | {"CONSTRAINT"} for one in closure - chosen - {item.id})


def _is_own_sequence(item: Item, wanted: set[int]) -> bool:
    """An identity column's sequence needs its table, and not the other way round."""
    return item.kind == "SEQUENCE" and bool(item.needs & wanted)


def _is_data(rest: str, names: set[tuple[str, str]]) -> bool:
    """Whether this line of the listing is the content of one of these tables or of their sequences."""
    for kind in ("TABLE DATA ", "SEQUENCE SET ", "MATERIALIZED VIEW DATA "):
        if rest.startswith(kind):
            return any(rest.startswith(f"{kind}{schema} {name} ") for schema, name in names)
    return False
