"""Object lock of an S3 bucket: what it locks by itself, what of an object's lock is left, and how to make it longer.

The driver for everyday work knows nothing of locks: three kinds of signed requests.
"""

from __future__ import annotations

import hashlib
import os
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from haechi.errors import StoreRefused, StoreUnavailable
from haechi.i18n import _
from haechi.stores._base import Store
from haechi.stores._http import Answer, Client
from haechi.stores._keys import not_there
from haechi.stores._s3_signing import EMPTY, Signer, path_of, signer_for

if TYPE_CHECKING:
    from haechi.stores.objects import Options

_A_YEAR = timedelta(days=365)


@dataclass(frozen=True)
class BucketLock:
    """What a bucket does with every new object. `span` is None when it has object lock and uses none by itself."""

    mode: str = ""  # "COMPLIANCE": nobody may lift it; "GOVERNANCE": whoever may bypass it
    span: timedelta | None = None


@dataclass(frozen=True)
class ObjectLock:
    """One object's lock as it stands."""

    until: datetime | None = None
    mode: str = ""
    held: bool = False  # by a legal hold, which has no end

    def stands(self, now: datetime) -> bool:
        return self.held or (self.until is not None and self.until > now)


class S3Locks:
    """Looks at one bucket below one prefix. Safe in many threads. Raises StoreUnavailable, StoreRefused, NotThere."""

    def __init__(self, bucket: str, prefix: str, client: Client, signer: Signer):
        self._bucket = path_of(bucket)
        self._path = path_of(bucket, prefix)
        self._signer = signer
        self._client = client

    def of_bucket(self) -> BucketLock | None:
        """None when the bucket has no object lock: that can only be switched on when it is made."""
        answer = self._call("GET", self._bucket, "object-lock=")
        said = answer.body.decode(errors="replace")
        if answer.status == 404 and "NoSuchBucket" not in said:
            return None
        self._demand(answer, "object lock")
        if "Enabled" not in said:
            return None
        mode, days, years = (_text(said, name) for name in ("Mode", "Days", "Years"))
        if not days and not years:
            return BucketLock()
        return BucketLock(mode, timedelta(days=int(days)) if days else int(years) * _A_YEAR)

    def of(self, key: str) -> ObjectLock:
        answer = self._call("HEAD", self._at(key), "")
        if answer.status == 404:
            raise not_there(key, self._bucket.strip("/"))
        self._demand(answer, key)
        until = answer.headers.get("x-amz-object-lock-retain-until-date", "")
        return ObjectLock(
            _moment(until),
            answer.headers.get("x-amz-object-lock-mode", ""),
            answer.headers.get("x-amz-object-lock-legal-hold", "").upper() == "ON",
        )

    def extend(self, key: str, until: datetime, mode: str) -> None:
        """Lock the object until then. A storage refuses to make a lock shorter."""
        body = (
            '<Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Mode>{mode}</Mode><RetainUntilDate>{until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}</RetainUntilDate>"
            "</Retention>"
        ).encode()
        md5 = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        answer = self._call("PUT", self._at(key), "retention=", body, {"content-md5": md5})
        self._demand(answer, key)

    def close(self) -> None:
        self._client.close()

    def _at(self, key: str) -> str:
        return self._path.rstrip("/") + path_of(key)

    def _call(
        self, method: str, path: str, query: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        payload = hashlib.sha256(body).hexdigest() if body else EMPTY
        signed = self._signer.sign(method, path, query, headers or {}, payload)
        return self._client.call(
            method, path + (f"?{query}" if query else ""), body=body or None, headers=signed
        )

    def _demand(self, answer: Answer, what: str) -> None:
        about = {"bucket": self._bucket.strip("/"), "what": what, "reason": answer.said}
        if answer.status >= 500 or answer.status == 429:
            raise StoreUnavailable(_("{bucket} does not answer about {what}: {reason}").format(**about))
        if answer.status >= 400:
            raise StoreRefused(
                _("{bucket} refuses to speak of {what}: {reason}").format(**about),
                hint=_(
                    "The keys want s3:GetBucketObjectLockConfiguration, s3:GetObjectRetention and "
                    "s3:PutObjectRetention."
                ),
            )


def locks_of(store: Store) -> S3Locks | None:
    """Through whatever is wrapped round a store that has such; None where nothing is known of locks."""
    inner: Any = store
    while hasattr(inner, "store"):
        inner = inner.store
    look = getattr(inner, "locks", None)
    found: S3Locks | None = look() if look else None
    return found


def locks_for(bucket: str, prefix: str, options: Options) -> S3Locks | None:
    """None when the keys come from somewhere that only the driver knows, such as a machine's role."""
    region = options.region or os.environ.get("AWS_REGION") or "us-east-1"
    endpoint = options.endpoint or f"https://s3.{region}.amazonaws.com"
    signer = signer_for(urlsplit(endpoint).netloc, region, options)
    if signer is None:
        return None
    client = Client(endpoint, timeout=options.timeout, ca_file=options.ca_file)
    return S3Locks(bucket, prefix, client, signer)


def _text(document: str, name: str) -> str:
    found = re.search(f"<{name}>\\s*([^<]*?)\\s*</{name}>", document)
    return found[1] if found else ""


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
