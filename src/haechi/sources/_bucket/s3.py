"""S3 by its own requests: every key as it is, versions, marks of deletion, tags, reads that hold to one version."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import unquote_to_bytes, urlencode
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from haechi import process
from haechi.errors import (
    AccessRefused,
    HaechiError,
    NotThere,
    ServerUnavailable,
    SourceChanged,
    StoreUnavailable,
)
from haechi.i18n import _
from haechi.sources._bucket.etags import OPAQUE
from haechi.sources._bucket.interface import Got, Listed
from haechi.stores._ahead import ahead
from haechi.stores._http import Answer, Client, range_of
from haechi.stores._s3_signing import EMPTY, Signer, path_of, query_of
from haechi.stores.wrappers.retry import Pauses

HEADERS = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    "x-amz-website-redirect-location",
)
_META = "x-amz-meta-"
_SEALED = "x-amz-server-side-encryption"
_PART = 32 << 20
_MOST_PARTS = 9000
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class S3Bucket:
    """Satisfies `Bucket`."""

    tells_versions = True

    def __init__(
        self,
        bucket: str,
        prefix: str,
        client: Client,
        signer: Signer,
        *,
        retries: int,
        patience: float,
        storage_class: str = "",
    ):
        self.url = f"s3://{bucket}" + (f"/{prefix}" if prefix else "")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._client = client
        self._signer = signer
        self._retries = retries
        self._patience = patience
        self._storage_class = storage_class

    # -- reading ---------------------------------------------------------------------------------------------

    def list(self, prefix: str = "") -> Iterator[Listed]:
        query = {"list-type": "2", "encoding-type": "url", "prefix": self._prefix + prefix}
        for page in ahead(self._pages(query, _after_list)):
            for found in page.every("Contents"):
                yield self._listed(page, found)

    def list_versions(self, prefix: str = "") -> Iterator[Listed]:
        query = {"versions": "", "encoding-type": "url", "prefix": self._prefix + prefix}
        for page in ahead(self._pages(query, _after_versions)):
            for found in page.every("Version", "DeleteMarker"):
                yield self._listed(page, found)

    def _pages(self, query: dict[str, str], after: Callable[[_Page], dict[str, str]]) -> Iterator[_Page]:
        """`after`: what to ask beside the query for the page behind this one; nothing, if there is none."""
        more: dict[str, str] = {}
        while True:
            page = _Page(self._ask("GET", None, query | more).body)
            more = after(page) if page.text(page.root, "IsTruncated") == "true" else {}
            yield page
            if not more:
                return

    def tags(self, key: str) -> Mapping[str, str]:
        try:
            page = _Page(self._ask("GET", key, {"tagging": ""}).body)
        except NotThere:
            return {}
        return {page.text(tag, "Key"): page.text(tag, "Value") for tag in page.below("Tag")}

    def head(self, key: str) -> None:
        self._ask("HEAD", key)

    def get(
        self, key: str, *, etag: str = "", version: str = "", start: int = 0, length: int | None = None
    ) -> Got:
        query = {"versionId": version} if version else {}
        headers = {"if-match": f'"{etag}"'} if etag and not version else {}
        ranged = range_of(start, length)
        answer = self._ask("GET", key, query, {**headers, **ranged}, fine=(200, 206, 416))
        if answer.status == 416:  # it became shorter; from the beginning even nothing can be read
            if start:
                raise _changed(key)
            answer = self._ask("GET", key, query, headers)
        got = _got(answer)
        if etag and got.etag not in ("", etag):
            raise _changed(key)  # a server that does not know the condition
        return got

    # -- writing ---------------------------------------------------------------------------------------------

    def put(self, key: str, data: bytes, attributes: Mapping[str, str]) -> bool:
        digest = hashlib.md5(data, usedforsecurity=False)
        headers = {**self._headers(attributes), "content-md5": b64encode(digest.digest()).decode()}
        answer = self._ask("PUT", key, headers=headers, body=data)
        return answer.headers.get("etag", "").strip('"') == digest.hexdigest()

    def put_pieces(self, key: str, pieces: Iterable[bytes], size: int, attributes: Mapping[str, str]) -> bool:
        part_size = max(_PART, -(-size // _MOST_PARTS))
        page = _Page(self._ask("POST", key, {"uploads": ""}, self._headers(attributes)).body)
        upload = {"uploadId": page.text(page.root, "UploadId")}
        try:
            etags, digests = [], b""
            for number, data in enumerate(_regular(pieces, part_size), 1):
                part = self._ask("PUT", key, {**upload, "partNumber": str(number)}, body=data)
                etags.append(part.headers.get("etag", ""))
                digests += hashlib.md5(data, usedforsecurity=False).digest()
            parts = "".join(
                f"<Part><PartNumber>{n}</PartNumber><ETag>{escape(e)}</ETag></Part>"
                for n, e in enumerate(etags, 1)
            )
            body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
            done = _Page(self._ask("POST", key, upload, body=body).body)
            if done.root.tag.endswith("Error"):  # it is sent with status 200, too
                raise _unavailable(self.url, done.text(done.root, "Message"))
            whole = hashlib.md5(digests, usedforsecurity=False).hexdigest()
            return done.text(done.root, "ETag").strip('"') == f"{whole}-{len(etags)}"
        except BaseException:
            self._abort(key, upload)
            raise

    def delete(self, key: str) -> None:
        self._ask("DELETE", key, fine=(200, 204, 404))

    def close(self) -> None:
        self._client.close()

    def _abort(self, key: str, upload: Mapping[str, str]) -> None:
        """Half an upload costs money, and nobody sees it."""
        try:
            self._ask("DELETE", key, upload, fine=(200, 204, 404))
        except HaechiError:
            return

    def _headers(self, attributes: Mapping[str, str]) -> dict[str, str]:
        headers = {name: attributes[name] for name in HEADERS if name in attributes}
        for name, value in json.loads(attributes.get("metadata", "{}")).items():
            headers[_META + name] = value
        if tags := json.loads(attributes.get("tags", "{}")):
            headers["x-amz-tagging"] = urlencode(tags)
        if self._storage_class:
            headers["x-amz-storage-class"] = self._storage_class
        return headers

    # -- asking ----------------------------------------------------------------------------------------------

    def _ask(
        self,
        method: str,
        key: str | None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        fine: tuple[int, ...] = (200,),
    ) -> Answer:
        """One request, again as long as that may help. Every one of them may be repeated."""
        path = path_of(self._bucket) + ("" if key is None else path_of(self._prefix + key))
        asked = query_of(query or {})
        payload = EMPTY if body is None else hashlib.sha256(body).hexdigest()
        url = path + (f"?{asked}" if asked else "")
        pauses = Pauses(self._retries + 1, self._patience)
        while True:
            signed = self._signer.sign(method, path, asked, headers or {}, payload)
            try:
                answer = self._client.call(
                    method, url, body=body if method != "PUT" else body or b"", headers=_latin(signed)
                )
            except StoreUnavailable as problem:
                failure: HaechiError = _unavailable(self.url, problem.message)
            else:
                if answer.status in fine:
                    return answer
                failure = self._failure(key, answer)
            if not failure.retryable or isinstance(failure, SourceChanged) or process.interrupted():
                raise failure
            if not pauses.another():
                raise failure

    def _failure(self, key: str | None, answer: Answer) -> HaechiError:
        page = _Page(answer.body)
        code, said = page.text(page.root, "Code"), page.text(page.root, "Message") or str(answer.status)
        if answer.status == 412:
            return _changed(key or "")
        if answer.status == 404:
            if key is None or code == "NoSuchBucket":
                return NotThere(
                    _("There is no bucket {url}.").format(url=self.url),
                    hint=_("Correct its address in the plan, or make the bucket first."),
                )
            return NotThere(_("{key} is not in {store}.").format(key=key, store=self.url))
        if answer.status in _PASSING or code in ("SlowDown", "RequestTimeout", "OperationAborted"):
            return _unavailable(self.url, said)
        return AccessRefused(
            _("{url} refuses: {reason}").format(url=self.url, reason=said),
            hint=_("Check the keys, and that they may list and read this bucket, or write to it."),
            detail=code,
        )

    def _listed(self, page: _Page, found: ElementTree.Element) -> Listed:
        said = page.fields(found)
        version = said.get("VersionId", "")
        return Listed(
            page.decoded(said.get("Key", "")).removeprefix(self._prefix),
            int(said.get("Size") or 0),
            _moment(said.get("LastModified", "")),
            said.get("ETag", "").strip('"'),
            "" if version == "null" and "IsLatest" not in said else version,
            said.get("IsLatest") != "false",
            found.tag.endswith("DeleteMarker"),
        )


class _Page:
    """An answer's XML, read without its namespace, which not every server writes alike."""

    def __init__(self, body: bytes):
        try:
            self.root = ElementTree.fromstring(body) if body else ElementTree.Element("none")
        except ElementTree.ParseError:
            self.root = ElementTree.Element("none")
        self._space = self.root.tag[: self.root.tag.find("}") + 1]
        self._quoted = self.text(self.root, "EncodingType") == "url"

    def every(self, *names: str) -> Iterator[ElementTree.Element]:
        wanted = {self._space + name for name in names}
        return (child for child in self.root if child.tag in wanted)

    def below(self, name: str) -> Iterator[ElementTree.Element]:
        return self.root.iter(self._space + name)

    def text(self, element: ElementTree.Element, name: str) -> str:
        return element.findtext(self._space + name) or ""

    def fields(self, element: ElementTree.Element) -> dict[str, str]:
        """Each of what lies directly in it."""
        start = len(self._space)
        return {child.tag[start:]: child.text or "" for child in element}

    def key(self, element: ElementTree.Element, name: str) -> str:
        return self.decoded(self.text(element, name))

    def decoded(self, text: str) -> str:
        if not self._quoted or ("%" not in text and "+" not in text):
            return text
        return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "surrogateescape")


