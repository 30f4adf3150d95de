"""Messages of named queues, by the management API.

They are looked at and put back. That is not without a trace: they are marked as delivered before, and those that
somebody takes at that moment are in nobody's copy. It is for queues whose messages lie, such as dead letters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from haechi.errors import Damaged, HaechiError
from haechi.i18n import _
from haechi.sources._rabbitmq.broker import ByAddress

FORM = "bytes"
PART = "messages.jsonl"


def look(broker: ByAddress, queue: str, most: int) -> Iterator[bytes]:
    """One line a message, its payload in base64. Raises if there are more than `most`: they come all at once."""
    vhost, name = split(queue)
    path = f"queues/{quote(vhost, safe='')}/{quote(name, safe='')}"
    # One more than may be: the count that the broker tells lies some seconds behind.
    found = broker.post(
        f"{path}/get", {"count": most + 1, "ackmode": "ack_requeue_true", "encoding": "base64"}
    )
    if len(found) > most:
        raise HaechiError(
            _("“{queue}” has more than {most} messages.").format(queue=queue, most=most),
            hint=_("Raise `most_messages` in the plan; they are all held in memory."),
        )
    for message in found:
        kept = {
            "queue": queue,
            "exchange": message["exchange"],
            "routing_key": message["routing_key"],
            "properties": message["properties"],
            "payload": message["payload"],
            "encoding": message["payload_encoding"],
        }
        yield json.dumps(kept, ensure_ascii=False).encode() + b"\n"


@dataclass
class Lines:
    """The messages of one queue, as they go by: how many, and a sum over them in their order."""

    count: int = 0
    _sum: Any = field(default_factory=hashlib.sha256)

    def add(self, line: bytes) -> None:
        self.count += 1
        self._sum.update(line)

    @property
    def digest(self) -> str:
        return str(self._sum.hexdigest()[:16])


def read(line: bytes) -> dict[str, Any]:
    """One that was kept. Raises Damaged."""
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if not isinstance(message, dict) or "queue" not in message:
        raise Damaged(
            _("“{part}” breaks off, or holds something else than messages.").format(part=PART),
            hint=_("Use another copy, or an older restore point."),
        )
    return message


def put(broker: ByAddress, message: Mapping[str, Any], prefix: str = "") -> None:
    """Straight into its queue, in the virtual host with this prefix."""
    vhost, name = split(message["queue"])
    vhost = prefix + vhost
    answer = broker.post(
        f"exchanges/{quote(vhost, safe='')}/amq.default/publish",
        {
            "properties": message["properties"]
            or {},  # the API tells of none as of an empty list, and refuses it
            "routing_key": name,
            "payload": message["payload"],
            "payload_encoding": message["encoding"],
        },
    )
    if not answer.get("routed"):
        raise HaechiError(
            _("There is no queue “{queue}” to put messages into.").format(queue=message["queue"])
        )


def split(queue: str) -> tuple[str, str]:
    """`shop/orders`; a queue without a virtual host is one of `/`."""
    vhost, slash, name = queue.rpartition("/")
    return (vhost or "/", name) if slash else ("/", queue)
