"""Index files: which packs there are and which blobs lie where in them, as JSON."""

from __future__ import annotations

import json
import re
import struct
from binascii import unhexlify
from collections.abc import Callable, Iterable, Iterator, Sequence

from haechi.errors import Damaged
from haechi.i18n import _
from haechi.vault.packing import Blob, Kind, Pack

KIND = "index"
MOST_BLOBS = 50_000  # in one file, as restic does; a file is then about 4 MB

# A pack's id is followed by its blobs, a blob's id by its type. Matching the text as it is written takes a
# third of the time of parsing it, which is seconds when a vault holds millions of blobs.
_ENTRY = re.compile(
    rb'"id":"([0-9a-f]{64})",'
    rb'(?:"blobs":\[|"type":"(data|tree)","offset":(\d+),"length":(\d+)(?:,"uncompressed_length":(\d+))?\})'
)
_VALUE = struct.Struct("<IIII")  # number of the pack, offset, length, length before compression

Put = Callable[[bytes, bytes], None]


def encode(packs: Iterable[Pack]) -> bytes:
    """The JSON of an index file of these packs."""
    return b'{"packs":[' + ",".join(_pack(pack) for pack in packs).encode() + b"]}"


def decode(plain: bytes) -> list[Pack]:
    """The packs in an index file, each with its blobs."""
    try:
        return [
            Pack(bytes.fromhex(pack["id"]), [_blob(blob) for blob in pack.get("blobs") or ()])
            for pack in json.loads(plain).get("packs") or ()
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _senseless() from None


def scatter(plain: bytes, first: int, data: Put, tree: Put) -> list[bytes]:
    """Hand every blob's id and place to `data` or `tree`; says the packs' ids, numbered from `first` on.

    The same as `decode`, for those who load millions of blobs.
    """
    entries = _ENTRY.findall(plain)
    if len(entries) != plain.count(b'"id":'):  # written by another hand, with other spaces or another order
        return _scatter_slowly(plain, first, data, tree)
    packs: list[bytes] = []
    rows: list[tuple[Put, bytes, bytes]] = []
    number = first - 1
    pack_value, name_of = _VALUE.pack, unhexlify
    try:
        for name, kind, offset, length, plain_length in entries:
            if kind:
                put = data if kind == b"data" else tree
                place = pack_value(number, int(offset), int(length), int(plain_length or 0))
                rows.append((put, name_of(name), place))
            else:
                number += 1
                packs.append(name_of(name))
    except struct.error:
        raise _senseless() from None
    for put, blob, place in rows:  # all of a file or nothing: half of one would point to packs of the next
        put(blob, place)
    return packs


def unpack_value(value: bytes) -> tuple[int, int, int, int]:
    return _VALUE.unpack(value)


VALUE_SIZE = _VALUE.size


def value(number: int, blob: Blob) -> bytes:
    return _VALUE.pack(number, blob.offset, blob.length, blob.plain)


def portions(packs: Iterable[Pack]) -> Iterator[Sequence[Pack]]:
    """Packs in portions that fit into one index file each."""
    portion: list[Pack] = []
    count = 0
    for pack in packs:
        if portion and count + len(pack.blobs) > MOST_BLOBS:
            yield portion
            portion, count = [], 0
        portion.append(pack)
        count += len(pack.blobs)
    if portion:
        yield portion


def _scatter_slowly(plain: bytes, first: int, data: Put, tree: Put) -> list[bytes]:
    packs = decode(plain)
    for number, pack in enumerate(packs, first):
        for blob in pack.blobs:
            (data if blob.kind is Kind.DATA else tree)(blob.id, value(number, blob))
    return [pack.id for pack in packs]


def _pack(pack: Pack) -> str:
    blobs = ",".join(
        f'{{"id":"{b.id.hex()}","type":"{b.kind}","offset":{b.offset},"length":{b.length}'
        + (f',"uncompressed_length":{b.plain}}}' if b.plain else "}")
        for b in pack.blobs
    )
    return f'{{"id":"{pack.id.hex()}","blobs":[{blobs}]}}'


def _blob(found: dict[str, int | str]) -> Blob:
    name, kind = str(found["id"]), Kind(str(found["type"]))
    plain = int(found.get("uncompressed_length") or 0)
    return Blob(bytes.fromhex(name), kind, int(found["offset"]), int(found["length"]), plain)


def _senseless() -> Damaged:
    return Damaged(
        _("An index file of the vault makes no sense."),
        hint=_("Run `haechi vault repair`: it builds the index anew from the packs."),
    )
