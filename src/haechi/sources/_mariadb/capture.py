"""Dumps databases, each under a snapshot of its own, and counts them under the same one where that may be had."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fnmatch import fnmatchcase
from typing import Any, BinaryIO, cast

from haechi import clock
from haechi.errors import HaechiError, NotThere
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import PartInfo
from haechi.sources._base import Capture, Part
from haechi.sources._mariadb import facts
from haechi.sources._mariadb.beside import marked
from haechi.sources._mariadb.options import Options
from haechi.sources._mariadb.server import Server, Session, literal, translated

FORM = "sql"
ENDING = ".sql"
EVENTS = ".events.sql"  # apart: what comes back beside must not begin to act by itself
_BEGUN = 2048  # bytes: more than the head that is written before the dump has its snapshot
_PATIENCE = 5  # seconds for a lock on everything; whoever writes for longer is not to be held up


def databases(server: Server, options: Options, named: str) -> list[str]:
    """Those that a capture would take now. Raises NotThere when one that is named is not."""
    there = [row[0] for row in server.rows("show databases")]
    wanted = options.databases or ((named,) if named else "all")
    if wanted != "all":
        if lost := [name for name in wanted if name not in there]:
            raise NotThere(
                _("There is no database “{name}”.").format(name=lost[0]),
                hint=_("There are: {names}").format(names=", ".join(there)),
            )
        return list(wanted)
    beside = {one.name for one in marked(server)}
    return [
        name
        for name in there
        if not facts.system(name)
        and name not in beside
        and not any(fnmatchcase(name, pattern) for pattern in options.exclude_databases)
    ]


@contextmanager
def capture(server: Server, names: Sequence[str], options: Options, reporter: Reporter) -> Iterator[Capture]:
    with ExitStack() as stack:
        dumps = {name: _Dump(server, name, options, stack, reporter) for name in names}
        parts = [
            Part(PartInfo(f"{name}{ENDING}", FORM), dump.open, dump.size) for name, dump in dumps.items()
        ]
        parts += [
            Part(PartInfo(f"{name}{EVENTS}", FORM), dump.events)
            for name, dump in dumps.items()
            if dump.has_events
        ]
        yield Capture(
            clock.now(), parts, lambda: {"databases": {name: dump.facts() for name, dump in dumps.items()}}
        )


class _Dump:
    """One database on its way."""

    def __init__(self, server: Server, name: str, options: Options, stack: ExitStack, reporter: Reporter):
        self._server, self._name, self._options = server, name, options
        self._stack, self._reporter = stack, reporter
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._before: dict[str, Any] = {}
        about = server.rows(
            "select default_character_set_name, default_collation_name,"
            " (select coalesce(sum(data_length), 0) from information_schema.tables where table_schema ="
            f" {literal(name)}), (select count(*) from information_schema.events where event_schema ="
            f" {literal(name)}) from information_schema.schemata where schema_name = {literal(name)}"
        )[0]
        self._about = {"charset": about[0], "collation": about[1], "events": int(about[3])}
        self.size = int(about[2]) or None
        self.has_events = int(about[3]) > 0

    def open(self) -> BinaryIO:
        words = ["--single-transaction", "--quick", "--hex-blob", "--routines", "--triggers", "--skip-events"]
        words += [
            "--default-character-set=utf8mb4",
            "--skip-dump-date",
            *self._own,
            *self._options.dump_options,
        ]
        if self._options.facts == "none":
            return self._begin(words)[0]
        with self._lock, ExitStack() as held:
            may_hold = self._hold_everybody(held)
            stream, started = self._begin(words)
            if not may_hold:
                return stream
            started()
            self._session = self._stack.enter_context(self._server.session())
            self._session.execute("set session transaction isolation level repeatable read")
            self._session.execute("start transaction with consistent snapshot")
            return stream

    def events(self) -> BinaryIO:
        words = ["--events", "--no-data", "--no-create-info", "--skip-triggers", "--skip-routines"]
        return self._begin([*words, "--default-character-set=utf8mb4", "--skip-dump-date", *self._own])[0]

    def facts(self) -> dict[str, Any]:
        depth = self._options.facts
        if depth == "none":
            return self._about
        if self._session is not None:
            counted = facts.count(self._session.execute, self._name, depth)
            return {**self._about, **counted, "snapshot": "same"}
        # Without the right to a lock: what was the same before and after was the same in between.
        counted = facts.agreeing(self._before, facts.count(self._ask, self._name, depth))
        return {**self._about, **counted, "snapshot": "around"}

    def _ask(self, sql: str) -> list[list[str]]:
        return self._server.rows(sql)

    @property
    def _own(self) -> list[str]:
        """MySQL's program writes about replication and column statistics what no other server reads."""
        if self._server.dump == "mysqldump" and "mariadb" not in self._server.version.lower():
            return ["--set-gtid-purged=OFF", "--no-tablespaces"]
        return []

    def _hold_everybody(self, held: ExitStack) -> bool:
        """Nobody writes until the dump and the counting have begun: some milliseconds. False if that may not be had;
        then it is counted at once, and again afterwards."""
        try:
            session = held.enter_context(self._server.session())
            session.execute(f"set session lock_wait_timeout = {_PATIENCE}")
            session.execute("flush tables with read lock")
        except HaechiError:
            self._before = facts.count(self._ask, self._name, self._options.facts)
            return False
        return True

    def _begin(self, words: list[str]) -> tuple[BinaryIO, Any]:
        running = self._stack.enter_context(self._server.dumping(*words, self._name))
        stream = _Stream(running, _("Dumping the database “{name}”").format(name=self._name))
        return cast(BinaryIO, stream), stream.wait_until_begun


class _Stream(io.RawIOBase):
    """The dump, with the program's complaints as ours."""

    def __init__(self, output: BinaryIO, doing: str):
        self._output = output
        self._doing = doing
        self._ahead = b""

    def readable(self) -> bool:
        return True

    def wait_until_begun(self) -> None:
        """Until it has written more than its head, so that its snapshot is taken."""
        with translated(self._doing):
            while len(self._ahead) < _BEGUN and (data := self._output.read(1 << 16)):
                self._ahead += data

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self._ahead:
            count = min(len(view), len(self._ahead))
            view[:count] = self._ahead[:count]
            self._ahead = self._ahead[count:]
            return count
        with translated(self._doing):
            return int(cast(Any, self._output).readinto(view))

    def close(self) -> None:
        if not self.closed:
            with suppress(HaechiError):
                self._output.close()
        super().close()
