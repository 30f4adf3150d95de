"""Old versions of objects in an S3 bucket: what overwriting and deleting leave there, and whether it can go too.

The driver for everyday work knows nothing of versions, and only the tamper test wants to: three signed requests.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from haechi.errors import StoreRefused
from haechi.i18n import _
from haechi.stores._http import Answer, Client
from haechi.stores._s3_signing import Signer, path_of, signer_for

if TYPE_CHECKING:
    from haechi.stores.objects import Options


class S3Versions:
    """Looks at one bucket below one prefix. Raises StoreUnavailable."""

    def __init__(self, bucket: str, prefix: str, client: Client, signer: Signer):
        self._path = path_of(bucket, prefix)
        self._signer = signer
        self._client = client

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
        path = self._path + path_of(key)
        signed = self._signer.sign(method, path, query, headers or {})
        return self._client.call(method, path + (f"?{query}" if query else ""), headers=signed)


def versions_of(bucket: str, prefix: str, options: Options) -> S3Versions | None:
    """None when the keys come from somewhere that only the driver knows, such as a machine's role."""
    region = options.region or os.environ.get("AWS_REGION") or "us-east-1"
    endpoint = options.endpoint or f"https://s3.{region}.amazonaws.com"
    signer = signer_for(urlsplit(endpoint).netloc, region, options)
    if signer is None:
        return None
    return S3Versions(
        bucket, prefix, Client(endpoint, timeout=options.timeout, ca_file=options.ca_file), signer
    )
