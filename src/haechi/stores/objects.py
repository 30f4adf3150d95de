"""Object storage: Amazon S3 and all that speak like it (MinIO, SeaweedFS, Ceph, R2, B2, ...), Google Cloud
Storage, Azure Blob Storage.

    url = "s3://bucket/prefix"                       # options: endpoint, region, access_key, secret_key
    url = "s3:https://minio.example:9000/bucket/prefix"
    url = "gs://bucket/prefix"                       # option: service_account
    url = "az://container/prefix"                    # options: account, secret_key

What the plan leaves out comes from the usual environment: AWS_ACCESS_KEY_ID and its sisters,
GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME, or the machine's own role in the cloud.
Every upload carries a checksum that the storage verifies, which buckets with object lock demand anyway.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ByteSize, Field

from haechi.credentials import SecretSource
from haechi.errors import (
    HaechiError,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
    UsageMistake,
)
from haechi.i18n import _
from haechi.stores._ahead import ahead
from haechi.stores._base import Buffer, Entry
from haechi.stores._clouds import driver, parse
from haechi.stores._denials import denial
from haechi.stores._keys import already_there, checked, checked_prefix, not_there
from haechi.stores._options import StoreOptions
from haechi.stores._s3_locks import S3Locks, locks_for
from haechi.stores._s3_versions import S3Versions, versions_of

schemes = ("s3", "gs", "az")

_WHOLE = 64 << 20  # what is larger goes up in parts
_PARTS_AT_ONCE = 3
_STATUS = re.compile(r"status code: (\d{3})")
_FULL = re.compile(r"InsufficientStorage|QuotaExceeded|StorageFull|no free volumes", re.I)
_REFUSED = re.compile(r"AccessDenied")
_TRY_AGAIN = (408, 425, 429)
_PASSING = re.compile(r"RequestTimeout|SlowDown|InternalError|OperationAborted")
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound")
_RANGE = re.compile(r"\b416\b|InvalidRange|range", re.I)


class Options(StoreOptions):
    """What object storage wants to know."""

    endpoint: str | None = Field(
        default=None, description="Address of the service, unless it is the cloud's own."
    )
    region: str | None = Field(default=None, description="Region of the bucket.")
    access_key: SecretSource | None = Field(default=None, description="Access key of S3.")
    secret_key: SecretSource | None = Field(
        default=None, description="Secret key of S3, account key of Azure."
    )
    session_token: SecretSource | None = Field(default=None, description="Token of temporary S3 credentials.")
    account: str | None = Field(default=None, description="Storage account of Azure.")
    service_account: Path | None = Field(default=None, description="JSON key file of Google Cloud.")
    path_style: bool = Field(default=True, description="The bucket in the path; false: in the host's name.")
    ca_file: Path | None = Field(default=None, description="Certificate of a private authority.")
    checksum: bool = Field(default=True, description="Send a SHA-256 with each S3 upload.")
    storage_class: str | None = Field(
        default=None,
        description="Storage class of what is written, such as STANDARD_IA; else the bucket's own. "
        "It must be one that can be read at once.",
    )
    part_size: ByteSize = Field(
        default=ByteSize(32 << 20), description="Parts of a streamed object; S3 takes 10,000 of them."
    )


def build(url: str, options: Options) -> Objects:
    scheme, bucket, prefix, endpoint = parse(url)
    options = options.model_copy(update={"endpoint": options.endpoint or endpoint})
    try:
        quick = driver(scheme, bucket, prefix, options, retries=2)
        patient = driver(scheme, bucket, prefix, options, retries=options.retries + 2)
    except HaechiError:
        raise
    except Exception as problem:  # the driver has many kinds; all of them mean that it was told nonsense
        raise UsageMistake(
            _("The storage {url} cannot be opened: {reason}").format(
                url=f"{scheme}://{bucket}", reason=_line(problem)
            ),
            hint=_("Correct its address and options in the plan."),
        ) from None
    shown = f"{scheme}://{bucket}" + (f"/{prefix}" if prefix else "")
    versions = (lambda: versions_of(bucket, prefix, options)) if scheme == "s3" else None
    locks = (lambda: locks_for(bucket, prefix, options)) if scheme == "s3" else None
    return Objects(
        shown,
        quick,
        patient,
        part_size=int(options.part_size),
        storage_class=options.storage_class,
        versions=versions,
        locks=locks,
        copies_are_done=scheme != "az",
    )


class Objects:
    """`quick` retries little, because a wrapper does; `patient` is for streams, which nobody else can retry."""

    def __init__(
        self,
        url: str,
        quick: Any,
        patient: Any,
        *,
        part_size: int = 32 << 20,
        storage_class: str | None = None,
        versions: Callable[[], S3Versions | None] | None = None,
        locks: Callable[[], S3Locks | None] | None = None,
        copies_are_done: bool = True,
    ):
        self.url = url
        self.versions = versions  # how to look at old versions, where that is known
        self.locks = locks  # how to look at object locks
        self._quick = quick
        self._patient = patient
        self._part_size = part_size
        self._attributes: Any = {"Storage-Class": storage_class} if storage_class else None
        self._conditional = True
        self._copies_are_done = copies_are_done

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        import obstore

        checked(key)
        if length == 0:
            self.stat(key)
            return b""
        try:
            with self._explained(key):
                if length is not None:
                    return bytes(obstore.get_range(self._quick, key, start=offset, length=length))
                options: Any = {"range": {"offset": offset}} if offset else None
                return bytes(obstore.get(self._quick, key, options=options).bytes())
        except HaechiError as problem:
            # Beginning at or after the end is an error to them and nothing to us.
            if _RANGE.search(problem.detail) and offset >= self.stat(key).size:
                return b""
            raise

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        checked(key)
        if isinstance(data, list | tuple) and sum(map(len, data)) <= _WHOLE:
            data = b"".join(data)  # one request instead of four
        if not isinstance(data, bytes | bytearray | memoryview):
            self._put_stream(key, data, replace)
        elif len(data) > _WHOLE:
            self._put_stream(key, _cut(data, self._part_size), replace)
        else:
            self._put_whole(key, data, replace)

    def _put_whole(self, key: str, data: Buffer, replace: bool) -> None:
        import obstore
        from obstore.exceptions import NotSupportedError

        if replace or not self._conditional:
            if not replace:
                self._demand_free(key)
            with self._explained(key):
                obstore.put(self._quick, key, data, use_multipart=False, attributes=self._attributes)
            return
        try:
            with self._explained(key):
                obstore.put(self._quick, key, data, mode="create", attributes=self._attributes)
        except HaechiError as problem:
            if not isinstance(problem.__cause__, NotSupportedError) and _status(problem.detail) != 501:
                raise
            self._conditional = False  # this storage cannot: look first from now on
            self._put_whole(key, data, replace)

    def _put_stream(self, key: str, pieces: Iterable[Buffer], replace: bool) -> None:
        import obstore

        if not replace:
            self._demand_free(key)
        source = _Source(pieces)
        with self._explained(key, source):
            obstore.put(
                self._patient,
                key,
                iter(source),
                use_multipart=True,
                chunk_size=self._part_size,
                max_concurrency=_PARTS_AT_ONCE,
                attributes=self._attributes,
            )

    def delete(self, key: str) -> None:
        import obstore
        from obstore.exceptions import NotFoundError

        with self._explained(checked(key)):
            try:
                obstore.delete(self._quick, key)
            except (NotFoundError, FileNotFoundError) as problem:
                self._demand_bucket(problem)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        import obstore

        directory, prefix = checked_prefix(prefix)
        with self._explained(directory):
            for page in obstore.list(self._quick, directory.rstrip("/") or None, chunk_size=1000):
                for found in page:
                    if found["path"].startswith(prefix):
                        yield Entry(found["path"], found["size"], found["last_modified"])

    def stat(self, key: str) -> Entry:
        import obstore

        with self._explained(checked(key)):
            found = obstore.head(self._quick, key)
            return Entry(key, found["size"], found["last_modified"])

    def duplicate(self, key: str, new: str) -> None:
        import obstore

        # A copy made there would fall back to the bucket's own class; and Azure may answer before it is done, while
        # whoever asked for it goes on to remove the original.
        if self._attributes or not self._copies_are_done:
            self.put(checked(new), ahead(self._pieces(key, self.stat(key).size)), replace=True)
            return
        with self._explained(checked(key)):
            obstore.copy(self._quick, key, checked(new))

    def _pieces(self, key: str, size: int) -> Iterator[Buffer]:
        for start in range(0, size, self._part_size):
            yield self.get(key, start, min(self._part_size, size - start))

    def close(self) -> None:
        """The driver holds nothing that needs closing."""

    def _demand_free(self, key: str) -> None:
        import obstore
        from obstore.exceptions import NotFoundError

        with self._explained(key):
            try:
                obstore.head(self._quick, key)
            except (NotFoundError, FileNotFoundError):
                return
        raise already_there(key, self.url)

    def _demand_bucket(self, problem: Exception) -> None:
        if _NO_BUCKET.search(str(problem)):
            raise StoreRefused(
                _("There is no bucket for {store}.").format(store=self.url),
                hint=_("Create the bucket first; object lock, if you want it, has to be switched on then."),
            ) from None

    @contextmanager
    def _explained(self, key: str, source: _Source | None = None) -> Iterator[None]:
        from obstore import exceptions as theirs

        try:
            yield
        except HaechiError:
            raise
        except (theirs.NotFoundError, FileNotFoundError) as problem:
            self._demand_bucket(problem)
            raise not_there(key, self.url) from None
        except (theirs.AlreadyExistsError, theirs.PreconditionError):
            raise already_there(key, self.url) from None
        except Exception as problem:
            if source is not None and source.problem is not None:
                raise source.problem from None
            self._demand_bucket(problem)
            raise self._explanation(key, problem) from problem

    def _denial(self, said: str, reason: str) -> HaechiError | None:
        """What is wrong with the keys. Nobody says why a HEAD is refused; a listing is, for the same reason."""
        import obstore

        if "performing HEAD" in said and _status(said) in (400, 401, 403):
            try:
                for _some in obstore.list(self._quick, chunk_size=1):
                    break
            except Exception as problem:
                said, reason = str(problem), _line(problem)
        return denial(said, self.url, reason)

    def _explanation(self, key: str, problem: Exception) -> HaechiError:
        from obstore import exceptions as theirs

        said = str(problem)
        about = {"store": self.url, "reason": _line(problem)}
        status = _status(said)
        if status == 507 or _FULL.search(said):
            return StoreFull(
                _("{store} is full: {reason}").format(**about),
                hint=_(
                    "Free some space there, then run the same command again: nothing half-written counts."
                ),
                detail=said,
            )
        if (denied := self._denial(said, _line(problem))) is not None:
            return denied
        refused = isinstance(problem, theirs.PermissionDeniedError | theirs.UnauthenticatedError)
        refused |= 400 <= status < 500 and status not in _TRY_AGAIN
        if (refused or _REFUSED.search(said)) and not _PASSING.search(said):
            return StoreRefused(
                _("{store} refuses “{key}”: {reason}").format(key=key, **about),
                hint=_("Check the keys and what they may do; locked objects cannot be changed by anybody."),
                detail=said,
            )
        return StoreUnavailable(
            _("{store} does not answer as it should: {reason}").format(**about),
            hint=_("Check the address, the network and the service."),
            detail=said,
        )


class _Source:
    """The pieces of a stream; remembers what went wrong while they were made, which is not the storage's doing."""

    def __init__(self, pieces: Iterable[Buffer]):
        self._pieces = pieces
        self.problem: BaseException | None = None

    def __iter__(self) -> Iterator[Buffer]:
        try:
            for piece in self._pieces:
                if len(piece):
                    yield piece
        except BaseException as problem:
            self.problem = problem
            raise


def _cut(data: Buffer, size: int) -> Iterator[Buffer]:
    view = memoryview(data)
    for start in range(0, len(view), size):
        yield view[start : start + size]


def _status(said: str) -> int:
    """The HTTP status in the driver's report; 0 when there was none."""
    found = _STATUS.search(said)
    return int(found.group(1)) if found else 0


def _line(problem: Exception) -> str:
    """The telling part of the driver's long report, on one line."""
    said = " ".join(str(problem).split())
    found = re.search(r"<Message>(.*?)</Message>", said)
    return found.group(1) if found else said.split(" Debug source:")[0][:300]
