"""As much of an S3 client as tests need beside the product: buckets, object lock, versions."""

from __future__ import annotations

import hashlib
import hmac
import http.client
from base64 import b64encode
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit


class S3:
    class Refused(Exception):
        pass

    def __init__(self, endpoint: str, access_key: str, secret_key: str):
        self.host = urlsplit(endpoint).netloc
        self.access_key = access_key
        self.secret_key = secret_key

    def make_bucket(self, name: str, *, lock: bool = False) -> None:
        headers = {"x-amz-bucket-object-lock-enabled": "true"} if lock else {}
        self.call("PUT", f"/{name}", headers=headers, fine=(200, 409))

    def retain_by_default(self, name: str, days: int, mode: str = "COMPLIANCE") -> None:
        body = (
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>"
            f"<Mode>{mode}</Mode><Days>{days}</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
        ).encode()
        md5 = b64encode(hashlib.md5(body).digest()).decode()
        self.call("PUT", f"/{name}", query="object-lock=", body=body, headers={"content-md5": md5})

    def call(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        fine: tuple[int, ...] = (200, 204, 206),
    ) -> bytes:
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        signed = {
            "host": self.host,
            "x-amz-content-sha256": digest,
            "x-amz-date": moment,
            **{name.lower(): value for name, value in (headers or {}).items()},
        }
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        request = "\n".join([method, quote(path), query, lines, names, digest])
        scope = f"{moment[:8]}/us-east-1/s3/aws4_request"
        to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()])
        key = f"AWS4{self.secret_key}".encode()
        for part in (moment[:8], "us-east-1", "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        connection = http.client.HTTPConnection(self.host, timeout=20)
        try:
            connection.request(method, quote(path) + (f"?{query}" if query else ""), body, signed)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status not in fine:
            raise self.Refused(f"{method} {path}: {answer.status} {said[:300]!r}")
        return said
