"""RabbitMQ, a real broker, by its management API; what comes back goes into the emptied broker."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import rabbitmq
from haechi.sources._base import PartReader, Restored, Source, Wanted
from haechi.sources._rabbitmq import definitions
from tests.servers.rabbitmq import PASSWORD, RabbitServer, running

SERVER = True


@contextmanager
def ground(tmp_path: Path) -> Iterator[RabbitGround]:
    with running() as server:
        yield RabbitGround(server)


class RabbitGround:
    kind = "rabbitmq"

    def __init__(self, server: RabbitServer):
        self.server = server

    def source(self, **options: object) -> Source:
        given = {"url": self.server.url, "user": "keeper", "password": PASSWORD, **options}
        return rabbitmq.build("queue", rabbitmq.Options.model_validate(given), LocalPlace())

    def fill(self, amount: int) -> None:
        self.server.clear()
        chance = random.Random(amount)
        vhost = "shop 한"
        parameters = [
            {"name": f"big{n}", "value": {"text": chance.randbytes(50_000).hex()}} for n in range(amount * 7)
        ]
        self.server.ask(
            "POST",
            "definitions",
            {
                "users": [{"name": "app", "password_hash": "+oNT8i6LVxZ8R3kWGFbUPuxvKVLvP9bN7fMNuqCfKrFAQd2k"
                           , "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ["monitoring"]}],
                "vhosts": [{"name": vhost}],
                "permissions": [
                    {"user": name, "vhost": vhost, "configure": "^[aq]", "write": ".*", "read": ".*"}
                    for name in ("app", "keeper")
                ],
                "policies": [
                    {"vhost": vhost, "name": "short", "pattern": "^tmp", "apply-to": "queues",
                     "definition": {"message-ttl": 1000}, "priority": 1}
                ],
                "exchanges": [
                    {"name": "events", "vhost": vhost, "type": "topic", "durable": True, "auto_delete": False,
                     "internal": False, "arguments": {}}
                ],
                "queues": [
                    {"name": f"q/{n} \"x\"", "vhost": vhost, "durable": True, "auto_delete": False,
                     "arguments": {"x-max-length": n + 1}}
                    for n in range(10)
                ],
                "bindings": [
                    {"source": "events", "vhost": vhost, "destination": "q/1 \"x\"", "destination_type": "queue",
                     "routing_key": key, "arguments": {}}
                    for key in ("a.#", "b.*")
                ],
                "global_parameters": parameters,
            },
        )  # fmt: skip

    def state(self) -> object:
        return definitions.named(self._definitions())

    def _definitions(self) -> dict[str, Any]:
        found: dict[str, Any] = self.server.ask("GET", "definitions")
        return found

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        """Into the only broker there is, emptied; what was there is put back afterwards."""
        now = self._definitions()
        source = self.source()
        assert isinstance(source, rabbitmq.RabbitMQ)
        try:
            for part in parts.values():
                with part.open() as stream:
                    stream.read()
            self.server.clear()
            restored = source.restore(point, parts, Wanted(in_place=True), SILENT)
            return restored, self.state()
        finally:
            self.server.clear()
            self.server.ask("POST", "definitions", now)

    def break_off(self) -> None:
        self.server.stop()

    def mend(self) -> None:
        self.server.start()

    def leftovers(self) -> list[str]:
        return [
            thing["name"] for kind in ("vhosts", "users") for thing in self.server.ask("GET", kind)
            if thing["name"].startswith("haechi")
        ]  # fmt: skip
