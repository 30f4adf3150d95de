"""Brings databases back: beside the old ones, counted again, and in their place only when that is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from haechi.errors import HaechiError, NotThere, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.sources._base import Comparison, PartReader, Restored, Wanted
from haechi.sources._postgresql import (
    beside,
    catalog,
    checks,
    dump,
    facts,
    incoming,
    loading,
    roles,
    script,
    subscriptions,
)
from haechi.sources._postgresql.contents import Wish
from haechi.sources._postgresql.incoming import Incoming
from haechi.sources._postgresql.loading import Manner
from haechi.sources._postgresql.options import Target
from haechi.sources._postgresql.server import Server
from haechi.sources._postgresql.session import Session, identifier, literal


@dataclass(frozen=True)
class Item:
    """One database that is to come back."""

    name: str
    dump: Incoming
    body: str | None  # its name in a script that holds several
    facts: Mapping[str, Any]
    wishes: tuple[Wish, ...] = ()


@dataclass
class Restore:
    """One restore under way."""

    server: Server
    point: RestorePoint
    target: Target
    wanted: Wanted
    reporter: Reporter

    def run(self, items: Sequence[Item], globals_: PartReader | None) -> Restored:
        if len(items) > 1 and self.target.database:
            raise UsageMistake(
                _("Several databases cannot all be named “{name}”.").format(name=self.target.database),
                hint=_("Name the one that is wanted: {names}").format(names=", ".join(i.name for i in items)),
            )
        with self.server.administration() as admin:
            if globals_ and self.target.owners:
                with globals_.open() as stream:
                    roles.bring(admin, stream.read().decode(errors="surrogateescape"), self.reporter)
            roles.demand_mappable(admin, self.target.roles)
            roles.stand_in(admin, self.target.roles)
        made: list[tuple[Item, str]] = []
        comparisons: list[Comparison] = []
        if lost := self._lost(items):
            comparisons.append(Comparison("databases missing", [], lost))
        sampled: list[str] = []
        with ExitStack() as undo:
            for item in items:
                name = self._bring(item, undo)
                made.append((item, name))
                comparisons += self._compare(item, name)
                sampled += [
                    f"{item.name}: {table}" for table in facts.sampled(item.facts, self._chosen(item))
                ]
            undo.pop_all()
        if sampled:
            self.reporter.note(
                _(
                    "Of these tables every row was counted, and a share of the rows compared: {tables}. With "
                    'facts = "full" in the plan, the next backups compare all of them.'
                ).format(tables=", ".join(sampled))
            )
        if self.wanted.in_place:
            self._put_in_place(made, comparisons)
        return Restored(
            where=", ".join(name for _item, name in made),
            comparisons=tuple(comparisons),
            details={
                "server": str(self.server.address),
                "databases": {item.name: name for item, name in made},
                "beside": not self.wanted.in_place and not self.target.elsewhere and not self.target.database,
                "compared_by_sample": sampled,
                "partial": any(item.wishes for item, _name in made),
            },
        )

    def _lost(self, items: Sequence[Item]) -> list[str]:
        """What was counted when it was saved, and is not in this copy."""
        known = self.point.facts.get("databases", {})
        return [] if self.wanted.only else sorted(known.keys() - {item.name for item in items})

    def _bring(self, item: Item, undo: ExitStack) -> str:
        """Make one database and fill it; gives back its name."""
        client = int(str(self.point.facts.get("client", "0")).split(".")[0])
        ends = item.facts.get("ends", ())
        manner = Manner(self.wanted.jobs, self.target.owners, not self.target.elsewhere, wishes=item.wishes)
        # The session that made it holds its lock while it is filled: so nobody takes it for left over.
        with self.server.administration() as admin:
            there = _is_there(admin, item.name)
            if self.wanted.in_place and there and item.dump.kind == "custom":
                over = Manner(1, manner.owners, manner.tablespaces, over=True, wishes=item.wishes)
                with subscriptions.detached(self.server, item.name, self.reporter):
                    loading.load(
                        self.server, item.name, item.dump, item.body, over, self.reporter, client, ends
                    )
                return item.name
            for left in beside.sweep(self.server, admin, item.name):
                self.reporter.note(_("Removed “{name}”, left by an interrupted restore.").format(name=left))
            name = self._name_for(admin, item, there)
            like = item.facts.get("properties") or (catalog.properties(admin, item.name) if there else {})
            beside.create(admin, name, item.name, like, self.point.id)
            undo.callback(self._drop, name)
            self._make_schemas(name, item)
            loading.load(self.server, name, item.dump, item.body, manner, self.reporter, client, ends)
            with self.server.session(name) as session:
                session.execute("analyze", _("Gathering statistics"))
                roles.settle(admin, session, self.target.roles)
            self._dress(admin, name, item, like)
        return name

    def _make_schemas(self, name: str, item: Item) -> None:
        """A dump of chosen tables has them without their schemas."""
        if not self.point.facts.get("tables_only"):
            return
        with self.server.session(name) as session:
            for schema in {fact["schema"] for fact in item.facts.get("tables", {}).values()}:
                session.execute(f"create schema if not exists {identifier(schema)}")

    def _name_for(self, admin: Session, item: Item, there: bool) -> str:
        if self.target.database:
            return self.target.database
        if self.wanted.in_place or (self.target.elsewhere and not self.target.scratch):
            return beside.fresh_name(admin, item.name, catalog.BESIDE) if there else item.name
        return beside.fresh_name(admin, item.name, catalog.BESIDE)

    def _dress(self, admin: Session, name: str, item: Item, like: Mapping[str, Any]) -> None:
        final = name in {item.name, self.target.database}
        statements = catalog.dress_database(name, {**like, "comment": None}, self.target.roles)
        for statement in statements if self.target.owners else ():
            try:
                admin.execute(statement)
            except HaechiError as problem:
                self.reporter.warn(problem.message)
        admin.execute(
            beside.comment(name, like.get("comment"))
            if final
            else beside.marking(
                name,
                item.name,
                beside.PART if item.wishes else beside.RESTORED,
                point=self.point.id,
                comment=like.get("comment"),
            )
        )

    def _drop(self, name: str) -> None:
        with self.server.administration() as admin:
            beside.drop(self.server, admin, name)

    def _chosen(self, item: Item) -> list[str] | None:
        """The tables that came back; None where all did."""
        if not item.wishes:
            return None
        return [
            table
            for table, fact in item.facts.get("tables", {}).items()
            if any(w.schema == fact["schema"] and w.table in (None, fact["name"]) for w in item.wishes)
        ]

    def _compare(self, item: Item, name: str) -> list[Comparison]:
        with (
            self.reporter.step(_("Comparing {name}").format(name=name), unit=""),
            self.server.session(name) as session,
        ):
            comparisons = facts.compare(session, item.facts, self._chosen(item))
            asked = [c for c in self.target.checks if c.database in (None, item.name)]
            return comparisons + [checks.ask(self.server, name, check) for check in asked]

    def _put_in_place(self, made: Sequence[tuple[Item, str]], comparisons: Sequence[Comparison]) -> None:
        """What came back beside although it was wanted in place takes the place now, if it is what was saved."""
        waiting = [item for item, name in made if name != item.name]
        if waiting and not all(c.equal for c in comparisons):
            self.reporter.warn(_("What came back differs from what was saved, so it was not put in place."))
            return
        for item in waiting:
            beside.swap(self.server, item.name)


def items(
    point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, alone: str | None = None
) -> list[Item]:
    """The databases of this point that are wanted, each with its dump. Raises NotThere.

    `alone`: the one database of the plan, which a dump that does not say whose it is is taken for.
    """
    known: Mapping[str, Mapping[str, Any]] = point.facts.get("databases", {})
    wishes = _wishes(wanted.only)
    dumps = {name: part for name, part in parts.items() if name != dump.GLOBALS}
    found: dict[str, Item] = {}
    nameless = len(dumps) == 1 and not known
    for name, part in dumps.items():
        owner = next((d for d, fact in known.items() if fact.get("part") == name), None)
        if wishes and owner and owner not in wishes:
            continue
        brought = incoming.recognise(part)
        stem = _stem(name)
        called = owner or (_named(stem, alone, wishes) if nameless else stem)
        for database, body in _bodies(brought, owner, called, known):
            found[database] = Item(database, brought, body, known.get(database, {}), wishes.get(database, ()))
    chosen = [item for name, item in found.items() if not wishes or name in wishes]
    for name in wishes or ([] if found else [point.service]):
        if name not in found:
            raise NotThere(
                _("There is no database “{name}” in this point.").format(name=name),
                hint=_("There are: {names}").format(names=", ".join(found) or "-"),
            )
    for item in chosen:
        if item.wishes and item.dump.kind == "sql":
            raise UsageMistake(
                _("Single tables cannot be taken out of SQL text."),
                hint=_(
                    "Restore the whole database beside and take the table from there, or use format = custom."
                ),
            )
    return chosen


def _bodies(
    brought: Incoming, owner: str | None, called: str, known: Mapping[str, Any]
) -> list[tuple[str, str | None]]:
    """The databases in one dump: (name, name within the script if it holds several)."""
    if brought.kind == "custom":
        return [(called, None)]
    with brought.open() as stream:
        beginning = script.peek(stream)
    if not script.is_of_many(beginning):
        return [(called, None)]
    if owner:
        return [(owner, owner)]
    if known:
        return [(name, name) for name in known]
    with brought.open() as stream:
        return [(name, name) for name in script.names(stream)]


def _named(stem: str, alone: str | None, wishes: Mapping[str, Any]) -> str:
    """What to call the database of a dump that does not say it: as asked for, as the plan does, as its file."""
    if stem in wishes:
        return stem
    return alone or (next(iter(wishes)) if len(wishes) == 1 else stem)


def _stem(part: str) -> str:
    """The name of a file without its endings: all that a foreign dump says about its database."""
    name = PurePosixPath(part).name
    while PurePosixPath(name).suffix in {
        ".gz",
        ".zst",
        ".sql",
        ".dump",
        ".pgdump",
        ".backup",
        ".tar",
        ".gpg",
    }:
        name = PurePosixPath(name).stem
    return name


def _wishes(only: Sequence[str]) -> dict[str, tuple[Wish, ...]]:
    """`shop`, `shop:public.orders`, `shop:sales.*` by database."""
    wishes: dict[str, tuple[Wish, ...]] = {}
    for text in only:
        database, colon, rest = text.partition(":")
        before = wishes.get(database, ())
        wishes[database] = (*before, Wish.parse(rest)) if colon else before
    return wishes


def _is_there(session: Session, name: str) -> bool:
    return bool(session.rows(f"select 1 from pg_database where datname = {literal(name)}"))
