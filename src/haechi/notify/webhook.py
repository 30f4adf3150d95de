"""A webhook of one's own: the message as JSON."""

from __future__ import annotations

import json

from haechi.credentials import SecretSource
from haechi.notify import _http
from haechi.notify._base import Message


class Webhook:
    def __init__(self, url: SecretSource):
        self._url = url

    def send(self, message: Message) -> None:
        _http.call(self._url, json.dumps(message.as_dict(), ensure_ascii=False).encode())
