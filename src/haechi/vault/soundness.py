"""One snapshot looked at by itself: everything it needs is there, and with `read_data` every byte of it is right.

`check` looks at the whole vault; this is the question asked right after a backup, and of a single restore point.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import attrgetter

from haechi.errors import Damaged, NotThere
from haechi.events import SILENT, Reporter, Step
from haechi.i18n import _
from haechi.model import Share
from haechi.vault.blobs import unseal
from haechi.vault.packing import Blob, Kind, pack_key
from haechi.vault.repository import Vault
from haechi.vault.snapshots import Snapshot

_READERS = 3
_GAP = 256 << 10  # reading over so much that is not wanted is cheaper than asking twice


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
    files, places = 0, {}
    for path, node in vault.walk(snapshot):  # every tree on the way is authenticated
        if node.type != "file":
            continue
        files += 1
        for name in node.content or ():
            blob = bytes.fromhex(name)
            if blob not in places:
                try:
                    places[blob] = vault.blobs.place(Kind.DATA, blob)
                except Damaged as problem:
                    raise Damaged(f"{path}: {problem.message}", hint=problem.hint) from None
    packs: dict[bytes, list[Blob]] = defaultdict(list)
    for place in places.values():
        packs[place.pack].append(place.blob)
    chosen = set(share.of(sorted(packs))) if share else packs.keys()
    total = sum(blob.length for blobs in packs.values() for blob in blobs)
    read = sum(blob.length for pack in chosen for blob in packs[pack])
    title = _("Reading {count} packs").format(count=len(packs)) if read_data else ""
    with (
        reporter.step(title or _("Looking at {count} packs").format(count=len(packs)), total) as step,
        ThreadPoolExecutor(_READERS, thread_name_prefix="vault-look") as pool,
    ):

        def look_at(pack: bytes) -> None:
            (_read if read_data and pack in chosen else _stat)(vault, pack, packs[pack], step)

        for _done in pool.map(look_at, packs):
            pass
    return Soundness(files, len(places), len(packs), read if read_data else 0)


def as_facts(found: Soundness) -> Mapping[str, int]:
    return {"files": found.files, "blobs": found.blobs, "packs": found.packs, "bytes_read": found.bytes_read}


def _stat(vault: Vault, pack: bytes, blobs: list[Blob], step: Step) -> None:
    """The pack is there and reaches as far as the index says."""
    try:
        size = vault.store.stat(pack_key(pack)).size
    except NotThere:
        raise _gone(pack) from None
    if size < max(blob.offset + blob.length for blob in blobs):
        raise Damaged(
            _("The pack {pack} is shorter than it was.").format(pack=pack.hex()[:16]),
            hint=_("Run `haechi vault check` to see what it touches, and `haechi vault heal` to mend it."),
        )
    step.advance(sum(blob.length for blob in blobs))


def _read(vault: Vault, pack: bytes, blobs: list[Blob], step: Step) -> None:
    """Every wanted blob of the pack is exactly what was stored."""
    run: list[Blob] = []
    for blob in sorted(blobs, key=attrgetter("offset")):
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
