"""One call over HTTP, as webhooks want it."""

from __future__ import annotations

from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from haechi.credentials import SecretSource
from haechi.errors import NotTold
from haechi.i18n import _
from haechi.notify._base import DEADLINE

_LATER = {408, 425, 429}  # and everything from 500 on: the same may go well in a while


def call(url: SecretSource, body: bytes | None, kind: str = "application/json", path: str = "") -> None:
    """POST the body, or GET without one. The address is a secret: messages show its host alone."""
    address = url.fetch().reveal().strip()
    host = _host(address)
    headers = {"user-agent": "haechi", **({"content-type": kind} if body is not None else {})}
    try:
        with urlopen(
            Request(address.rstrip("/") + path if path else address, body, headers), timeout=DEADLINE
        ) as answer:
            answer.read(1 << 16)
    except HTTPError as problem:
        problem.close()
        raise NotTold(
            _("{host} answered with status {status}.").format(host=host, status=problem.code),
            hint=_("Look whether the address in the plan is still the right one."),
            retryable=problem.code in _LATER or problem.code >= 500,
        ) from None
    except (OSError, HTTPException, ValueError) as problem:
        reason = getattr(problem, "reason", None) or type(problem).__name__
        raise NotTold(
            _("{host} does not answer: {reason}").format(host=host, reason=reason), retryable=True
        ) from None


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or "?"
    except ValueError:
        return "?"
