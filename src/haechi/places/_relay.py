"""Carries connections from one network into another: whoever connects here speaks to somebody there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

_SIP = 1 << 16

Connect = Callable[[], socket.socket]


class Relay:
    """From a listening socket, whatever network that is in, to where `connect` leads. Ends with `close`."""

    def __init__(self, listening: socket.socket, connect: Connect):
        self._listening = listening
        self._connect = connect
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True, name="relay").start()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            under_way = list(self._open)
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept
        self._listening.close()
        for one in under_way:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                here, _address = self._listening.accept()
            except OSError:
                return
            try:
                there = self._connect()
            except OSError:
                here.close()
                continue
            with self._lock:
                self._open |= {here, there}
                closed = self._closed
            if closed:
                here.close()
                there.close()
                return
            threading.Thread(target=self._carry, args=(here, there), daemon=True, name="relay").start()

    def _carry(self, here: socket.socket, there: socket.socket) -> None:
        back = threading.Thread(target=_pump, args=(there, here), daemon=True, name="relay")
        back.start()
        _pump(here, there)
        back.join()
        with self._lock:
            self._open -= {here, there}
        here.close()
        there.close()


def connecting(host: str, port: int, seconds: float = 20.0) -> Connect:
    """From the network that haechi is in."""
    return lambda: socket.create_connection((host, port), seconds)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        source.settimeout(None)
        while data := source.recv(_SIP):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
