"""Runs inside a network of its own: brings up its loopback, and hands out sockets that belong to it.

A socket stays in the network in which it was made, whoever holds it. So haechi, outside, listens and connects
in here by what it is handed through a socket in the file system. Ends when haechi does, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
import threading

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1
_BACKLOG = 64
READY = b"ready\n"


def main(path: str) -> None:
    _bring_up("lo")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen(_BACKLOG)
        threading.Thread(target=_end_with_the_other, daemon=True).start()
        os.write(1, READY)
        while True:
            asking, _address = door.accept()
            with asking:
                _answer(asking)


def _answer(asking: socket.socket) -> None:
    """`connect`, or `listen PORT`: a socket, or a word of what is wrong."""
    words = asking.recv(64).decode().split()
    with socket.socket() as made:
        try:
            if words[0] == "listen":
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                made.bind(("127.0.0.1", int(words[1])))
                made.listen(_BACKLOG)
        except OSError as problem:
            asking.sendall((problem.strerror or "refused").encode())
        else:
            socket.send_fds(asking, [b"ok"], [made.fileno()])


def _bring_up(name: str) -> None:
    with socket.socket() as any_socket:
        request = struct.pack("16sH14x", name.encode(), 0)
        _name, flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, _GET_FLAGS, request))
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", name.encode(), flags | _UP))


def _end_with_the_other() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
