"""A broker: by its management API, or by rabbitmqctl where it runs. Either gives the same definitions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from haechi.credentials import Secret
from haechi.errors import (
    AccessRefused,
    HaechiError,
    NotThere,
    ProgramFailed,
    ServerUnavailable,
    StoreUnavailable,
    UsageMistake,
)
from haechi.i18n import _
from haechi.places._base import Place
from haechi.sources._rabbitmq import definitions
from haechi.stores._http import Answer, Client

CTL = "rabbitmqctl"
_PATIENCE = 300.0  # seconds for everything at once


class Broker(Protocol):
    """What is needed of either way."""

    @property
    def where(self) -> str: ...

    def version(self) -> str:
        """Raises what is wrong with the broker, the password, or the place."""

    def export(self) -> bytes:
        """All definitions as JSON."""

    def load(self, data: bytes) -> None:
        """Declare what is in there and missing here; users, permissions and policies of the same name become as they
        are there. Nothing is removed."""

    def remove(self, kind: str, name: str) -> None:
        """One “vhost” or “user”, with all that belongs to it; nothing happens if it is not there."""


@dataclass(frozen=True)
class ByProgram:
    """Satisfies `Broker`. Needs no password: whoever may read the broker's cookie may do everything."""

    place: Place
    run_as: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return f"rabbitmq ({self.place.name})"

    def version(self) -> str:
        said = self._run("--silent", "version")
        self._run("--silent", "list_vhosts")
        return said.decode(errors="replace").strip()

    def export(self) -> bytes:
        said = self._run("--silent", "export_definitions", "-")
        found = definitions.read(said[max(said.find(b"{"), 0) :])
        return json.dumps(definitions.mended(found), ensure_ascii=False).encode()

    def load(self, data: bytes) -> None:
        self._run("--silent", "import_definitions", stdin=data)

    def remove(self, kind: str, name: str) -> None:
        try:
            self._run("--silent", f"delete_{kind}", name)
        except NotThere:
            return

    def _run(self, *words: str, stdin: bytes | None = None) -> bytes:
        try:
            return self.place.run(
                [CTL, *words], stdin=stdin, user=self.run_as, env=self.env, deadline=_PATIENCE
            ).stdout
        except ProgramFailed as problem:
            raise _explain(problem) from None


def _explain(problem: ProgramFailed) -> HaechiError:
    said = problem.detail or problem.message
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    reason = next((line for line in lines if line.lower().startswith("error")), lines[-1] if lines else "-")
    if any(
        word in said
        for word in ("unable to perform an operation", "nodedown", "Could not connect", "not running")
    ):
        return ServerUnavailable(
            _("RabbitMQ does not answer: {reason}").format(reason=lines[0] if lines else "-"),
            hint=_("Is it running there, and does `run_as` name the user it runs as?"),
            detail=said,
        )
    if "no_such" in said or "does not exist" in said:
        return NotThere(_("RabbitMQ says: {reason}").format(reason=reason), detail=said)
    if "cookie" in said.lower() or "Only root or rabbitmq" in said:
        return AccessRefused(
            _("RabbitMQ refuses: {reason}").format(reason=reason),
            hint=_("Run rabbitmqctl as the broker's own user, with `run_as`."),
            detail=said,
        )
    return ProgramFailed(_("RabbitMQ says: {reason}").format(reason=reason), detail=said)


class ByAddress:
    """Satisfies `Broker`; by HTTP, as an administrator of the management plugin."""

    def __init__(self, url: Secret, user: str | None, password: Secret | None):
        base, user, password = _parts(url, user, password)
        self._client = Client(base, timeout=_PATIENCE, user=user, password=password)
        self.where = self._client.shown
        self.user = user

    def version(self) -> str:
        return str(self.get("overview").get("rabbitmq_version", ""))

    def export(self) -> bytes:
        return self.call("GET", "definitions").body

    def load(self, data: bytes) -> None:
        self.call("POST", "definitions", data)

    def remove(self, kind: str, name: str) -> None:
        try:
            self.call("DELETE", f"{kind}s/{quote(name, safe='')}")
        except NotThere:
            return

    def get(self, what: str) -> Any:
        return json.loads(self.call("GET", what).body)

    def post(self, what: str, body: Mapping[str, Any]) -> Any:
        return json.loads(self.call("POST", what, json.dumps(body).encode()).body)

    def call(self, method: str, what: str, body: bytes | None = None) -> Answer:
        try:
            answer = self._client.call(
                method,
                f"/api/{what}",
                body=body,
                headers={"content-type": "application/json", "connection": "close"},
            )
        except StoreUnavailable as problem:
            raise ServerUnavailable(
                problem.message, hint=_("Is it running, with the management plugin, at this address?")
            ) from None
        if answer.status < 300:
            return answer
        if answer.status in (401, 403):
            raise AccessRefused(
                _("{server} refuses: {reason}").format(server=self.where, reason=answer.said),
                hint=_("The user must be known there and have the tag “administrator”."),
            )
        if answer.status == 404:
            raise NotThere(_("{server} has no {what}.").format(server=self.where, what=what))
        raise ProgramFailed(
            _("{server} says: {reason}").format(server=self.where, reason=answer.said),
            detail=answer.body.decode(errors="replace")[:2000],
        )


def _parts(url: Secret, user: str | None, password: Secret | None) -> tuple[str, str | None, Secret | None]:
    """The address without its password; what is wrong with it is said without showing it."""
    from urllib.parse import unquote

    try:
        parts = urlsplit(url.reveal().strip())
        host = parts.hostname
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise UsageMistake(
            _("The address of RabbitMQ's management API cannot be read."),
            hint=_("It should look like http://host:15672."),
        )
    if parts.username:
        user, password = unquote(parts.username), Secret(unquote(parts.password or ""))
    path = parts.path.rstrip("/").removesuffix("/api")
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{path}", user, password
