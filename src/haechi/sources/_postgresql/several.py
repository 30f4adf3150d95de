"""Loads a dump by several jobs without spooling it: each reads the rows of its own tables, straight from the copy.

pg_restore's own jobs want a file that they can seek in. Here the rows come by as many programs as there are jobs,
each with a stream of its own; before and after them, pg_restore works from the table of contents alone.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, BinaryIO

from haechi.errors import HaechiError
from haechi.events import Step
from haechi.i18n import _
from haechi.sources._postgresql.blocks import PRE_DATA, Blocks
from haechi.sources._postgresql.feeding import Counting, Scratch, as_lines, run
from haechi.sources._postgresql.server import Server

_RIGHTS = {
    "ACL",
    "DEFAULT ACL",
}  # come last: who loads the rows may lack what the owner has taken from himself


def load(
    server: Server,
    database: str,
    argv: Sequence[str],
    blocks: Blocks,
    jobs: int,
    directory: Scratch,
    step: Step,
) -> None:
    """All of it into an empty database, or raise."""
    with blocks.open(()) as head:
        directory.put("contents", head)
    first = [e.id for e in blocks.entries if e.section == PRE_DATA and e.kind not in _RIGHTS]
    shares = blocks.shares(jobs)
    filling = set[int]().union(*shares)
    last = [e.id for e in blocks.entries if e.id not in filling | set(first)]

    def using(name: str, ids: Iterable[int]) -> str:
        """pg_restore does these, in this order."""
        directory.put(name, as_lines([f"{one};" for one in ids]))
        return f"--use-list={directory.path}/{name}"

    contents = f"{directory.path}/contents"
    run(server, [*argv, using("first", first), contents], database, None)
    over = threading.Event()

    def fill(number: int, share: set[int]) -> None:
        listed = using(f"rows-{number}", (e.id for e in blocks.entries if e.id in share))
        try:
            with _Ending.open(blocks.open(share), over) as stream:
                run(server, [*argv, listed], database, Counting.open(stream, step))
        except BaseException:
            over.set()
            raise

    with ThreadPoolExecutor(max(1, len(shares)), thread_name_prefix="rows") as pool:
        under_way = [pool.submit(fill, number, share) for number, share in enumerate(shares)]
        try:
            wait(under_way)
        finally:
            over.set()
    failed = [one for one in under_way if one.exception()]
    # Those that were broken off because of another are not the news.
    for one in sorted(failed, key=lambda one: isinstance(one.exception(), _BrokenOff)):
        one.result()
    run(server, [*argv, using("last", last), f"--jobs={jobs}", contents], database, None)


class _BrokenOff(HaechiError):
    pass


class _Ending(io.RawIOBase):
    """A stream that breaks off once one of the others has failed."""

    def __init__(self, stream: BinaryIO, over: threading.Event):
        self._stream = stream
        self._over = over

    @classmethod
    def open(cls, stream: BinaryIO, over: threading.Event) -> BinaryIO:
        return cls(stream, over)  # type: ignore[return-value]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._over.is_set():
            raise _BrokenOff(_("Another job of the restore has failed."))
        return int(self._stream.readinto(buffer))  # type: ignore[attr-defined]

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
