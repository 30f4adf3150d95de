"""A network of its own for servers that listen everywhere: they are reached from this host and from nowhere else."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.servers import demand, program


@dataclass(frozen=True)
class Namespace:
    name: str
    address: str  # of what listens in it, seen from here
    here: str  # this host's address, seen from in there
    link: str  # the end of the wire that is here

    def cut(self, *, off: bool = True) -> None:
        """Pull the plug, or put it back."""
        subprocess.run(["ip", "link", "set", self.link, "down" if off else "up"], check=True)

    def inside(self, *argv: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *argv]


@contextmanager
def namespace() -> Iterator[Namespace]:
    demand("root, for a network namespace", os.geteuid() == 0, "run the tests as root")
    ip = program("ip", "apt-get install iproute2")

    def run(*words: str, check: bool = True) -> None:
        subprocess.run([ip, *words], check=check, capture_output=True)

    token = secrets.token_hex(4)
    name, here, there = f"haechi-{token}", f"hae{token}", f"chi{token}"
    net = f"10.{200 + secrets.randbelow(50)}.{secrets.randbelow(256)}"
    run("netns", "add", name)
    try:
        run("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        run("addr", "add", f"{net}.1/30", "dev", here)
        run("link", "set", here, "up")
        for words in (("addr", "add", f"{net}.2/30", "dev", there), ("link", "set", there, "up")):
            run("-n", name, *words)
        run("-n", name, "link", "set", "lo", "up")
        yield Namespace(name, f"{net}.2", f"{net}.1", here)
    finally:
        run("link", "delete", here, check=False)
        run("netns", "delete", name, check=False)
