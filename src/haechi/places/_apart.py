"""Where an application is let near throwaways and, as far as the system allows, near nothing else.

On Linux, from root or where users may make them, that is a network namespace: it has a loopback and nothing more, and
what is to be reached from it is brought in by a relay. Elsewhere there is only this host's own network.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from haechi import process
from haechi.places._door import READY
from haechi.places._relay import Relay, connecting

LOOPBACK = "127.0.0.1"
# Ends the group of whatever it runs when the pipe it reads ends: then haechi is gone, and cannot do it.
_WITH_HAECHI = """
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
(read -r nothing <&3; kill -9 0) >/dev/null 2>&1 &
exec 3<&-
wait "$program"
"""


class Apart(Protocol):
    """A network for an application and for the commands that ask whether it is well."""

    @property
    def closed(self) -> bool:
        """Whether nothing can be reached from it but what was brought in."""

    def bring_in(self, host: str, port: int) -> tuple[str, int]:
        """Make this server reachable from inside; by which host and port it is, there."""

    def bring_out(self, port: int) -> tuple[str, int]:
        """Make what will listen there reachable from here; how."""

    def inside(self, argv: Sequence[str]) -> list[str]:
        """This program as one that runs inside. It ends when haechi does; its standard input must be a pipe."""


@dataclass
class Outside:
    """This host's own network. Satisfies `Apart`, but for being apart."""

    closed: bool = False

    def bring_in(self, host: str, port: int) -> tuple[str, int]:
        return host, port

    def bring_out(self, port: int) -> tuple[str, int]:
        return LOOPBACK, port

    def inside(self, argv: Sequence[str]) -> list[str]:
        return ["sh", "-c", _WITH_HAECHI, "sh", *argv]


@dataclass
class Namespace:
    """A network namespace with a door of ours in it."""

    pid: int
    door: Path
    user: bool  # in a user namespace of its own, too
    closed: bool = True
    _relays: list[Relay] = field(default_factory=list)
    _brought: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)

    def bring_in(self, host: str, port: int) -> tuple[str, int]:
        if (host, port) not in self._brought:
            listening = self._listen(port)
            self._relays.append(Relay(listening, connecting(host, port)))
            self._brought[host, port] = LOOPBACK, listening.getsockname()[1]
        return self._brought[host, port]

    def bring_out(self, port: int) -> tuple[str, int]:
        listening = socket.create_server((LOOPBACK, port))
        self._relays.append(Relay(listening, lambda: self._connect(port)))
        return LOOPBACK, port

    def inside(self, argv: Sequence[str]) -> list[str]:
        how = ["--user", "--preserve-credentials"] if self.user else []
        return ["sh", "-c", _WITH_HAECHI, "sh", "nsenter", f"--target={self.pid}", *how, "--net", "--", *argv]

    def close(self) -> None:
        for relay in self._relays:
            relay.close()

    def _listen(self, port: int) -> socket.socket:
        try:
            return self._ask(f"listen {port}")
        except OSError:
            return self._ask("listen 0")  # two servers of different hosts may have the same

    def _connect(self, port: int) -> socket.socket:
        made = self._ask("connect")
        try:
            made.connect((LOOPBACK, port))
        except OSError:
            made.close()
            raise
        return made

    def _ask(self, word: str) -> socket.socket:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self.door))
            asking.sendall(word.encode())
            said, handles, _flags, _address = socket.recv_fds(asking, 64, 1)
        if not handles:
            raise OSError(said.decode(errors="replace"))
        return socket.socket(fileno=handles[0])


@contextmanager
def apart(directory: Path) -> Iterator[Apart]:
    """A namespace where one can be made, else this host's own network. The directory is for its door."""
    with _namespace(directory / "door", user=os.geteuid() != 0) as made:
        yield made or Outside()


@contextmanager
def _namespace(door: Path, *, user: bool) -> Iterator[Namespace | None]:
    """None where the system makes none: an older kernel, a container, a host that does not let users."""
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        yield None
        return
    how = ["--user", "--map-root-user"] if user else []
    argv = ["unshare", *how, "--net", "--", sys.executable, "-m", "haechi.places._door", str(door)]
    with process.start(argv, feed=True) as running:
        if running.stdout.read(len(READY)) != READY:
            yield None
            return
        made = Namespace(running.pid, door, user)
        try:
            yield made
        finally:
            made.close()
