"""Brings a point back by mongorestore, in the place of the service.

It is fed what it is to restore and nothing else, under the names that it is to have: so the programs need no options
that would differ between their versions. What came back is compared by dumping it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from haechi.errors import NotVerified, SourceChanged
from haechi.fileio import Pieces
from haechi.i18n import _
from haechi.process import Output
from haechi.sources._mongodb import facts, layout, oplog, raw, reading, rewriting
from haechi.sources._mongodb.archive import OPLOG, Entry, Name
from haechi.sources._mongodb.incoming import opened
from haechi.sources._mongodb.layout import Layout
from haechi.sources._mongodb.placing import Placing
from haechi.sources._mongodb.reading import End, Prelude
from haechi.sources._mongodb.restoring import Restoring, known_facts
from haechi.sources._mongodb.rewriting import Rewriter
from haechi.sources._mongodb.toolcapture import said
from haechi.sources._mongodb.tools import Shell, Tools

_FAILED = re.compile(r"(\d+) document\(s\) failed to restore")


@dataclass
class ToolRestore(Restoring):
    """One restore under way."""

    server: Shell
    tools: Tools

    def look(self, placing: Placing) -> Prelude:
        """Among what is in use nothing is begun with an archive that has not been read to its end."""
        with opened(self.part) as stream:
            return rewriting.checked(stream) if placing.inside else reading.contents(stream)

    def fill(self, places: Layout, placing: Placing, *, late: bool) -> None:
        log = OPLOG in places.prelude.entries
        self._load(
            places,
            views=not late and not placing.inside,
            log=not late and log,
            users=not late and self._users(placing),
        )

    def _users(self, placing: Placing) -> bool:
        return self.target.users and not self.wanted.only and not self.passing and not placing.is_beside

    def _load(self, places: Layout, *, views: bool, log: bool, users: bool) -> None:
        def wanted(name: Name) -> bool:
            if layout.is_authority(name):
                return users
            return name in places.entries and (views or not places.entries[name].is_view)

        replaying = log and bool((self.point.facts.get("oplog") or {}).get("entries", 1))
        rewriter = Rewriter(
            wanted,
            lambda name: name if layout.is_authority(name) else places.target(name),
            self._entry(places) if replaying else None,
            document=self._missing_user if users else None,
        )
        arguments = ["--archive", "--stopOnError", "--bypassDocumentValidation"]
        arguments += ["--oplogReplay"] if replaying else []
        title = _("Loading {name}").format(name=", ".join(sorted(set(places.databases.values()))))
        with (
            self.reporter.step(title, total=self.part.info.size or None) as step,
            opened(self.part) as stream,
        ):
            events = reading.read(stream)
            pieces = Pieces(_counted(rewriter.pieces(events), step.advance))
            self._mongorestore(arguments, io.BufferedReader(pieces, 1 << 20))
        self._compare(places, rewriter, replayed=replaying and rewriter.logged > 0)

    def _entry(self, places: Layout) -> Callable[[bytes], bytes | None]:
        def entry(one: bytes) -> bytes | None:
            try:
                kept = oplog.relevant(one, places.wanted, {})
            except SourceChanged:
                kept = one  # mongorestore may know what to do with it
            return None if kept is None else rewriting.renamed_entry(kept, places.target)

        return entry

    def _missing_user(self, name: Name, document: bytes) -> bool:
        """Those that are there are left as they are."""
        kind = name[1].rpartition(".")[2]
        if kind == "version":
            return True
        key = raw.text(dict(raw.fields(document)).get(b"_id"))
        doing = _("Reading users and roles")
        asked = {"find": f"system.{kind}", "filter": {"_id": key}, "projection": {"_id": 1}}
        return not list(self.server.listed("admin", asked, doing))

    def _mongorestore(self, arguments: list[str], stream: BinaryIO) -> None:
        doing = _("Loading by mongorestore failed")
        with said(doing), self.tools.start("mongorestore", arguments, stream) as running:
            while running.stdout.read(1 << 16):
                pass  # it writes nothing, but a full pipe would stop it
            running.check()
            lost = _FAILED.search(running.said)
        if lost and lost[1] != "0":
            raise NotVerified(
                _("mongorestore did not restore {count} documents.").format(count=lost[1]),
                hint=_("The lines below are what the program said; the server's log may hold more."),
                detail=running.said,
            )

    # -- comparing ------------------------------------------------------------------------------------------------

    def _compare(self, places: Layout, rewriter: Rewriter, *, replayed: bool) -> None:
        """With the facts of the point; where there are none, with what the archive held."""
        known = known_facts(self.point)
        touched = (self.point.facts.get("oplog") or {}).get("touched", {}) if replayed else {}
        there: dict[Name, Mapping[str, Any]] = {}
        with self.reporter.step(_("Comparing {name}").format(name=self.point.service), unit=""):
            for database in dict.fromkeys(places.databases.values()):
                there |= self._dumped(database)
        for name, total in rewriter.sums.items():
            if name not in places.entries or ".".join(name) in touched:
                continue
            expected = known.get(name) or facts.of(places.entries[name], total, True)
            self.comparisons += facts.differing(name, expected, there.get(places.target(name), {}))

    def _dumped(self, database: str) -> dict[Name, Mapping[str, Any]]:
        """The facts about a database of the target, from a dump that goes nowhere."""
        found: dict[Name, Mapping[str, Any]] = {}
        with (
            said(_("Comparing {name}").format(name=database)),
            self.tools.start("mongodump", ["--archive", f"--db={database}"]) as running,
        ):
            entries: Mapping[Name, Entry] = {}
            prelude: Prelude | None = None
            for event in reading.read(io.BufferedReader(Output(running), 1 << 20)):
                if isinstance(event, Prelude):
                    prelude, entries = event, event.entries
                elif isinstance(event, End) and prelude and (entry := prelude.entry(event.name)):
                    found[entry.name] = facts.of(entries[entry.name], event.sum, True)
        return found


def _counted(pieces: Iterator[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        advance(len(piece))
        yield piece
