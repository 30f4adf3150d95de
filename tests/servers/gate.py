"""A port before a server, which can be shut in the middle of everything: connections break, and none is taken.

Or some requests are held: they have not arrived yet, and whoever sent them waits.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self
from urllib.parse import urlsplit


class Gate:
    def __init__(self, host: str, port: int, at: str = "127.0.0.1"):
        self._behind = (host, port)
        self._listening = socket.create_server((at, 0))
        self._open = threading.Event()
        self._open.set()
        self._ended = False
        self._pairs: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.port = int(self._listening.getsockname()[1])
        self.carried = 0  # bytes, both ways
        self._limit: int | None = None
        self._hold = b""
        self._let_go = threading.Event()
        self.held = 0  # requests, since `hold`
        self.url = f"http://{at}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    @classmethod
    @contextmanager
    def before(cls, url: str, at: str = "127.0.0.1") -> Iterator[Self]:
        """`at`: an address of this host that others reach."""
        parts = urlsplit(url)
        gate = cls(parts.hostname or "127.0.0.1", parts.port or 80, at)
        try:
            yield gate
        finally:
            gate._ended = True
            gate.let_go()
            gate.shut()
            gate._listening.close()

    def shut(self) -> None:
        self._open.clear()
        with self._lock:
            for one in self._pairs:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def shut_after(self, amount: int) -> None:
        """Once so many more bytes have gone through."""
        self._limit = self.carried + amount

    def open(self) -> None:
        self._limit = None
        self._open.set()

    def hold(self, what: bytes) -> None:
        """Requests with this in them go no further until `let_go`."""
        self.held = 0
        self._let_go.clear()
        self._hold = what

    def let_go(self) -> None:
        self._hold = b""
        self._let_go.set()

    def _accept(self) -> None:
        while not self._ended:
            try:
                coming, _address = self._listening.accept()
            except OSError:
                return
            if not self._open.is_set():
                coming.close()
                continue
            threading.Thread(target=self._carry, args=(coming,), daemon=True).start()

    def _carry(self, coming: socket.socket) -> None:
        with coming, socket.create_connection(self._behind) as behind, selectors.DefaultSelector() as both:
            with self._lock:
                self._pairs |= {coming, behind}
            both.register(coming, selectors.EVENT_READ, behind)
            both.register(behind, selectors.EVENT_READ, coming)
            try:
                while self._open.is_set():
                    for key, _events in both.select(timeout=1):
                        data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                        if not data:
                            return
                        if key.fileobj is coming and self._hold and self._hold in data:
                            with self._lock:
                                self.held += 1
                            self._let_go.wait()
                        key.data.sendall(data)
                        with self._lock:
                            self.carried += len(data)
                            over = self._limit is not None and self.carried > self._limit
                        if over:
                            self.shut()
                            return
            except OSError:
                return
            finally:
                with self._lock:
                    self._pairs -= {coming, behind}
