"""The archive of mongodump: written and read, whole, interleaved, packed, altered and cut short."""

from __future__ import annotations

import gzip
import io
import random
import struct
from collections.abc import Iterator, Mapping

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.errors import Damaged
from haechi.fileio import Pieces
from haechi.model import PartInfo
from haechi.sources._base import PartReader
from haechi.sources._mongodb import archive, raw, reading, rewriting
from haechi.sources._mongodb.archive import OPLOG, Entry, Name, Sum
from haechi.sources._mongodb.conveyor import Conveyor, Left
from haechi.sources._mongodb.incoming import opened
from haechi.sources._mongodb.reading import Documents, End, Prelude
from haechi.sources._mongodb.rewriting import Rewriter

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab한.$", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
DOCUMENTS = st.lists(
    st.dictionaries(st.text("xyz", max_size=3), VALUES, max_size=4).map(bson.encode), max_size=8
)
NAMES = st.tuples(st.sampled_from(["erp", "shop"]), st.text("abc한. ", min_size=1, max_size=4))


def write(contents: Mapping[Name, list[bytes]], seed: int = 0) -> bytes:
    """Segments of all namespaces in some mixed order, each ended after its last."""
    chance = random.Random(seed)
    out = [archive.prelude([Entry(name, "{}") for name in contents], "8.0.4", "test", 2)]
    left = {name: list(documents) for name, documents in contents.items()}
    sums = {name: Sum() for name in contents}
    while left:
        name = chance.choice(list(left))
        count = chance.randint(0, 3)
        some = b"".join(left[name][:count])
        sums[name].add(some)
        out.append(archive.segment(name, some))
        del left[name][:count]
        if not left[name]:
            del left[name]
            out.append(archive.end(name, sums[name].crc))
    return b"".join(out)


class Drops(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes):
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(7, size) if size >= 0 else 7)


def read(data: bytes) -> dict[Name, list[bytes]]:
    found: dict[Name, list[bytes]] = {}
    for event in reading.read(Drops(data)):  # type: ignore[arg-type]
        if isinstance(event, Prelude):
            found |= {name: [] for name in event.entries}
        elif isinstance(event, Documents):
            found[event.name] += raw.documents(event.data)
    return found


@settings(max_examples=15, deadline=None)
@given(st.dictionaries(NAMES, DOCUMENTS, max_size=4), st.integers(0, 99))
def test_what_is_written_is_read(contents: dict[Name, list[bytes]], seed: int) -> None:
    assert read(write(contents, seed)) == contents


@settings(max_examples=15, deadline=None)
@given(DOCUMENTS)
def test_documents_are_taken_apart_and_put_together(documents: list[bytes]) -> None:
    for document in documents:
        assert raw.document(raw.fields(document)) == document
        assert [name.decode() for name, _value in raw.fields(document)] == list(bson.decode(document))


CONTENTS: dict[Name, list[bytes]] = {
    ("erp", "a"): [bson.encode({"_id": n, "v": "x" * n}) for n in range(40)],
    ("erp", "b"): [],
    ("shop", "b"): [bson.encode({"_id": "한글"})],
}


