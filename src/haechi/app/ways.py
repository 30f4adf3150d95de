"""The ways by which the plan wants people told."""

from __future__ import annotations

import getpass
import os
import socket
from typing import TYPE_CHECKING

from haechi.credentials import Secret, SecretSource
from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.notify._base import Call, Message, Notifier
from haechi.operations.people.reminding import Contact, Pace
from haechi.operations.people.telling import Channel, Teller
from haechi.plan.people import Notify

if TYPE_CHECKING:
    from haechi.app.home import Home


def teller(home: Home) -> Teller:
    channels = [
        Channel(
            name,
            _Late(name, entry),
            frozenset(entry.on),
            frozenset(entry.services),
            entry.hours,
            Pace(entry.repeat, entry.escalate),
            beats=entry.heartbeat is not None,
            language=entry.language,
        )
        for name, entry in home.plan.notifiers.items()
    ]
    return Teller(channels, home.state, home.plan.title, socket.gethostname(), home.zone, contacts(home))


def contacts(home: Home) -> list[Contact]:
    """Those of the plan who are called, first to last."""
    order = sorted((one for one in home.plan.contacts if one.call is not None), key=lambda one: one.call or 0)
    return [Contact(Call(c.name, c.role, c.phone, c.email), frozenset(c.services)) for c in order]


class _Late:
    """Built when it is first used: a secret that is away is that way's problem, when something is to be told."""

    def __init__(self, name: str, entry: Notify):
        self._name = name
        self._entry = entry

    def send(self, message: Message) -> None:
        _build(self._name, self._entry).send(message)


def _build(name: str, entry: Notify) -> Notifier:
    if entry.via == "email":
        return _email(name, entry)
    if entry.url is None:
        raise UsageMistake(
            _("[notify.{name}] has no address.").format(name=name),
            hint=_('Give it one: url = { env = "…" }'),
        )
    return _by_url(entry.via, entry.url)


def _by_url(via: str, url: SecretSource) -> Notifier:
    """Only the way that is used is imported."""
    if via == "slack":
        from haechi.notify.slack import Slack

        return Slack(url)
    if via == "webhook":
        from haechi.notify.webhook import Webhook

        return Webhook(url)
    if via == "ping":
        from haechi.notify.ping import Ping

        return Ping(url)
    from haechi.notify.apprise import Apprise

    return Apprise(url)


def _email(name: str, entry: Notify) -> Notifier:
    from haechi.notify.email import Email, Server

    mail = entry.mail
    if mail is None or not entry.to:
        raise UsageMistake(
            _("[notify.{name}] lacks a mail server or a recipient.").format(name=name),
            hint=_("Give it `mail` and `to`."),
        )
    username = mail.username.fetch() if mail.username else ""
    password: Secret | None = mail.password.fetch() if mail.password else None
    sender = mail.sender.fetch() if mail.sender else username
    if "@" not in sender:
        sender = f"{os.environ.get('USER') or _me()}@{socket.getfqdn()}"
    server = Server(mail.server.fetch(), mail.port, mail.tls, username, password)
    return Email(server, sender, [to.fetch() for to in entry.to])


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "haechi"
