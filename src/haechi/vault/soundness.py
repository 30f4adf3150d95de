"""One snapshot looked at by itself: everything it needs is there, and with `read_data` every byte of it is right.

`check` looks at the whole vault; this is the question asked right after a backup, and of a single restore point.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from haechi.errors import Damaged, NotThere
from haechi.events import SILENT, Reporter, Step
from haechi.i18n import _
from haechi.model import Share
from haechi.vault import trees
from haechi.vault.blobs import unseal
from haechi.vault.packing import Blob, Kind, pack_key
from haechi.vault.repository import Vault
from haechi.vault.snapshots import Snapshot

_READERS = 3
_GAP = 256 << 10  # reading over so much that is not wanted is cheaper than asking twice


_BLOB = struct.Struct(">III32s")  # so that their bytes sort as they lie
_EXTENT = struct.calcsize(">II")  # so many of them say where it lies


class _Wanted:
    """What is wanted of one pack, in few bytes: a snapshot may have millions of blobs, and name one of them, such as
    that of a hole, a million times. So they are not looked up among those that were named before, but sifted when
    there have come as many again. Those that are not read need not be known by name."""

    __slots__ = ("_most", "_packed", "_size", "end")

    def __init__(self, read: bool) -> None:
        self.end = 0
        self._size = _BLOB.size if read else _EXTENT
        self._packed = bytearray()
        self._most = 4096 * self._size

    def add(self, blob: Blob) -> None:
        self.end = max(self.end, blob.offset + blob.length)
        self._packed += _BLOB.pack(blob.offset, blob.length, blob.plain, blob.id)[: self._size]
        if len(self._packed) >= self._most:
            self.sift()
            self._most = max(self._most, 2 * len(self._packed))

    def sift(self) -> None:
        """Each once, as they lie."""
        view = memoryview(self._packed)
        found = {bytes(view[at : at + self._size]) for at in range(0, len(view), self._size)}
        self._packed = bytearray().join(sorted(found))

    def blobs(self) -> Iterator[Blob]:
        for offset, length, plain, name in _BLOB.iter_unpack(self._packed):
            yield Blob(name, Kind.DATA, offset, length, plain)

    @property
    def count(self) -> int:
        return len(self._packed) // self._size

    @property
    def length(self) -> int:
        each = struct.iter_unpack(f">II{self._size - _EXTENT}x", self._packed)
        return sum(length for _offset, length in each)


@dataclass(frozen=True)
class Soundness:
    """What was looked at."""

    files: int
    blobs: int
    packs: int
    bytes_read: int


def look(
    vault: Vault,
    snapshot: Snapshot,
    *,
    read_data: bool = False,
    share: Share | None = None,
    reporter: Reporter = SILENT,
) -> Soundness:
    """Raises Damaged unless the snapshot can be brought back, as far as was looked. With a share, so many of its
    packs are read and the others only looked at."""
    files = 0
    packs: dict[bytes, _Wanted] = defaultdict(partial(_Wanted, read_data))
    for path, content in trees.files(vault.blobs.tree, snapshot.tree):  # each on the way is authenticated
        files += 1
        for blob in content:
            try:
                place = vault.blobs.place(Kind.DATA, blob)
            except Damaged as problem:
                raise Damaged(f"{path}: {problem.message}", hint=problem.hint) from None
            packs[place.pack].add(place.blob)
    for wanted in packs.values():
        wanted.sift()
    chosen = set(share.of(sorted(packs))) if share else packs.keys()
    total = sum(wanted.length for wanted in packs.values())
    read = sum(packs[pack].length for pack in chosen)
    title = _("Reading {count} packs").format(count=len(packs)) if read_data else ""
    with (
        reporter.step(title or _("Looking at {count} packs").format(count=len(packs)), total) as step,
        ThreadPoolExecutor(_READERS, thread_name_prefix="vault-look") as pool,
    ):

        def look_at(pack: bytes) -> None:
            (_read if read_data and pack in chosen else _stat)(vault, pack, packs[pack], step)

        for _done in pool.map(look_at, packs):
            pass
    blobs = sum(wanted.count for wanted in packs.values())
    return Soundness(files, blobs, len(packs), read if read_data else 0)


def as_facts(found: Soundness) -> Mapping[str, int]:
    return {"files": found.files, "blobs": found.blobs, "packs": found.packs, "bytes_read": found.bytes_read}


def _stat(vault: Vault, pack: bytes, wanted: _Wanted, step: Step) -> None:
    """The pack is there and reaches as far as the index says."""
    try:
        size = vault.store.stat(pack_key(pack)).size
    except NotThere:
        raise _gone(pack) from None
    if size < wanted.end:
        raise Damaged(
            _("The pack {pack} is shorter than it was.").format(pack=pack.hex()[:16]),
            hint=_("Run `haechi vault check` to see what it touches, and `haechi vault heal` to mend it."),
        )
    step.advance(wanted.length)


def _read(vault: Vault, pack: bytes, wanted: _Wanted, step: Step) -> None:
    """Every wanted blob of the pack is exactly what was stored."""
    run: list[Blob] = []
    for blob in wanted.blobs():
        if run and blob.offset - (run[-1].offset + run[-1].length) > _GAP:
            _read_run(vault, pack, run, step)
            run = []
        run.append(blob)
    _read_run(vault, pack, run, step)


def _read_run(vault: Vault, pack: bytes, run: list[Blob], step: Step) -> None:
    start, end = run[0].offset, run[-1].offset + run[-1].length
    try:
        data = memoryview(vault.store.get(pack_key(pack), start, end - start))
    except NotThere:
        raise _gone(pack) from None
    for blob in run:
        unseal(vault.files.key, blob, data[blob.offset - start : blob.offset - start + blob.length])
        step.advance(blob.length)


def _gone(pack: bytes) -> Damaged:
    return Damaged(
        _("The pack {pack} is gone.").format(pack=pack.hex()[:16]),
        hint=_("Run `haechi vault check` to see what it touches, and `haechi vault heal` to mend it."),
    )