def test_a_flipped_bit_is_never_read_as_if_nothing_were() -> None:
    whole = write(CONTENTS)
    for at in range(0, len(whole) * 8, 131):
        changed = bytearray(whole)
        changed[at // 8] ^= 1 << at % 8
        try:
            found = read(bytes(changed))
        except Damaged as problem:
            assert problem.hint
        else:
            # The prelude has no checksum: at most what it says of versions and metadata can differ unnoticed.
            assert list(found.values()) == list(CONTENTS.values()), at


def test_an_archive_cut_short_is_never_whole() -> None:
    whole = write(CONTENTS)
    for length in range(0, len(whole), 11):
        with pytest.raises(Damaged):
            read(whole[:length])
    assert read(whole) == CONTENTS


@pytest.mark.parametrize(
    "spoiled",
    [
        b"",
        b"PGDMP" + b"\0" * 30,
        archive.prelude([Entry(("a", "b"))], "8", "t", 1),
        archive.prelude([], "8", "t", 1) + archive.segment(("a", "b")) + archive.end(("a", "b"), 0),
        archive.prelude([Entry(("a", "b"))], "8", "t", 1) + archive.end(("a", "b"), 0) * 2,
        archive.prelude([Entry(("a", "b"))], "8", "t", 1) + archive.TERMINATOR,
        archive.prelude([Entry(("a", "b"))], "8", "t", 1).replace(b"0.1", b"0.2")
        + archive.end(("a", "b"), 0),
        archive.MAGIC + bson.encode({"version": "0.1"}) + bson.encode({"db": 1}) + archive.TERMINATOR,
        archive.MAGIC + struct.pack("<i", 1 << 30) + b"\0" * 100,
    ],
)
def test_what_is_no_such_archive_is_refused(spoiled: bytes) -> None:
    with pytest.raises(Damaged):
        read(spoiled)


def test_the_bytes_are_those_of_the_format() -> None:
    """Against bytes that were put together by hand, and CRC-64/XZ's published check value."""
    assert archive.crc64(b"123456789") == 0x995DC9BBDF1939FA
    end = archive.end(("d", "c"), 0xFFFFFFFFFFFFFFFF)
    assert (
        end
        == (
            b"\x34\0\0\0\x02db\0\x02\0\0\0d\0\x02collection\0\x02\0\0\0c\0\x08EOF\0\x01\x12CRC\0"
            + b"\xff" * 8
            + b"\0"
        )
        + b"\xff" * 4
    )
    assert archive.prelude([], "8", "t", 4)[:4] == bytes.fromhex("6de29981")


def test_the_digest_does_not_depend_on_the_order_and_the_crc_does() -> None:
    documents = CONTENTS["erp", "a"]
    one, other = Sum(), Sum()
    one.add(b"".join(documents))
    for document in reversed(documents):
        other.add(document)
    assert (one.digest, one.count, one.size) == (other.digest, other.count, other.size)
    assert one.crc != other.crc
    other.add(documents[0])
    assert one.digest != other.digest
    with pytest.raises(ValueError, match="whole"):
        Sum().add(documents[3][:-1])


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_mongodump_packs_is_unpacked(pack: object) -> None:
    data = pack(write(CONTENTS))  # type: ignore[operator]
    part = PartReader(PartInfo("x.archive", "bson-archive"), lambda: io.BytesIO(data))
    with opened(part) as stream:
        assert set(reading.contents(stream).entries) == set(CONTENTS)


def test_a_time_series_is_known_by_its_buckets() -> None:
    data: Name = ("erp", "system.buckets.ts")
    whole = archive.prelude([Entry(("erp", "ts"), "{}", "timeseries")], "7.0", "t", 1)
    document = bson.encode({"_id": 1})
    total = Sum()
    total.add(document)
    whole += archive.segment(data, document) + archive.end(data, total.crc)
    events = list(reading.read(io.BytesIO(whole)))
    assert isinstance(events[-1], End) and events[-1].name == data
    rewriter = Rewriter(lambda _name: True, lambda name: (name[0], "new"))
    again = list(reading.read(io.BytesIO(b"".join(rewriter.pieces(iter(events))))))
    assert isinstance(again[0], Prelude) and set(again[0].entries) == {("erp", "new")}
    assert isinstance(again[1], Documents) and again[1].name == ("erp", "system.buckets.new")


def test_what_is_not_wanted_is_left_out_and_the_rest_renamed() -> None:
    def renamed(name: Name) -> Name:
        return ("new", name[1])

    rewriter = Rewriter(lambda name: name[0] == "erp", renamed)
    stream = io.BufferedReader(Pieces(rewriter.pieces(reading.read(io.BytesIO(write(CONTENTS))))))
    assert read(stream.read()) == {("new", "a"): CONTENTS["erp", "a"], ("new", "b"): []}
    assert rewriter.sums["erp", "a"].count == 40 and rewriter.done


def test_the_oplog_is_left_out_unless_it_is_wanted() -> None:
    entry = bson.encode({"op": "i", "ns": "erp.a", "o": {"_id": 1}})
    total = Sum()
    total.add(entry)
    whole = archive.prelude([Entry(OPLOG, "", "")], "8", "t", 1) + archive.segment(OPLOG, entry)
    whole += archive.end(OPLOG, total.crc)
    assert read(b"".join(Rewriter(lambda _n: True).pieces(reading.read(io.BytesIO(whole))))) == {}
    kept = Rewriter(
        lambda _n: True, entry=lambda one: rewriting.renamed_entry(one, lambda name: ("neu", name[1]))
    )
    found = read(b"".join(kept.pieces(reading.read(io.BytesIO(whole)))))
    assert [bson.decode(one)["ns"] for one in found[OPLOG]] == ["neu.a"]
    assert kept.logged == 1


def test_the_conveyor_holds_no_more_than_it_may() -> None:
    import threading

    conveyor = Conveyor(100)
    put: list[int] = []

    def bring() -> Iterator[None]:
        for number in range(50):
            conveyor.put(bytes([number]) * 40)
            put.append(number)
            yield

    thread = threading.Thread(target=lambda: (list(bring()), conveyor.finish()))
    thread.start()
    first = conveyor.read(10)
    assert first == b"\0" * 10
    assert len(put) <= 4
    rest = b"".join(iter(lambda: conveyor.read(64), b""))
    thread.join()
    assert first + rest == b"".join(bytes([n]) * 40 for n in range(50))


def test_who_brings_is_told_that_nobody_reads() -> None:
    conveyor = Conveyor(10)
    conveyor.put(b"x" * 20)
    conveyor.close()
    with pytest.raises(Left):
        conveyor.put(b"y")
    failing = Conveyor(10)
    failing.fail(ValueError("the source died"))
    with pytest.raises(ValueError, match="died"):
        failing.read(1)
