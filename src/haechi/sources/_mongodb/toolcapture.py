"""A capture by mongodump, in the place of the service: its archive is read as it passes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from haechi import clock
from haechi.errors import Damaged, NotThere, ProgramFailed
from haechi.events import Reporter
from haechi.fileio import Pieces
from haechi.i18n import _
from haechi.model import PartInfo
from haechi.process import Output
from haechi.sources._base import Capture, Part, Probe
from haechi.sources._mongodb import facts, layout, oplog, problems, reading
from haechi.sources._mongodb.archive import Name
from haechi.sources._mongodb.capture import FORM, is_whole
from haechi.sources._mongodb.catalog import chooser
from haechi.sources._mongodb.options import Options
from haechi.sources._mongodb.reading import Event, Prelude
from haechi.sources._mongodb.rewriting import Rewriter
from haechi.sources._mongodb.tools import Tools

_NO_SUCH = "haechi_probe"  # a collection that nobody has: its dump connects, logs in and is empty


@contextmanager
def capture(tools: Tools, part: str, options: Options, reporter: Reporter) -> Iterator[Capture]:
    with ExitStack() as stack:
        dump = ToolDump(tools, options, reporter, stack)
        yield Capture(
            clock.now(), [Part(PartInfo(part, FORM), dump.open)], lambda: {"part": part, **dump.facts()}
        )


def probe(tools: Tools, options: Options) -> Probe:
    """Connect and log in as a capture will. Raises what it would."""
    alone = _alone(options, tools.address.database)
    arguments = ["--archive", f"--db={alone or 'admin'}", f"--collection={_NO_SUCH}"]
    with (
        said(_("Looking at {server}").format(server=tools.address.shown)),
        tools.start("mongodump", arguments) as running,
        io.BufferedReader(Output(running)) as stream,
    ):
        data = stream.read()
    found = reading.contents(io.BytesIO(data)) if data else Prelude({}, "", "")
    details = {"client": f"mongodump {found.tool_version}".strip(), "mongosh": tools.has("mongosh")}
    return Probe(version=found.server_version, details=details)


@contextmanager
def said(doing: str) -> Iterator[None]:
    """What the programs say, as our errors."""
    try:
        yield
    except ProgramFailed as problem:
        if not problem.detail:
            raise
        raise problems.explain_said(problem.detail, doing) from problem


def _alone(options: Options, named: str | None) -> str | None:
    """The one database, for mongodump's --db. With the oplog it must be given all."""
    wanted = options.databases or ((named,) if named else "all")
    return wanted[0] if wanted != "all" and len(wanted) == 1 and not options.oplog else None


@dataclass
class ToolDump:
    """One dump under way."""

    tools: Tools
    options: Options
    reporter: Reporter
    stack: ExitStack
    _touched: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named = self.tools.address.database
        wanted = self.options.databases or ((named,) if named else "all")
        self._named = () if wanted == "all" else wanted
        self._chosen = chooser(self.options, self._named or None)
        whole = is_whole(self.options, named)
        self._users = whole if self.options.users is None else self.options.users
        self._db = _alone(self.options, named)
        self._rewriter = Rewriter(self._wanted, begun=self._begun)

    def _wanted(self, name: Name) -> bool:
        return self._users if layout.is_authority(name) else self._chosen(name)

    def open(self) -> BinaryIO:
        return io.BufferedReader(Pieces(self._pieces()), 1 << 20)

    def _pieces(self) -> Iterator[bytes]:
        doing = _("The dump failed")
        try:
            with said(doing):
                yield from self._rewriter.pieces(self._events())
        except Damaged as problem:
            raise ProgramFailed(
                _("{doing}: {reason}").format(doing=doing, reason=problem.message),
                hint=_("mongodump wrote what cannot be read. Look at its version: mongodump --version"),
                retryable=True,
            ) from problem

    def _events(self) -> Iterator[Event]:
        """Of a dump with the oplog, where there is one."""
        wished = self.options.oplog if self.options.oplog is not None else self._db is None
        if wished:
            events = self._dump(["--oplog"])
            try:
                first = next(events)
            except ProgramFailed as problem:
                if self.options.oplog or "oplog" not in problem.detail.lower():
                    raise
                self.reporter.note(_("This server has no oplog: each collection is as of when it was read."))
            else:
                self._rewriter.entry = lambda one: oplog.relevant(one, self._chosen, self._touched)
                yield first
                yield from events
                return
        yield from self._dump([])

    def _dump(self, more: list[str]) -> Iterator[Event]:
        arguments = ["--archive", *more, *self.options.dump_options]
        if self._db:
            arguments += [f"--db={self._db}", *(["--dumpDbUsersAndRoles"] if self._users else [])]
        running = self.stack.enter_context(self.tools.start("mongodump", arguments))
        return reading.read(io.BufferedReader(Output(running), 1 << 20))

    def _begun(self, found: Prelude) -> None:
        there = {name[0] for name in found.entries}
        if missing := [name for name in self._named if name not in there]:
            raise NotThere(
                _("There is no database “{name}”.").format(name=missing[0]),
                hint=_("There are: {names}").format(names=", ".join(sorted(there - {""})) or "-"),
            )

    def facts(self) -> Mapping[str, Any]:
        found, prelude = self._rewriter, self._rewriter.prelude
        if not found.done or prelude is None:
            return {}
        told: dict[str, Any] = {
            "server": prelude.server_version,
            "client": f"mongodump {prelude.tool_version}",
        }
        if self.options.facts != "none":
            told["collections"] = {
                ".".join(name): facts.of(prelude.entries[name], total, self.options.facts == "full")
                for name, total in found.sums.items()
            }
        if found.entry:
            told["oplog"] = {"entries": found.logged, "touched": self._touched}
        return told
