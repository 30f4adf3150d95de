"""MongoDB: a dump by Haechi against the bare loop over raw batches, of a server that is as fast as a socket can be.

That server holds ready-made answers and speaks as much of the protocol as a dump asks for. A real one has to find and
lay out what it sends, so against it Haechi's share is smaller than here. (No mongod is in any package index.)
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bson
from bson.int64 import Int64

from bench._base import Comparison
from bench._memory import peak

_COLLECTIONS = 4
_DOCUMENT = 1000  # bytes, about
_HEADER = struct.Struct("<iiii")
_MOST = 16 << 20  # bytes in one answer
_OP_QUERY, _OP_REPLY, _OP_MSG = 2004, 1, 2013


def rows(quick: bool, work: Path) -> Iterable[Comparison]:
    megabytes = 160 if quick else 1000
    with _server(megabytes) as url:
        yield Comparison(
            f"MongoDB: native dump of {megabytes} MB (limit: a bare loop over raw batches)",
            ours=lambda: _child("dump", url),
            limit=lambda: _child("loop", url),
            goal=1.25,
        )
        yield Comparison(
            f"MongoDB: memory of a native dump of {megabytes} MB",
            ours=lambda: _child("memory", url),
            goal=300,
            unit="MiB",
            runs=1,
        )


def _child(what: str, url: str) -> float:
    """Each in a process of its own, which says what it took."""
    argv = [sys.executable, "-m", "bench._mongodb", what, url]
    return float(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def _dump(url: str) -> None:
    from haechi.events import SILENT
    from haechi.places.local import LocalPlace
    from haechi.sources import mongodb

    options = mongodb.Options.model_validate({"url": url, "tools": "native"})
    source = mongodb.build("bench", options, LocalPlace())
    with source.capture(SILENT) as capture:
        buffer = bytearray(1 << 20)
        for part in capture.parts:
            with part.open() as stream:
                while stream.readinto(buffer):  # type: ignore[attr-defined]
                    pass
        facts = capture.facts()
    assert all(told["digest"] for told in facts["collections"].values())


def _loop(url: str) -> None:
    from pymongo import MongoClient

    with MongoClient[dict[str, Any]](url) as client:
        for name in client.shop.list_collection_names():
            for _batch in client.shop[name].find_raw_batches():
                pass


# -- the server ------------------------------------------------------------------------------------------------------


@contextmanager
def _server(megabytes: int) -> Iterator[str]:
    argv = [sys.executable, "-m", "bench._mongodb", "serve", str(megabytes)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        try:
            yield f"mongodb://127.0.0.1:{int(child.stdout.readline())}/?directConnection=true"
        finally:
            child.kill()


_HELLO: dict[str, Any] = {
    "isWritablePrimary": True,
    "ismaster": True,
    "helloOk": True,
    "maxBsonObjectSize": 16 << 20,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 25,
    "logicalSessionTimeoutMinutes": 30,
    "readOnly": False,
    "ok": 1.0,
}


class _Shop:
    """So many documents in each collection, and the answers that hold them."""

    def __init__(self, megabytes: int):
        self.count = (megabytes << 20) // _DOCUMENT // _COLLECTIONS
        self._answers: dict[tuple[int, str], bytes] = {}
        self._at: dict[int, tuple[str, int]] = {}
        self._guard = threading.Lock()

    def answer(self, command: dict[str, Any]) -> bytes | dict[str, Any]:
        verb = next(iter(command))
        if verb in ("hello", "isMaster", "ismaster"):
            return _HELLO
        if verb == "find" and command["find"].startswith("c"):
            return self._batch(command["find"], 0, command.get("batchSize", 101), "firstBatch")
        if verb == "getMore":
            with self._guard:
                name, at = self._at.pop(command["getMore"])
            return self._batch(name, at, command.get("batchSize", self.count), "nextBatch")
        return {**_SMALL.get(verb, lambda _shop: _cursor([]))(self), "ok": 1.0}

    def _batch(self, name: str, at: int, wished: int, key: str) -> bytes:
        count = min(wished, self.count - at, _MOST // (_DOCUMENT + 16))
        cursor = 0
        if at + count < self.count:
            with self._guard:
                cursor = len(name) + at * 8 + int(name[1:]) + (threading.get_ident() << 20) % (1 << 60)
                self._at[cursor] = (name, at + count)
        with self._guard:
            if (count, key) not in self._answers:
                self._answers[count, key] = _array(key, count)
            array = self._answers[count, key]
        inside = array + bson.encode({"id": Int64(cursor), "ns": f"shop.{name}"})[4:-1]
        body = (
            b"\x03cursor\0"
            + struct.pack("<i", len(inside) + 5)
            + inside
            + b"\0"
            + bson.encode({"ok": 1.0})[4:-1]
        )
        return struct.pack("<i", len(body) + 5) + body + b"\0"


def _array(key: str, count: int) -> bytes:
    """So many documents under this key."""
    items = []
    for number in range(count):
        body = bson.encode({"_id": number, "name": "상품", "price": 12.5, "data": os.urandom(_DOCUMENT - 70)})
        items.append(b"\x03" + str(number).encode() + b"\0" + body)
    data = b"".join(items)
    return b"\x04" + key.encode() + b"\0" + struct.pack("<i", len(data) + 5) + data + b"\0"


def _cursor(documents: list[dict[str, Any]]) -> dict[str, Any]:
    return {"cursor": {"id": Int64(0), "ns": "shop.$cmd", "firstBatch": documents}}


_SMALL: dict[str, Any] = {
    "buildInfo": lambda _shop: {"version": "8.0.0"},
    "listDatabases": lambda _shop: {"databases": [{"name": "shop"}]},
    "listCollections": lambda _shop: _cursor(
        [{"name": f"c{n}", "type": "collection", "options": {}, "info": {}} for n in range(_COLLECTIONS)]
    ),
    "listIndexes": lambda _shop: _cursor([{"v": 2, "key": {"_id": 1}, "name": "_id_"}]),
    "collStats": lambda shop: {"size": shop.count * _DOCUMENT, "avgObjSize": _DOCUMENT},
}


def _serve(megabytes: int) -> None:
    shop = _Shop(megabytes)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        while True:
            connection, _address = listening.accept()
            threading.Thread(target=_talk, args=(connection, shop), daemon=True).start()


def _talk(connection: socket.socket, shop: _Shop) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while head := connection.recv(16, socket.MSG_WAITALL):
        length, request, _to, code = _HEADER.unpack(head)
        body = connection.recv(length - 16, socket.MSG_WAITALL)
        at = body.index(b"\0", 4) + 9 if code == _OP_QUERY else 5
        size = struct.unpack_from("<i", body, at)[0]
        said = shop.answer(bson.decode(body[at : at + size]))
        data = said if isinstance(said, bytes) else bson.encode(said)
        before = struct.pack("<iqii", 8, 0, 0, 1) if code == _OP_QUERY else b"\0\0\0\0\0"
        answer = _OP_REPLY if code == _OP_QUERY else _OP_MSG
        connection.sendall(_HEADER.pack(16 + len(before) + len(data), 1, request, answer) + before)
        connection.sendall(data)


def main() -> None:
    import time

    what, given = sys.argv[1:]
    if what == "serve":
        _serve(int(given))
        return
    work = {"dump": _dump, "memory": _dump, "loop": _loop}[what]
    began = time.perf_counter()
    work(given)
    took = time.perf_counter() - began
    print(peak() if what == "memory" else took)


if __name__ == "__main__":
    main()
