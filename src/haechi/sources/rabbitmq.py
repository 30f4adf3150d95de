"""RabbitMQ: its definitions, and messages of named queues where they are asked for."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, ConfigDict, Field, model_validator

from haechi import clock
from haechi.credentials import Secret, SecretSource
from haechi.errors import NotThere, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import PartInfo, RestorePoint
from haechi.places._base import Place
from haechi.places._open import open_place
from haechi.sources import _target
from haechi.sources._base import (
    Address,
    Capture,
    Comparison,
    Part,
    PartReader,
    Probe,
    Rehearsed,
    Restored,
    Source,
    Wanted,
)
from haechi.sources._newfile import new_file
from haechi.sources._rabbitmq import definitions, messages
from haechi.sources._rabbitmq.broker import Broker, ByAddress, ByProgram

PART = "definitions.json"
_PREFIX = "haechi-drill-"


class _Broker(BaseModel):
    """How a broker is reached."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretSource | None = Field(
        None, description="Its management API: http://host:15672; else rabbitmqctl, where it runs"
    )
    user: str | None = Field(None, description="An administrator of the management API")
    password: SecretSource | None = None
    run_as: str | None = Field(None, description="System user who runs rabbitmqctl")
    env: dict[str, str] = Field(
        default_factory=dict, description="Environment of rabbitmqctl, such as RABBITMQ_NODENAME"
    )

    @model_validator(mode="after")
    def _a_user_for_an_address(self) -> _Broker:
        if (self.user or self.password) and not self.url:
            raise ValueError("user and password are for the management API: give its url")
        return self

    def broker(self, place: Place) -> Broker:
        """As it is now: the secrets are fetched here."""
        if self.url is None:
            return ByProgram(place, self.run_as, self.env)
        return ByAddress(self.url.fetch(), self.user, self.password.fetch() if self.password else None)


class Options(_Broker):
    """One broker, or one cluster of them."""

    messages: tuple[str, ...] = Field(
        (), description="Queues whose messages are kept too, “vhost/name”; by the management API only"
    )
    most_messages: int = Field(
        10_000, ge=1, description="How many of one queue at most; they come all at once"
    )

    @model_validator(mode="after")
    def _messages_by_address(self) -> Options:
        if self.messages and not self.url:
            raise ValueError("messages are read by the management API: give its url")
        return self


class Target(_Broker, _target.Target):
    """Where it comes back, if not into the broker itself."""

    at: str | None = Field(None, description="The place of another broker, as in the plan")
    file: Path | None = Field(None, description="A new file for the definitions")

    @property
    def elsewhere(self) -> bool:
        return bool(self.url or self.at)


def build(name: str, options: Options, place: Place) -> Source:
    return RabbitMQ(name, options, place)


def main_form(_options: Options) -> str:
    """What archives must be able to hold."""
    return "bytes"


