"""Brings collections back: beside those that are there, under a name that says it is not complete until it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from haechi import clock
from haechi.errors import AlreadyThere, HaechiError, NotThere
from haechi.events import Reporter, Step
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.sources._base import Comparison, PartReader, Wanted
from haechi.sources._milvus import columns, making, names, reading, searching
from haechi.sources._milvus.definition import Definition, indexed
from haechi.sources._milvus.digest import Digest
from haechi.sources._milvus.driver import messages
from haechi.sources._milvus.options import Target
from haechi.sources._milvus.server import Refused, Server
from haechi.sources._milvus.unpacking import unpack

_TRIES = 60  # while the server says that it has enough to do
_BUSY = ("rate limit", "ratelimit", "quota")


@dataclass
class Coming:
    """One collection that came back, not yet under the name that it is to have."""

    definition: Definition
    database: str
    under_way: str
    comparisons: list[Comparison]

    @property
    def equal(self) -> bool:
        return all(c.equal for c in self.comparisons)


@dataclass
class Restore:
    server: Server
    point: RestorePoint
    target: Target
    wanted: Wanted
    reporter: Reporter
    state: str = names.RESTORED  # what those that came back are called as
    alone: threading.Lock = field(default_factory=threading.Lock)

    def bring(self, parts: Sequence[PartReader], undo: ExitStack) -> list[Coming]:
        """All of them or none: what was made goes again with the stack."""
        if len(parts) < 2:
            return [self._one(part, undo) for part in parts]
        # Most of the time of each is waiting for the server to write out, to index and to load.
        with ThreadPoolExecutor(max(1, self.wanted.jobs), thread_name_prefix="collection") as pool:
            under_way = [pool.submit(self._one, part, undo) for part in parts]
            try:
                return [one.result() for one in under_way]
            except BaseException:
                for one in under_way:
                    one.cancel()
                raise

    def settle(self, coming: Sequence[Coming]) -> dict[str, str]:
        """Each gets the name that says it is complete; by the names in use, what they are called now."""
        found = {}
        for one in coming:
            it = one.definition
            there = _there(self.server, one.database)
            final = it.name if self.target.elsewhere else names.fresh(it.name, self.state, there)
            self.server.call(
                "RenameCollection", one.database, oldName=one.under_way, newName=final, seconds=600
            )
            found[names.shown(one.database, it.name)] = names.shown(one.database, final)
            for alias in it.aliases if self.state != names.DRILL else ():
                making.alias(self.server, one.database, alias, final)
        return found

    def _one(self, part: PartReader, undo: ExitStack) -> Coming:
        with self.reporter.step(part.info.name, part.info.size or None) as step, part.open() as stream:
            unpacked = unpack(stream)
            it = unpacked.definition
            database = self.target.database or it.database
            with self.alone:
                if making.make_database(self.server, database):
                    undo.callback(self._drop_database, database)
            there = _there(self.server, database)
            if self.target.elsewhere and it.name in there:
                raise AlreadyThere(
                    _("The collection {name} is there already.").format(name=names.shown(database, it.name)),
                    hint=_("Bring it into another database: --to database=NAME"),
                )
            self._sweep(database, it.name, there)
            under_way = names.fresh(it.name, names.UNDER_WAY, there)
            undo.callback(self._drop, database, under_way)
            new_ids = making.create(self.server, it, database, under_way, keep_ids=self.target.ids == "keep")
            if it.makes_keys and not new_ids:
                self._tell_of_keys(it, database, under_way)
            self._insert(it, database, under_way, unpacked.rows, new_ids, step)
        server = self.server
        with self.reporter.step(_("Indexing {name}").format(name=it.full_name), unit=""):
            server.flush(database, [under_way])
            making.index(server, it, database, under_way, self.reporter)
        facts = self.point.facts.get("collections", {}).get(part.info.name, {})
        comparisons: list[Comparison] = []
        if "indexes" in facts:
            found = indexed(server, database, under_way)
            comparisons.append(Comparison(f"{it.full_name}: indexes", facts["indexes"], found))
        if any(searching.index_of(it, c) for c in it.columns if c.kind.endswith("Vector")):
            with self.reporter.step(_("Comparing {name}").format(name=it.full_name), unit=""):
                server.load(database, under_way, [])
                comparisons += compare(server, it, database, under_way, facts, keyed=not new_ids)
                if not it.loaded:
                    server.call("ReleaseCollection", database, collection_name=under_way)
        return Coming(it, database, under_way, comparisons)

    def _insert(
        self,
        it: Definition,
        database: str,
        name: str,
        rows: Iterator[tuple[str, Any]],
        new_ids: bool,
        step: Step,
    ) -> None:
        """A few at once: one more is read when one is done."""
        under_way: set[Future[int]] = set()
        with ThreadPoolExecutor(max(1, self.wanted.jobs), thread_name_prefix="insert") as pool:
            try:
                for partition, table in rows:
                    if len(under_way) > self.wanted.jobs:
                        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                        for one in done:
                            step.advance(one.result())
                    under_way.add(pool.submit(self._put, it, database, name, partition, table, new_ids))
                for one in under_way:
                    step.advance(one.result())
            except BaseException:
                for one in under_way:
                    one.cancel()
                raise

    def _put(
        self, it: Definition, database: str, name: str, partition: str, table: Any, new_ids: bool
    ) -> int:
        fields = []
        for column in it.columns:
            if column.primary and new_ids:
                continue
            message = messages().schema.FieldData()
            columns.to_message(column, table.column(column.name).combine_chunks(), message)
            fields.append(message)
        for left in reversed(range(_TRIES)):
            try:
                answer = self.server.call(
                    "Insert",
                    database,
                    seconds=600,
                    collection_name=name,
                    partition_name=partition,
                    fields_data=fields,
                    num_rows=table.num_rows,
                )
                break
            except Refused as problem:
                # Refused before anything was taken: only then may it be said again.
                if not left or not any(word in problem.message.lower() for word in _BUSY):
                    raise
                clock.sleep(1.0)
        if answer.insert_cnt != table.num_rows:
            raise Refused(
                _("Milvus took {count} of {rows} rows.").format(count=answer.insert_cnt, rows=table.num_rows)
            )
        return int(table.nbytes)

    def _tell_of_keys(self, it: Definition, database: str, name: str) -> None:
        made = self.server.call("DescribeCollection", database, collection_name=name).schema
        if not any(field.autoID for field in made.fields):
            self.reporter.warn(
                _(
                    "{name}: this version of Milvus takes no keys where it makes them itself, so the collection came "
                    "back with its keys and makes no new ones. With --to ids=new it makes them, for every row anew."
                ).format(name=it.full_name)
            )

    def _sweep(self, database: str, name: str, there: Sequence[str]) -> None:
        """What a killed restore has left: two of one service never run at once."""
        for other in there:
            found = names.read(database, other)
            if found and found.original == name and found.state in (names.UNDER_WAY, names.DRILL):
                self._drop(database, other)
                self.reporter.note(_("Removed “{name}”, left by an interrupted restore.").format(name=other))

    def _drop(self, database: str, name: str) -> None:
        with suppress(HaechiError):
            self.server.call("DropCollection", database, collection_name=name, seconds=600)

    def _drop_database(self, database: str) -> None:
        with suppress(HaechiError):
            self.server.call("DropDatabase", database)


def compare(
    server: Server, it: Definition, database: str, name: str, facts: Mapping[str, Any], *, keyed: bool
) -> list[Comparison]:
    """What came back, read again from the server, with what was counted when it was saved."""
    if "count" not in facts:
        return []
    shown = it.full_name
    here = replace(it, database=database)
    compared = [Comparison(f"{shown}: rows", facts["count"], server.count(database, name))]
    for partition, rows in facts.get("partitions", {}).items():
        if partition and len(facts["partitions"]) > 1:
            found = server.count(database, name, partition=partition)
            compared.append(Comparison(f"{shown}/{partition}: rows", rows, found))
    if "digest" in facts:
        digest = Digest(it.columns)
        for lane in reading.lanes(here):
            for table in reading.pages(server, here, lane, server.now(), name=name):
                digest.add(table)
        how = "keyed" if keyed else "rows"
        compared.append(Comparison(f"{shown}: digest", facts["digest"][how], digest.facts[how]))
    return compared + searching.compare(server, here, name, facts.get("searches", []), keyed=keyed)


def wanted_parts(parts: Mapping[str, PartReader], only: Sequence[str]) -> list[PartReader]:
    """All, or those that were asked for. Raises NotThere."""
    for asked in only:
        if asked not in parts:
            raise NotThere(
                _("This restore point has no {names}.").format(names=asked),
                hint=_("It has: {parts}").format(parts=", ".join(parts)),
            )
    return [parts[name] for name in only or parts]


def _there(server: Server, database: str) -> list[str]:
    return list(server.call("ShowCollections", database).collection_names)
