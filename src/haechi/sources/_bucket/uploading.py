"""Objects on their way into a bucket, several at once; each is known to have arrived, or it is an error."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import BinaryIO, Self

from haechi.errors import Damaged, NotVerified
from haechi.events import Step
from haechi.i18n import _
from haechi.sources._base import Kept
from haechi.sources._bucket import etags
from haechi.sources._bucket.etags import Etags
from haechi.sources._bucket.interface import PIECE, Bucket

_WHOLE = 2 * PIECE  # what is larger goes up in parts
_SMALL = 1 << 20  # so many of them may wait in memory
_LARGE_AT_ONCE = 3


@dataclass(frozen=True)
class Upload:
    key: str
    kept: Kept


class Uploads:
    """Leaving the block waits for all of them, and raises what the first has failed of."""

    def __init__(self, bucket: Bucket, at_once: int, step: Step, judge: Etags):
        self._bucket = bucket
        self._etags = judge
        self._at_once = at_once
        self._step = step
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="upload")
        self._waiting: deque[Future[None]] = deque()
        self._of_key: dict[str, Future[None]] = {}
        self._large = threading.Semaphore(_LARGE_AT_ONCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_problem: object) -> None:
        try:
            while kind is None and self._waiting:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def give(self, upload: Upload, *, at_once: bool, in_order: bool) -> None:
        """`at_once`: its stream is to be read before this returns. `in_order`: after those of the same key."""
        while len(self._waiting) >= 4 * self._at_once:
            self._waiting.popleft().result()
        if "deleted" in upload.kept.attributes:
            self._submit(upload.key, in_order, lambda: self._bucket.delete(upload.key))
        elif at_once and upload.kept.size > _SMALL:
            if in_order and upload.key in self._of_key:
                self._of_key[upload.key].result()
            self._one(upload)
        elif at_once:
            with closing(upload.kept.open()) as stream:
                data = _exactly(stream, upload)
            self._submit(upload.key, in_order, lambda: self._small_one(upload, data))
        else:
            self._submit(upload.key, in_order, lambda: self._one(upload))

    def _submit(self, key: str, in_order: bool, work: object) -> None:
        before = self._of_key.get(key) if in_order else None

        def run() -> None:
            if before is not None:
                before.result()  # handed over earlier, so it does not wait for us
            work()  # type: ignore[operator]

        coming = self._pool.submit(run)
        self._waiting.append(coming)
        if in_order:
            if len(self._of_key) > 8 * self._at_once:
                self._of_key = {k: f for k, f in self._of_key.items() if not f.done()}
            self._of_key[key] = coming

    def _one(self, upload: Upload) -> None:
        with self._large if upload.kept.size > _SMALL else nullcontext():
            if upload.kept.size > _WHOLE:
                self._large_one(upload)
                return
            with closing(upload.kept.open()) as stream:
                data = _exactly(stream, upload)
            self._small_one(upload, data)

    def _small_one(self, upload: Upload, data: bytes) -> None:
        if (told := etags.begin(upload.kept)) is not None:
            told.update(data)
            self._etags.judge(upload.key, upload.kept, told)
        if not self._bucket.put(upload.key, data, upload.kept.attributes):
            self._read_back(upload, hashlib.sha256(data).digest())
        self._step.advance(len(data))

    def _large_one(self, upload: Upload) -> None:
        digest, told = hashlib.sha256(), etags.begin(upload.kept)

        def pieces(stream: BinaryIO) -> Iterator[bytes]:
            left = upload.kept.size
            while left and (piece := stream.read(min(PIECE, left))):
                left -= len(piece)
                digest.update(piece)
                if told is not None:
                    told.update(piece)
                self._step.advance(len(piece))
                yield piece
            if left:
                raise _short(upload)

        with closing(upload.kept.open()) as stream:
            size, attributes = upload.kept.size, upload.kept.attributes
            sure = self._bucket.put_pieces(upload.key, pieces(stream), size, attributes)
        self._etags.judge(upload.key, upload.kept, told)
        if not sure:
            self._read_back(upload, digest.digest())

    def _read_back(self, upload: Upload, expected: bytes) -> None:
        digest = hashlib.sha256()
        size = upload.kept.size
        for start in range(0, size, PIECE):
            digest.update(self._bucket.get(upload.key, start=start, length=min(PIECE, size - start)).data)
        if digest.digest() != expected:
            raise NotVerified(
                _("{key} is not what was written.").format(key=upload.key),
                hint=_("Do not trust this storage: look at its disk, its memory and its log."),
            )


def _exactly(stream: BinaryIO, upload: Upload) -> bytes:
    data = stream.read()
    if len(data) != upload.kept.size:
        raise _short(upload)
    return data


def _short(upload: Upload) -> Damaged:
    return Damaged(
        _("{path} in the copy is shorter than it should be.").format(path=upload.key),
        hint=_("Use another copy of this restore point, or an older one."),
    )
