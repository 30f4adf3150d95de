"""The archive that mongodump writes and mongorestore reads, format "0.1": its parts as bytes, and their sums.

    stream   = magic, prelude, blocks until the file ends
    block    = a header document, documents, ff ff ff ff
    prelude  = a block: {concurrent_collections, version, server_version, tool_version}, then for each namespace
               {db, collection, metadata, size, type}
    segment  = a block: {db, collection, EOF: false, CRC: 0}, then documents of this namespace
    end      = a block: {db, collection, EOF: true, CRC}, which every namespace of the prelude has exactly once

Segments of several namespaces may alternate. CRC is CRC-64/XZ over the documents of one namespace, signed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import bson
from bson.int64 import Int64
from fastcrc.crc64 import xz as crc64

MAGIC = b"\x6d\xe2\x99\x81"
TERMINATOR = b"\xff\xff\xff\xff"
VERSION = "0.1"
LARGEST = (16 << 20) + (16 << 10)  # what servers allow a document with their own fields around it
BUCKETS = "system.buckets."  # the documents of a time series are in here, packed

Name = tuple[str, str]  # database, collection
OPLOG: Name = ("", "oplog")

length_of = struct.Struct("<i").unpack_from


@dataclass(frozen=True)
class Entry:
    """One namespace of the prelude. `metadata` is canonical Extended JSON: options and indexes."""

    name: Name
    metadata: str = ""
    type: str = "collection"  # or "view", "timeseries"

    @property
    def is_view(self) -> bool:
        return self.type == "view"


class Sum:
    """Documents as they pass: how many, their CRC in this order, and a digest that does not depend on the order.

    The digest adds up the CRC-64 of every document: a server gives them back in another order than it was given them.
    """

    __slots__ = ("_digest", "_each", "count", "crc", "size")

    def __init__(self, each: bool = True) -> None:
        """`each`: with the digest; without, documents are only counted."""
        self._each = each
        self.count = self.size = self.crc = self._digest = 0

    def add(self, documents: bytes) -> None:
        """Whole documents, one after another. Raises ValueError if they are not."""
        at, end, count, digest, each = 0, len(documents), 0, 0, self._each
        while at < end:
            after = at + length_of(documents, at)[0]
            if after <= at or after > end:
                raise ValueError("these are not whole documents")
            if each:
                digest += crc64(documents[at:after])
            count += 1
            at = after
        self.crc = crc64(documents, self.crc)
        self.size += end
        self.count += count
        self._digest = (self._digest + digest) & 0xFFFF_FFFF_FFFF_FFFF

    @property
    def digest(self) -> str:
        return f"{self._digest:016x}"


def prelude(entries: Iterable[Entry], server_version: str, tool_version: str, concurrent: int) -> bytes:
    """The beginning of the stream, with the magic number."""
    head = {
        "concurrent_collections": concurrent,
        "version": VERSION,
        "server_version": server_version,
        "tool_version": tool_version,
    }
    told = [
        {"db": e.name[0], "collection": e.name[1], "metadata": e.metadata, "size": 0, "type": e.type}
        for e in entries
    ]
    return b"".join([MAGIC, bson.encode(head), *map(bson.encode, told), TERMINATOR])


def segment(name: Name, documents: bytes = b"") -> bytes:
    return begin(name) + documents + TERMINATOR


def begin(name: Name) -> bytes:
    """What stands before the documents of a segment; the terminator stands after them."""
    return _header(name, False, 0)


def end(name: Name, crc: int) -> bytes:
    return _header(name, True, crc) + TERMINATOR


def _header(name: Name, eof: bool, crc: int) -> bytes:
    signed = crc - (1 << 64) if crc >> 63 else crc
    return bson.encode({"db": name[0], "collection": name[1], "EOF": eof, "CRC": Int64(signed)})