def _after_list(page: _Page) -> dict[str, str]:
    token = page.text(page.root, "NextContinuationToken")
    return {"continuation-token": token} if token else {}


def _after_versions(page: _Page) -> dict[str, str]:
    key, version = page.key(page.root, "NextKeyMarker"), page.text(page.root, "NextVersionIdMarker")
    return {"key-marker": key, "version-id-marker": version} if version else {"key-marker": key}


@lru_cache(1024)  # neighbours were often written in the same second
def _moment(text: str) -> datetime:
    """Of a listing, or of a header. What makes no sense, or is not there, is long ago."""
    with suppress(ValueError):
        return datetime.fromisoformat(text).astimezone(UTC)
    with suppress(ValueError):
        return parsedate_to_datetime(text).astimezone(UTC)
    return datetime(1970, 1, 1, tzinfo=UTC)


def _got(answer: Answer) -> Got:
    headers = answer.headers
    attributes = {name: _text(headers[name]) for name in HEADERS if headers.get(name)}
    metadata = {n.removeprefix(_META): _text(v) for n, v in headers.items() if n.startswith(_META)}
    if metadata:
        attributes["metadata"] = json.dumps(metadata, sort_keys=True, ensure_ascii=False)
    if headers.get(_SEALED, "").startswith("aws:kms") or f"{_SEALED}-customer-algorithm" in headers:
        attributes[OPAQUE] = "true"
    size = headers.get("content-range", "").rpartition("/")[2]
    version = headers.get("x-amz-version-id", "")
    return Got(
        data=answer.body,
        size=int(size) if size.isdigit() else len(answer.body),
        time=_moment(headers.get("last-modified", "")),
        etag=headers.get("etag", "").strip('"'),
        version="" if version == "null" else version,
        attributes=attributes,
    )


def _text(value: str) -> str:
    """Headers come as Latin-1, and most who write other letters into them write UTF-8."""
    return value.encode("latin-1").decode("utf-8", "surrogateescape")


def _latin(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("latin-1")
        for name, value in headers.items()
    }


def _regular(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """All parts but the last must have one size."""
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) >= size:
            yield bytes(waiting[:size])
            del waiting[:size]
    if waiting:
        yield bytes(waiting)


def _changed(key: str) -> SourceChanged:
    return SourceChanged(_("{key} changed while it was read.").format(key=key))


def _unavailable(url: str, reason: str) -> ServerUnavailable:
    return ServerUnavailable(
        _("{url} does not answer as it should: {reason}").format(url=url, reason=reason),
        hint=_("Check the address, the network and the service."),
    )
