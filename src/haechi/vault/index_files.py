"""Index files: which packs there are and which blobs lie where in them, as JSON."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic_core import from_json  # half of json.loads' time

from haechi.errors import Damaged
from haechi.i18n import _
from haechi.vault.packing import Blob, Kind, Pack
from haechi.vault.table import Table

KIND = "index"
ID = 32
MOST_BLOBS = 50_000  # in one file, as restic does; a file is then about 4 MB

_VALUE = struct.Struct("<IIII")  # number of the pack, offset, length, length before compression

_HEAD, _SEAM = b'{"packs":[{', b"]},{"
_PORTION = 32 << 10

_COMPRESSED, _PLAIN = 40, 128  # bytes that a blob takes in a file at least: its id cannot be compressed


def encode(packs: Iterable[Pack]) -> bytes:
    """The JSON of an index file of these packs."""
    return b'{"packs":[' + ",".join(_pack(pack) for pack in packs).encode() + b"]}"


def most_blobs(size: int, version: int) -> int:
    """How many blobs are in index files of this size, or a few more."""
    return size // (_COMPRESSED if version >= 2 else _PLAIN)


def decode(plain: bytes) -> list[Pack]:
    """The packs in an index file, each with its blobs."""
    try:
        return [
            Pack(bytes.fromhex(pack["id"]), [_blob(blob) for blob in pack.get("blobs") or ()])
            for pack in _parsed(plain)
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _senseless() from None


def scatter(plain: bytes, packs: bytearray, data: Table, tree: Table) -> None:
    """The same as `decode` for those who load millions of blobs: every id and its place into `data` or `tree`.

    The packs' ids are appended to `packs`; a place holds its pack's number in there.
    """
    name_of, place_of = bytes.fromhex, _VALUE.pack
    try:
        for pack in _parsed(plain):
            name = name_of(pack["id"])
            if len(name) != ID:
                raise ValueError("not a pack's id")
            number = len(packs) // ID
            packs += name
            for blob in pack.get("blobs") or ():
                table = data if blob["type"] == "data" else tree
                table[name_of(blob["id"])] = place_of(
                    number, blob["offset"], blob["length"], blob.get("uncompressed_length", 0)
                )
    except (ValueError, KeyError, TypeError, AttributeError, struct.error):
        raise _senseless() from None


def _parsed(plain: bytes) -> Iterator[dict[str, Any]]:
    """The packs as JSON has them, some dozens at a time: a file's objects all at once fit into no cache, and making
    and dropping them takes twice as long. Whoever writes JSON with spaces in it is read in one go."""
    end = plain.rfind(b"]")
    if not plain.startswith(_HEAD) or plain[end:] not in (b"]}", b"]}\n"):
        yield from from_json(plain).get("packs") or ()
        return
    at = len(_HEAD) - 1
    while at < end:
        seam = plain.find(_SEAM, at + _PORTION, end)
        stop = end if seam < 0 else seam + 2
        yield from from_json(b"[" + plain[at:stop] + b"]", cache_strings="keys")
        at = stop + 1


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
