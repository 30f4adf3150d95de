"""Messages of named queues, by the management API.

They are looked at and put back. That is not without a trace: they are marked as delivered before, and those that
somebody takes at that moment are in nobody's copy. It is for queues whose messages lie, such as dead letters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

from haechi.errors import HaechiError
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


def put(broker: ByAddress, line: bytes) -> str:
    """Straight into its queue; which one that is."""
    message = json.loads(line)
    vhost, name = split(message["queue"])
    answer = broker.post(
        f"exchanges/{quote(vhost, safe='')}/amq.default/publish",
        {
            "properties": message["properties"],
            "routing_key": name,
            "payload": message["payload"],
            "payload_encoding": message["encoding"],
        },
    )
    if not answer.get("routed"):
        raise HaechiError(
            _("There is no queue “{queue}” to put messages into.").format(queue=message["queue"])
        )
    return str(message["queue"])


def split(queue: str) -> tuple[str, str]:
    """`shop/orders`; a queue without a virtual host is one of `/`."""
    vhost, slash, name = queue.rpartition("/")
    return (vhost or "/", name) if slash else ("/", queue)
