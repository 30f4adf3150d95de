"""A collection as one stream of tar: its definition, its rows in Parquet files, and at the end how many they are.

    collection.json                  the definition
    rows/PARTITION/000001.parquet    some thousand rows each, in the order of their keys
    end.json                         rows of each partition: a stream without it is not whole

Parts of the collection are read by several threads; only a few files are in memory at any time.
"""

from __future__ import annotations

import json
import queue
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from haechi.sources._milvus.driver import arrow

HEAD, ROWS, END = "collection.json", "rows", "end.json"
_BLOCK = 512
_WAITING = 2  # finished files that wait to be read

Member = tuple[str, bytes]


def file_of(table: Any) -> bytes:
    """As it is, neither packed nor sorted into dictionaries: what keeps it packs it better, and finds it again."""
    sink = arrow().pa.BufferOutputStream()
    arrow().parquet.write_table(
        table, sink, compression="none", use_dictionary=False, write_statistics=False, store_schema=True
    )
    return bytes(sink.getvalue())


def tar_of(members: Iterator[Member]) -> Iterator[bytes]:
    """Always the same bytes for the same members."""
    for name, data in members:
        head = tarfile.TarInfo(name)
        head.size = len(data)
        yield head.tobuf(tarfile.PAX_FORMAT)
        yield data
        yield bytes(-len(data) % _BLOCK)
    yield bytes(2 * _BLOCK)


class Together:
    """What several generators yield, as it comes; the first error of any is raised here, and ends the others."""

    def __init__(self, makers: Sequence[Callable[[], Iterator[Member]]], threads: int):
        self._makers = makers
        self._threads = threads
        self._queue: queue.Queue[Member | BaseException | None] = queue.Queue(_WAITING)
        self._over = threading.Event()

    def __iter__(self) -> Iterator[Member]:
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="milvus")
        try:
            for maker in self._makers:
                pool.submit(self._drive, maker)
            left = len(self._makers)
            while left:
                got = self._queue.get()
                if isinstance(got, BaseException):
                    raise got
                if got is None:
                    left -= 1
                else:
                    yield got
        finally:
            self._over.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _drive(self, maker: Callable[[], Iterator[Member]]) -> None:
        try:
            for member in maker():
                if not self._put(member):
                    return
            self._put(None)
        except BaseException as problem:
            self._put(problem)

    def _put(self, what: Member | BaseException | None) -> bool:
        """Not for ever: whoever read may have gone."""
        while not self._over.is_set():
            try:
                self._queue.put(what, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False


def end_of(rows: dict[str, int]) -> bytes:
    return json.dumps({"rows": rows}).encode()
