"""What was written while the collections were read: taken from the oplog, so that all of them come to one moment.

Collections are read one after another, each as it is then. Every change from before the first was read until after
the last, applied again in order, brings all of them to the state of that last moment; applying what was already in
makes no difference. Changes that could not be applied again are seen here, while there still is a database to dump.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bson import Timestamp

from haechi.errors import SourceChanged, UsageMistake
from haechi.i18n import _
from haechi.sources._mongodb import delta, problems, raw, reader
from haechi.sources._mongodb.archive import Name
from haechi.sources._mongodb.catalog import Chosen
from haechi.sources._mongodb.raw import Value
from haechi.sources._mongodb.server import Server

_LOG: Name = ("local", "oplog.rs")
# Commands that can be applied again, by the first field of what they say.
REPLAYED = {
    b"create", b"drop", b"createIndexes", b"commitIndexBuild", b"dropIndexes", b"deleteIndexes", b"dropDatabase",
    b"applyOps", b"commitTransaction", b"abortTransaction",
}  # fmt: skip
PASSED_OVER = {b"startIndexBuild", b"abortIndexBuild"}  # what comes of them is told by others


def newest(server: Server) -> Timestamp:
    """From where on changes matter: right after the last one so far, or with the first of those transactions that
    are under way."""
    doing = _("Reading the oplog")
    with problems.translated(doing):
        last = server.client[_LOG[0]][_LOG[1]].find_one({}, {"ts": 1}, sort=[("$natural", -1)])
        if last is None:
            raise UsageMistake(
                _("This server has no oplog: it is no member of a replica set."),
                hint=_("Leave `oplog` out of the plan, or make it a replica set of one: rs.initiate()."),
            )
        running = server.client["config"]["transactions"].find_one(
            {"state": {"$in": ["prepared", "inProgress"]}}, {"startOpTime": 1}, sort=[("startOpTime", 1)]
        )
    began = ((running or {}).get("startOpTime") or {}).get("ts")
    after = Timestamp(last["ts"].time, last["ts"].inc + 1)
    return min(after, began) if began else after


@dataclass
class Taken:
    """The changes of a capture, read once by `entries`; the facts count them afterwards."""

    server: Server
    since: Timestamp
    until: Timestamp
    chosen: Chosen
    touched: dict[str, int] = field(default_factory=dict)
    count: int = 0

    def entries(self) -> Iterator[bytes]:
        """Those that concern what is captured. Raises SourceChanged for one that could not be applied again."""
        query = {"ts": {"$gte": self.since, "$lte": self.until}}
        for batch in reader.batches(self.server, _LOG, 1000, query):
            for entry in raw.documents(batch):
                kept = relevant(entry, self.chosen, self.touched)
                if kept is not None:
                    self.count += 1
                    yield kept

    def facts(self) -> dict[str, Any]:
        return {
            "from": [self.since.time, self.since.inc],
            "until": [self.until.time, self.until.inc],
            "entries": self.count,
            "touched": self.touched,
        }


def take(server: Server, since: Timestamp, chosen: Chosen) -> Taken:
    """From that moment until now. Raises SourceChanged when the oplog does not reach back so far any more."""
    with problems.translated(_("Reading the oplog")):
        log = server.client[_LOG[0]][_LOG[1]]
        until = log.find_one({}, {"ts": 1}, sort=[("$natural", -1)])
        oldest = log.find_one({}, {"ts": 1}, sort=[("$natural", 1)])
    if not until or not oldest or oldest["ts"] > since:
        raise SourceChanged(
            _("More was written during the dump than the oplog holds."),
            hint=_("Make it larger: db.adminCommand({{replSetResizeOplog: 1, size: MEGABYTES}}).").format(),
        )
    return Taken(server, since, until["ts"], chosen)


def relevant(entry: bytes, chosen: Chosen, touched: dict[str, int]) -> bytes | None:
    """The entry, or as much of it as concerns chosen namespaces; None if nothing does."""
    content = dict(raw.fields(entry))
    kind, name = raw.text(content.get(b"op")), split(raw.text(content.get(b"ns")))
    if kind == "n" or not name[0]:
        return None
    if kind in "iud":
        # A time series is packed anew with every measurement: it stays as it was when it was read.
        if name[1].startswith("system.") and name[1] != "system.js":
            return None
        if not chosen(name):
            return None
        if kind == "u" and not delta.understood(content[b"o"][1]):
            _demand_again(_("an update of “{name}” in a form that is not known").format(name=".".join(name)))
        _touch(touched, name)
        return entry
    if kind == "c":
        return _command(entry, content, name, chosen, touched)
    _demand_again(_("an entry of a kind that is not known: {kind}").format(kind=kind))
    return None


def _command(
    entry: bytes, content: dict[bytes, Value], name: Name, chosen: Chosen, touched: dict[str, int]
) -> bytes | None:
    said = dict(raw.fields(content[b"o"][1]))
    verb = next(iter(said))
    if verb == b"applyOps":
        inside = [(n, v) for n, v in raw.fields(said[verb][1])]
        kept = [k for _n, (_t, one) in inside if (k := relevant(one, chosen, touched)) is not None]
        if not kept and not _ends_transaction(said):
            return None
        said[verb] = (
            raw.ARRAY,
            raw.document((str(n).encode(), (raw.DOCUMENT, k)) for n, k in enumerate(kept)),
        )
        content[b"o"] = (raw.DOCUMENT, raw.document(said))
        return raw.document(content)
    if verb in (b"commitTransaction", b"abortTransaction"):
        return entry
    whose = (name[0], raw.text(said[verb]))
    if verb == b"dropDatabase":
        return entry if chosen((name[0], "")) else None
    if whose[1].startswith("system.") or not chosen(whose) or verb in PASSED_OVER:
        return None
    if verb not in REPLAYED:
        _demand_again(
            _("“{command}” of “{name}”").format(command=verb.decode(errors="replace"), name=".".join(whose))
        )
    _touch(touched, whose)
    return entry


def _ends_transaction(said: dict[bytes, Value]) -> bool:
    """The last of several entries of one transaction, or one that waits for its commit."""
    return b"count" in said or b"prevOpTime" in said or b"partialTxn" in said or b"prepare" in said


def split(namespace: str) -> Name:
    database, _dot, collection = namespace.partition(".")
    return database, collection


def _touch(touched: dict[str, int], name: Name) -> None:
    full = ".".join(name)
    touched[full] = touched.get(full, 0) + 1


def _demand_again(what: str) -> None:
    raise SourceChanged(
        _("Something was done during the dump that cannot be done again from the oplog: {what}.").format(
            what=what
        ),
        hint=_("Run it again when no migration is under way, or set `oplog = false` in the plan."),
    )
