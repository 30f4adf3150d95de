"""Applies the oplog's entries of a point to what came back, in order and so that once or twice is the same.

The server's own applyOps is not used: it wants rights that hardly any user has, it would write under the old names,
and it is not there on every server. So each entry is carried out by ordinary writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, ReplaceOne

from haechi.errors import NotVerified
from haechi.i18n import _
from haechi.sources._mongodb import delta, problems, raw
from haechi.sources._mongodb.archive import Name
from haechi.sources._mongodb.layout import Layout
from haechi.sources._mongodb.oplog import PASSED_OVER, split
from haechi.sources._mongodb.raw import Value
from haechi.sources._mongodb.server import Server

_TOGETHER = 500  # inserts and removals that are sent at once
Indexes = dict[Name, list[dict[str, Any]]]


class Replay:
    """The state between entries: writes that wait to be sent, and transactions that wait for their end."""

    def __init__(
        self,
        server: Server,
        layout: Layout,
        indexes: Indexes,
        made: Callable[[Name], object],
        gone: Callable[[Name], object],
    ):
        self._server = server
        self._layout = layout
        self._indexes = indexes  # by names in the point; those that are still to be made
        self._made = made  # told of namespaces that the oplog makes
        self._gone = gone  # and of those that it removes
        self._waiting: list[ReplaceOne[Any] | DeleteOne] = []
        self._of: Name | None = None
        self._transactions: dict[bytes, list[bytes]] = {}
        self.count = 0

    def apply(self, documents: bytes) -> None:
        for entry in raw.documents(documents):
            self._entry(entry)
            self.count += 1

    def _entry(self, entry: bytes) -> None:
        content = dict(raw.fields(entry))
        kind, name = raw.text(content.get(b"op")), split(raw.text(content.get(b"ns")))
        if kind == "c":
            self.flush()
            self._command(content, name)
        elif kind in "iud" and kind and self._layout.wanted(name):
            self._write(kind, self._layout.target(name), content)

    def _write(self, kind: str, name: Name, content: dict[bytes, Value]) -> None:
        change = content[b"o"][1]
        if kind == "i":
            self._send(name, ReplaceOne(_key(change), RawBSONDocument(change), upsert=True))
        elif kind == "d":
            self._send(name, DeleteOne(_key(change)))
        else:
            self._update(name, _key(content[b"o2"][1]), change)

    def _update(self, name: Name, key: RawBSONDocument, change: bytes) -> None:
        self.flush()
        collection = self._server.collection(name)
        with problems.translated(_("Applying the oplog to “{name}”").format(name=".".join(name))):
            if delta.is_modifier(change):
                said = {field: value for field, value in bson.decode(change).items() if field != "$v"}
                collection.update_one(key, said)
                return
            old = collection.find_one(key)
            new = delta.apply(bytes(old.raw) if old is not None else None, change)
            if new is not None:
                # A whole new document says all there is to know, also where the old one is gone again by now.
                collection.replace_one(key, RawBSONDocument(new), upsert=old is None)

    def _send(self, name: Name, write: ReplaceOne[Any] | DeleteOne) -> None:
        if name != self._of or len(self._waiting) >= _TOGETHER:
            self.flush()
        self._of = name
        self._waiting.append(write)

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting and self._of:
            with problems.translated(_("Applying the oplog to “{name}”").format(name=".".join(self._of))):
                self._server.collection(self._of).bulk_write(waiting, ordered=True)

    def finish(self) -> None:
        """What still waits. A transaction that has no end by now was not committed at that moment."""
        self.flush()
        self._transactions.clear()

    # -- commands -----------------------------------------------------------------------------------------------

    def _command(self, content: dict[bytes, Value], name: Name) -> None:
        said = dict(raw.fields(content[b"o"][1]))
        verb = next(iter(said))
        if verb in (b"applyOps", b"commitTransaction", b"abortTransaction"):
            self._transaction(verb, said, content)
            return
        if verb in PASSED_OVER:
            return
        whose = (name[0], raw.text(said[verb]))
        if verb == b"dropDatabase":
            for one in [n for n in self._layout.entries if n[0] == name[0]]:
                self._drop(one)
            return
        if not self._layout.wanted(whose):
            return
        if verb == b"create":
            self._create(whose, said)
        elif verb == b"drop":
            self._drop(whose)
        elif verb in (b"createIndexes", b"commitIndexBuild"):
            self._index(whose, said)
        elif verb in (b"dropIndexes", b"deleteIndexes"):
            gone = raw.text(said.get(b"index"))
            kept = self._indexes.get(whose, [])
            self._indexes[whose] = [] if gone == "*" else [i for i in kept if i["name"] != gone]
        else:
            raise NotVerified(
                _("The oplog of this point holds a change that cannot be applied: {command}.").format(
                    command=verb.decode(errors="replace")
                ),
                hint=_("Restore an older point; or bring this one back with mongorestore --oplogReplay."),
            )

    def _transaction(self, verb: bytes, said: dict[bytes, Value], content: dict[bytes, Value]) -> None:
        """Parts of a large transaction, and one that was prepared, wait until it is known that it was committed."""
        whose = content.get(b"lsid", (0, b""))[1] + content.get(b"txnNumber", (0, b""))[1]
        if verb == b"abortTransaction":
            self._transactions.pop(whose, None)
            return
        inside = [one for _n, (_t, one) in raw.fields(said[verb][1])] if verb == b"applyOps" else []
        gathered = self._transactions.pop(whose, []) + inside
        if raw.truth(said.get(b"partialTxn")) or raw.truth(said.get(b"prepare")):
            self._transactions[whose] = gathered
            return
        for one in gathered:
            self._entry(one)

    def _create(self, whose: Name, said: dict[bytes, Value]) -> None:
        database, collection = target = self._layout.target(whose)
        doing = _("Making the collection “{name}”").format(name=".".join(target))
        if list(self._server.listed(database, {"listCollections": 1, "filter": {"name": collection}}, doing)):
            return
        told = {k: v for k, v in said.items() if k not in (b"create", b"idIndex", b"uuid", b"ui")}
        options = bson.decode(raw.document(told))
        self._server.command(database, {"create": collection, **options}, doing)
        self._made(whose)

    def _drop(self, whose: Name) -> None:
        database, collection = self._layout.target(whose)
        self._indexes.pop(whose, None)
        with problems.translated(_("Applying the oplog to “{name}”").format(name=".".join(whose))):
            self._server.client[database].drop_collection(collection)
        if whose in self._layout.entries:
            self._gone(whose)

    def _index(self, whose: Name, said: dict[bytes, Value]) -> None:
        told = bson.decode(raw.document(said))
        specs = told.get("indexes") or [{k: v for k, v in told.items() if k not in ("createIndexes", "uuid")}]
        known = self._indexes.setdefault(whose, [])
        for spec in specs:
            found = {k: v for k, v in spec.items() if k not in ("entryFormat", "ns")}
            if all(index["name"] != found["name"] for index in known):
                known.append(found)


def _key(document: bytes) -> RawBSONDocument:
    """The `_id` alone, as it is."""
    found = dict(raw.fields(document))[b"_id"]
    return RawBSONDocument(raw.document({b"_id": found}))
