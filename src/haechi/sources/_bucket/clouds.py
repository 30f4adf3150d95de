"""Google Cloud Storage, Azure, and S3 whose keys only the driver knows (a machine's role): through the driver.

It knows no versions and no tags, and takes no key that is not a plain path.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from haechi.errors import AccessRefused, HaechiError, NotThere, ServerUnavailable, SourceChanged
from haechi.i18n import _
from haechi.sources._bucket.interface import Got, Listed
from haechi.stores._ahead import ahead
from haechi.stores.wrappers.retry import Pauses

_HEADERS = {
    "Content-Type": "content-type",
    "Cache-Control": "cache-control",
    "Content-Disposition": "content-disposition",
    "Content-Encoding": "content-encoding",
    "Content-Language": "content-language",
}
_PART = 32 << 20


class DriverBucket:
    """Satisfies `Bucket`. The driver is patient by itself."""

    tells_versions = False

    def __init__(self, url: str, driver: Any, *, retries: int, patience: float, storage_class: str = ""):
        self.url = url
        self._driver = driver
        self._retries = retries
        self._patience = patience
        self._storage_class = storage_class

    def list(self, prefix: str = "") -> Iterator[Listed]:
        import obstore

        directory = prefix[: prefix.rfind("/") + 1].rstrip("/")
        with self._explained(prefix):
            for page in obstore.list(self._driver, directory or None, chunk_size=1000):
                for found in page:
                    if found["path"].startswith(prefix):
                        etag = _quoted(found["e_tag"])
                        yield Listed(found["path"], found["size"], found["last_modified"], etag)

    def list_versions(self, prefix: str = "") -> Iterator[Listed]:
        yield from self.list(prefix)

    def tags(self, key: str) -> Mapping[str, str]:
        return {}

    def head(self, key: str) -> None:
        import obstore

        with self._explained(key):
            obstore.head(self._driver, key)

    def get(
        self, key: str, *, etag: str = "", version: str = "", start: int = 0, length: int | None = None
    ) -> Got:
        import obstore

        options: Any = {}
        if etag:
            options["if_match"] = _quoted(etag)
        if length is not None:
            options["range"] = (start, start + length)
        pauses = Pauses(self._retries + 1, self._patience)
        while True:
            try:
                with self._explained(key):
                    found = obstore.get(self._driver, key, options=options)
                    meta, given = found.meta, found.attributes
                    return Got(
                        data=bytes(found.bytes()),
                        size=meta["size"],
                        time=meta["last_modified"],
                        etag=_quoted(meta["e_tag"]),
                        attributes=_attributes(given),
                    )
            except ServerUnavailable:
                if not pauses.another():
                    raise

    def put(self, key: str, data: bytes, attributes: Mapping[str, str]) -> bool:
        import obstore

        with self._explained(key):
            obstore.put(self._driver, key, data, use_multipart=False, attributes=self._given(attributes))
        return False

    def put_pieces(self, key: str, pieces: Iterable[bytes], size: int, attributes: Mapping[str, str]) -> bool:
        import obstore

        with self._explained(key):
            obstore.put(
                self._driver,
                key,
                ahead(pieces),
                use_multipart=True,
                chunk_size=max(_PART, -(-size // 9000)),
                max_concurrency=2,
                attributes=self._given(attributes),
            )
        return False

    def delete(self, key: str) -> None:
        import obstore

        try:
            with self._explained(key):
                obstore.delete(self._driver, key)
        except NotThere:
            return

    def close(self) -> None:
        """The driver holds nothing that needs closing."""

    def _given(self, attributes: Mapping[str, str]) -> dict[str, str]:
        found = {theirs: attributes[ours] for theirs, ours in _HEADERS.items() if ours in attributes}
        found |= json.loads(attributes.get("metadata", "{}"))
        if self._storage_class:
            found["Storage-Class"] = self._storage_class
        return found

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        from obstore import exceptions as theirs

        try:
            yield
        except HaechiError:
            raise
        except (theirs.NotFoundError, FileNotFoundError) as problem:
            if "NoSuchBucket" in str(problem):
                raise NotThere(
                    _("There is no bucket {url}.").format(url=self.url),
                    hint=_("Correct its address in the plan, or make the bucket first."),
                ) from None
            raise NotThere(_("{key} is not in {store}.").format(key=key, store=self.url)) from None
        except (theirs.PreconditionError, theirs.NotModifiedError):
            raise SourceChanged(_("{key} changed while it was read.").format(key=key)) from None
        except (
            theirs.PermissionDeniedError,
            theirs.UnauthenticatedError,
            theirs.InvalidPathError,
        ) as problem:
            raise AccessRefused(
                _("{url} refuses: {reason}").format(url=self.url, reason=_line(problem)),
                hint=_("Check the keys, and that they may list and read this bucket, or write to it."),
            ) from None
        except theirs.BaseError as problem:
            raise ServerUnavailable(
                _("{url} does not answer as it should: {reason}").format(url=self.url, reason=_line(problem)),
                hint=_("Check the address, the network and the service."),
                detail=str(problem),
            ) from None


def _quoted(etag: str | None) -> str:
    """As a condition wants it. Azure lists it bare and sends it quoted, so the two would never be the same."""
    return f'"{etag}"' if etag and not etag.endswith('"') else etag or ""


def _attributes(given: Mapping[str, str]) -> dict[str, str]:
    found = {ours: given[theirs] for theirs, ours in _HEADERS.items() if theirs in given}
    metadata = {n: v for n, v in given.items() if n not in _HEADERS and n != "Storage-Class"}
    if metadata:
        found["metadata"] = json.dumps(metadata, sort_keys=True, ensure_ascii=False)
    return found


def _line(problem: Exception) -> str:
    return " ".join(str(problem).split()).split(" Debug source:")[0][:300]
