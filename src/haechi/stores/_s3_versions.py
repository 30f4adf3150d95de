"""Old versions of objects in an S3 bucket: what overwriting and deleting leave there, and whether it can go too.

The driver for everyday work knows nothing of versions, and only the tamper test wants to: three signed requests.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from haechi import clock
from haechi.credentials import Secret
from haechi.errors import StoreRefused
from haechi.i18n import _
from haechi.stores._http import Answer, Client

if TYPE_CHECKING:
    from haechi.stores.objects import Options

_EMPTY = hashlib.sha256(b"").hexdigest()


class S3Versions:
    """Looks at one bucket below one prefix. Raises StoreUnavailable."""

    def __init__(self, bucket: str, prefix: str, options: Options, access_key: str, secret_key: Secret):
        self._region = options.region or os.environ.get("AWS_REGION") or "us-east-1"
        endpoint = options.endpoint or f"https://s3.{self._region}.amazonaws.com"
        self._host = urlsplit(endpoint).netloc
        self._path = quote("/".join(part for part in (f"/{bucket}", prefix) if part))
        self._access_key = access_key
        self._secret_key = secret_key
        token = options.session_token.fetch().reveal() if options.session_token else None
        self._token = token or os.environ.get("AWS_SESSION_TOKEN")
        self._client = Client(endpoint, timeout=options.timeout, ca_file=options.ca_file)

    def current(self, key: str) -> str | None:
        """The version that a reader gets now; none when the bucket keeps no versions."""
        version = self._call("HEAD", key, "").headers.get("x-amz-version-id")
        return version if version and version != "null" else None

    def read(self, key: str, version: str) -> bytes | None:
        """This version's bytes, as long as they are there."""
        answer = self._call("GET", key, f"versionId={quote(version, safe='')}")
        return answer.body if answer.status == 200 else None

    def destroy(self, key: str, version: str) -> None:
        """Remove this version for good, as an intruder with our keys would. Raises StoreRefused."""
        answer = self._call(
            "DELETE",
            key,
            f"versionId={quote(version, safe='')}",
            {"x-amz-bypass-governance-retention": "true"},
        )
        if answer.status >= 400:
            raise StoreRefused(_("The old version stays: {reason}").format(reason=answer.said))

    def close(self) -> None:
        self._client.close()

    def _call(self, method: str, key: str, query: str, headers: Mapping[str, str] | None = None) -> Answer:
        path = f"{self._path}/{quote(key)}"
        signed = self._sign(method, path, query, headers or {})
        return self._client.call(method, path + (f"?{query}" if query else ""), headers=signed)

    def _sign(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> dict[str, str]:
        """AWS's signature, version 4, over an empty body."""
        moment = f"{clock.now():%Y%m%dT%H%M%SZ}"
        signed = {
            "host": self._host,
            "x-amz-content-sha256": _EMPTY,
            "x-amz-date": moment,
            **headers,
        }
        if self._token:
            signed["x-amz-security-token"] = self._token
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        request = "\n".join([method, path, query, lines, names, _EMPTY])
        scope = f"{moment[:8]}/{self._region}/s3/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        key = f"AWS4{self._secret_key.reveal()}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(
            key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}".encode(), "sha256"
        ).hex()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        del signed["host"]  # the client writes that one itself
        return signed


def versions_of(bucket: str, prefix: str, options: Options) -> S3Versions | None:
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
    return S3Versions(bucket, prefix, options, access_key, secret_key)
