"""Health-check pings, as Healthchecks and Uptime Kuma take them: the address for success, `…/fail` with the text."""

from __future__ import annotations

from haechi.credentials import SecretSource
from haechi.notify import _http
from haechi.notify._base import Message, Mood

_LONGEST = 10_000  # characters that Healthchecks keeps


class Ping:
    def __init__(self, url: SecretSource):
        self._url = url

    def send(self, message: Message) -> None:
        text = message.as_text()[-_LONGEST:].encode()
        _http.call(self._url, text, "text/plain; charset=utf-8", "/fail" if message.mood is Mood.BAD else "")
