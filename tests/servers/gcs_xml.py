"""The writing half of Google's XML interface, in front of an emulator that speaks its JSON interface alone.

What is read is handed through as it is. Uploads, parts of them, copies and removals become the requests that Google's
own SDK makes, so that the conditions are the emulator's and not ours; lists are cut into pages as Google cuts them.
Each request has to bear a token that was signed with the account's key.
"""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import threading
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_LEAST_PART = 5 << 20  # but for the last one
_PAGE = 1000
_META = "x-goog-meta-"


@contextmanager
def speaking_xml(emulator: str, key: RSAPublicKey) -> Iterator[str]:
    """The address at which the emulator (`host:port`) is reached in Google's XML."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.emulator, server.key = emulator, key
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    emulator: str
    key: RSAPublicKey

    def __init__(self, *given: Any):
        super().__init__(*given)
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.abouts: dict[str, dict[str, Any]] = {}
        self.numbers = itertools.count(1)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *words: Any) -> None: ...

    def do_GET(self) -> None:
        self._begin()
        if self.key:
            self._hand_through()
        else:
            self._list()

    def do_HEAD(self) -> None:
        self._begin()
        self._hand_through()

    def do_DELETE(self) -> None:
        self._begin()
        if "uploadId" in self.query:
            self.server.uploads.pop(self.query["uploadId"], None)
            self._answer(204)
        else:
            self._tell(self._ask("DELETE", f"/storage/v1/b/{self.bucket}/o/{quote(self.key, '')}"), 204)

    def do_PUT(self) -> None:
        self._begin()
        if "uploadId" in self.query:
            parts = self.server.uploads.get(self.query["uploadId"])
            if parts is None:
                self._refuse(404, "NoSuchUpload", "That upload is not known.")
                return
            parts[int(self.query["partNumber"])] = self.body
            self._answer(200, headers={"ETag": _etag(self.body)})
        elif origin := self.headers.get("x-goog-copy-source"):
            bucket, _slash, key = unquote(origin).lstrip("/").partition("/")
            path = (
                f"/storage/v1/b/{bucket}/o/{quote(key, '')}/rewriteTo/b/{self.bucket}/o/{quote(self.key, '')}"
            )
            self._tell(self._ask("POST", path + self._condition("?")), 200, b"<CopyObjectResult/>")
        else:
            self._tell(self._upload(self.body, self._about()), 200)

    def do_POST(self) -> None:
        self._begin()
        if "uploads" in self.query:
            name = f"upload-{next(self.server.numbers)}"
            self.server.uploads[name] = {}
            self.server.abouts[name] = self._about()
            self._answer(
                200,
                f"<InitiateMultipartUploadResult><Bucket>{self.bucket}</Bucket><Key>{escape(self.key)}</Key>"
                f"<UploadId>{name}</UploadId></InitiateMultipartUploadResult>".encode(),
            )
            return
        parts = self.server.uploads.pop(self.query["uploadId"], {})
        asked = {
            int(one.findtext("PartNumber") or 0): one.findtext("ETag")
            for one in ElementTree.fromstring(self.body)
        }
        if asked != {number: _etag(data) for number, data in parts.items()}:
            self._refuse(400, "InvalidPart", "The parts are not those that were uploaded.")
        elif any(len(parts[number]) < _LEAST_PART for number in sorted(asked)[:-1]):
            self._refuse(400, "EntityTooSmall", "A part is too small.")
        else:
            whole = b"".join(parts[number] for number in sorted(asked))
            done = "<CompleteMultipartUploadResult><ETag>whole</ETag></CompleteMultipartUploadResult>"
            about = self.server.abouts[self.query["uploadId"]]
            self._tell(self._upload(whole, about), 200, done.encode())

    # -- one request -------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        parts = urlsplit(self.path)
        bucket, _slash, key = parts.path.lstrip("/").partition("/")
        self.bucket, self.key = unquote(bucket), unquote(key)
        self.query = {
            name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()
        }
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if not self._signed():
            self._refuse(403, "AccessDenied", "The token is not signed by a known key.")
            raise ConnectionError

    def _signed(self) -> bool:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        said, _dot, signature = token.rpartition(".")
        try:
            self.server.key.verify(_unpadded(signature), said.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True

    def _about(self) -> dict[str, Any]:
        """What the headers of an upload say of the object."""
        return {
            "name": self.key,
            "contentType": self.headers.get("content-type", "application/octet-stream"),
            "storageClass": self.headers.get("x-goog-storage-class", "STANDARD"),
            "metadata": {
                name.lower().removeprefix(_META): value
                for name, value in self.headers.items()
                if name.lower().startswith(_META)
            },
        }

    def _upload(self, data: bytes, about: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        body = b"\r\n".join(
            (
                b"--cut\r\ncontent-type: application/json\r\n",
                json.dumps(about).encode(),
                b"--cut\r\ncontent-type: " + about["contentType"].encode() + b"\r\n",
                data,
                b"--cut--\r\n",
            )
        )
        path = f"/upload/storage/v1/b/{self.bucket}/o?uploadType=multipart" + self._condition("&")
        return self._ask("POST", path, body, {"content-type": "multipart/related; boundary=cut"})

    def _condition(self, sign: str) -> str:
        wanted = self.headers.get("x-goog-if-generation-match")
        return "" if wanted is None else f"{sign}ifGenerationMatch={wanted}"

    def _list(self) -> None:
        wanted = {"maxResults": str(_PAGE), "prefix": self.query.get("prefix", "")}
        if "continuation-token" in self.query:
            wanted["pageToken"] = self.query["continuation-token"]
        asked = "&".join(f"{name}={quote(value, '')}" for name, value in wanted.items())
        status, _headers, said = self._ask("GET", f"/storage/v1/b/{self.bucket}/o?{asked}")
        if status != 200:
            self._tell((status, {}, said), 200)
            return
        found = json.loads(said)
        items = "".join(
            f"<Contents><Key>{escape(one['name'])}</Key><Size>{one['size']}</Size>"
            f"<LastModified>{one['updated']}</LastModified><ETag>&quot;{one['etag']}&quot;</ETag></Contents>"
            for one in found.get("items", ())
        )
        more = found.get("nextPageToken", "")
        if more:
            items += f"<NextContinuationToken>{escape(more)}</NextContinuationToken>"
        self._answer(
            200,
            f"<ListBucketResult><IsTruncated>{str(bool(more)).lower()}</IsTruncated>{items}"
            "</ListBucketResult>".encode(),
        )

    def _hand_through(self) -> None:
        asked = {name: value for name in ("range", "if-match") if (value := self.headers.get(name))}
        status, headers, said = self._ask(
            self.command, f"/{self.bucket}/{quote(self.key, '')}", headers=asked
        )
        if status == 404:
            self._tell((status, headers, said), 200)
            return
        kept = (
            "etag",
            "last-modified",
            "content-type",
            "content-range",
            "content-length",
            "x-goog-generation",
        )
        given = {n: value for n, value in headers.items() if n in kept or n.startswith(_META)}
        self._answer(status, said, given)

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        # A connection of its own each time: the emulator leaves some of them in disorder.
        connection = http.client.HTTPConnection(self.server.emulator, timeout=60)
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def _tell(self, answer: tuple[int, Mapping[str, str], bytes], fine: int, said: bytes = b"") -> None:
        """What the emulator answered in JSON, as Google answers in XML."""
        status, _headers, given = answer
        if status in (200, 204):
            found = json.loads(given) if given.startswith(b"{") else {}
            found = found.get("resource", found)
            headers = (
                {"x-goog-generation": found["generation"], "ETag": f'"{found["etag"]}"'} if found else {}
            )
            self._answer(fine, said, headers)
        elif status == 404:
            there = self._ask("GET", f"/storage/v1/b/{self.bucket}")[0] == 200
            self._refuse(404, "NoSuchKey" if there else "NoSuchBucket", "It does not exist.")
        else:
            self._refuse(status, "PreconditionFailed" if status == 412 else "Refused", "It was refused.")

    def _refuse(self, status: int, code: str, said: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>{said}</Message></Error>".encode())

    def _answer(self, status: int, said: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        given = {"content-length": str(len(said)), "content-type": "application/xml"}
        given.update((name.lower(), value) for name, value in (headers or {}).items())
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def _unpadded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