class RabbitMQ:
    """Satisfies `Source` and `Rehearsable`."""

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    def probe(self) -> Probe:
        self.place.probe()
        broker = self.options.broker(self.place)
        version = broker.version()
        data = broker.export()
        counts = {kind: about["count"] for kind, about in definitions.facts(definitions.read(data)).items()}
        return Probe(version, len(data), counts)

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        broker = self.options.broker(self.place)
        moment = clock.now()
        data = broker.export()
        facts: dict[str, Any] = {
            "version": broker.version(),
            "definitions": definitions.facts(definitions.read(data)),
        }
        parts = [Part(PartInfo(PART, "bytes"), lambda: io.BytesIO(data), len(data))]
        if self.options.messages and isinstance(broker, ByAddress):
            counted = facts["messages"] = {}
            sums = facts["message_sums"] = {}
            parts.append(
                Part(PartInfo(messages.PART, messages.FORM), lambda: self._messages(broker, counted, sums))
            )
        yield Capture(moment, parts, lambda: facts)

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        target = Target.read(wanted.target)
        saved, data = _definitions(parts, wanted)
        unharmed = definitions.expected(saved, point.facts.get("definitions", {}))
        if target.file is not None:
            with new_file(target.file) as file:
                file.write(data)
            return Restored(str(target.file), tuple(unharmed))
        if not (wanted.in_place or target.elsewhere):
            raise UsageMistake(
                _("The definitions of “{service}” would go into the broker that is in use.").format(
                    service=self.name
                ),
                hint=_("Ask for that with --in-place, or name another one: --to url=http://host:15672"),
            )
        place = open_place(target.at) if target.at else self.place
        broker = target.broker(place) if target.elsewhere else self.options.broker(place)
        with reporter.step(PART, len(data)):
            broker.load(data)
        compared = [*unharmed, *definitions.compare(saved, definitions.read(broker.export()))]
        if (lines := parts.get(messages.PART)) is not None and messages.PART not in wanted.only:
            compared += self._put_back(broker, lines, point, reporter)
        return Restored(broker.where, tuple(compared))

    @contextmanager
    def rehearse(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> Iterator[Rehearsed]:
        """In virtual hosts of the same broker, or of the one at `into`, that nobody else knows; they go again."""
        target = Target.read({**wanted.target, **({"url": into} if into else {})})
        broker = (target if target.elsewhere else self.options).broker(self.place)
        saved, _data = _definitions(parts, wanted)
        prefix = f"{_PREFIX}{secrets.token_hex(4)}-"
        lines = None if wanted.only else parts.get(messages.PART)
        writer = broker.user if lines is not None and isinstance(broker, ByAddress) else None
        moved = definitions.moved(saved, prefix, writer)
        began = clock.monotonic()
        try:
            broker.load(json.dumps(moved).encode())
            seconds = clock.monotonic() - began
            compared = [
                *definitions.expected(saved, point.facts.get("definitions", {})),
                *definitions.compare(moved, definitions.read(broker.export())),
            ]
            if lines is not None:
                compared += self._put_back(broker, lines, point, reporter, prefix)
            elif point.facts.get("messages") and not wanted.only:
                compared.append(Comparison("parts missing", [], [messages.PART]))
            rehearsed = Rehearsed(
                Restored(broker.where, tuple(compared)), broker.where, seconds, apart=target.elsewhere
            )
            rehearsed.address = Address(
                url=self._url(target), name=",".join(str(host["name"]) for host in moved.get("vhosts", ()))
            )
            yield rehearsed
        finally:
            _remove(broker, prefix)
        rehearsed.left = tuple(_lying(broker, prefix))

    def _url(self, target: Target) -> Secret | None:
        """Of the management API, where that is how the broker is reached."""
        given = target.url if target.elsewhere else self.options.url
        return given.fetch() if given else None

    def _messages(self, broker: ByAddress, counted: dict[str, int], sums: dict[str, str]) -> BinaryIO:
        def lines() -> Iterator[bytes]:
            for queue in self.options.messages:
                seen = messages.Lines()
                for line in messages.look(broker, queue, self.options.most_messages):
                    seen.add(line)
                    yield line
                counted[queue], sums[queue] = seen.count, seen.digest

        return io.BytesIO(b"".join(lines()))

    def _put_back(
        self, broker: Broker, lines: PartReader, point: RestorePoint, reporter: Reporter, prefix: str = ""
    ) -> list[Comparison]:
        """Without a prefix into the queues themselves, else into those of throwaway virtual hosts."""
        if not isinstance(broker, ByAddress) and not prefix:
            reporter.warn(_("Messages go back by the management API only; they were left where they are."))
            return []
        put: dict[str, messages.Lines] = {}
        with (
            reporter.step(messages.PART, lines.info.size or None) as step,
            io.BufferedReader(lines.open()) as stream,  # type: ignore[type-var]
        ):
            for line in stream:
                message = messages.read(line)
                if isinstance(broker, ByAddress):
                    messages.put(broker, message, prefix)
                put.setdefault(message["queue"], messages.Lines()).add(line)
                step.advance(len(line))
        nothing = messages.Lines()
        known: Mapping[str, int] = point.facts.get("messages", {})
        sums: Mapping[str, str] = point.facts.get("message_sums", {})
        return [
            *(Comparison(f"messages of {q}", n, put.get(q, nothing).count) for q, n in known.items()),
            *(Comparison(f"messages of {q}: digest", d, put.get(q, nothing).digest) for q, d in sums.items()),
        ]


def _definitions(parts: Mapping[str, PartReader], wanted: Wanted) -> tuple[dict[str, Any], bytes]:
    if unknown := set(wanted.only) - set(parts):
        raise NotThere(
            _("This restore point has no {names}.").format(names=", ".join(sorted(unknown))),
            hint=_("It has: {parts}").format(parts=", ".join(parts)),
        )
    part = parts.get(PART) or next(iter(parts.values()))
    with part.open() as stream:
        data = stream.read()
    return definitions.read(data), data


def _remove(broker: Broker, prefix: str) -> None:
    found = definitions.read(broker.export())
    for kind in ("vhost", "user"):
        for thing in found.get(f"{kind}s", ()):
            if str(thing["name"]).startswith(prefix):
                broker.remove(kind, thing["name"])


def _lying(broker: Broker, prefix: str) -> list[str]:
    found = definitions.read(broker.export())
    return [
        str(thing["name"])
        for kind in ("vhosts", "users")
        for thing in found.get(kind, ())
        if str(thing["name"]).startswith(prefix)
    ]
