"""AWS's signature, version 4, for the requests that the everyday driver cannot make."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from haechi import clock
from haechi.credentials import Secret

if TYPE_CHECKING:
    from haechi.stores.objects import Options

EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass
class Signer:
    """Signs requests to one host. Safe in many threads."""

    host: str
    region: str
    access_key: str
    secret_key: Secret
    token: Secret | None = None
    _day_key: tuple[str, bytes] = field(default=("", b""), repr=False)

    def sign(
        self, method: str, path: str, query: str, headers: Mapping[str, str], payload: str = EMPTY
    ) -> dict[str, str]:
        """These headers and those that prove who asks. `path` is quoted, `query` quoted and sorted by its names;
        `payload` is the body's SHA-256, which the server holds the body to."""
        moment = f"{clock.now():%Y%m%dT%H%M%SZ}"
        signed = {"host": self.host, "x-amz-content-sha256": payload, "x-amz-date": moment}
        signed |= {name.lower(): value for name, value in headers.items()}
        if self.token:
            signed["x-amz-security-token"] = self.token.reveal()
        names = sorted(signed)
        listed = ";".join(names)
        lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in names)
        request = "\n".join([method, path, query, lines, listed, payload])
        scope = f"{moment[:8]}/{self.region}/s3/aws4_request"
        digest = hashlib.sha256(request.encode("utf-8", "surrogateescape")).hexdigest()
        signature = hmac.digest(
            self._key(moment[:8]), f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}".encode(), "sha256"
        ).hex()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={listed}, Signature={signature}"
        )
        del signed["host"]  # the client writes that one itself
        return signed

    def _key(self, day: str) -> bytes:
        known, key = self._day_key
        if known != day:
            key = f"AWS4{self.secret_key.reveal()}".encode()
            for part in (day, self.region, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day_key = (day, key)
        return key


def signer_for(host: str, region: str, options: Options) -> Signer | None:
    """None when the keys come from somewhere that only the driver knows, such as a machine's role."""
    access_key = (
        options.access_key.fetch().reveal() if options.access_key else os.environ.get("AWS_ACCESS_KEY_ID")
    )
    secret_key = (
        options.secret_key.fetch()
        if options.secret_key
        else Secret(os.environ.get("AWS_SECRET_ACCESS_KEY", ""))
    )
    if not access_key or not secret_key:
        return None
    token = (
        options.session_token.fetch()
        if options.session_token
        else Secret(os.environ.get("AWS_SESSION_TOKEN", ""))
    )
    return Signer(host, region, access_key, secret_key, token or None)


def query_of(parameters: Mapping[str, str]) -> str:
    """A query as a signature wants it: sorted, and quoted the one way that both sides agree upon."""
    pairs = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in parameters.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def path_of(*parts: str) -> str:
    """A path as a signature wants it."""
    return "/" + "/".join(quote(part, safe="/-_.~", errors="surrogateescape") for part in parts if part)
