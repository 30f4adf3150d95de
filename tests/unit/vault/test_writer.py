from __future__ import annotations

import errno
import io
import itertools
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haechi import clock
from haechi.credentials import Secret
from haechi.errors import NotThere, SourceChanged, StoreFull, StoreRefused, UsageMistake, VaultLocked
from haechi.stores.local import Local
from haechi.vault import chunking, config, gojson, packing
from haechi.vault.check import check
from haechi.vault.packing import Kind
from haechi.vault.repository import Vault
from tests.unit.vault.ground import NOON, contents, keep, noise


def test_what_is_kept_comes_back(vault: Vault) -> None:
    files = {"/db/shop.dump": noise(3_000_000), "/db/empty": b"", "/facts.json": b'{"rows":3}', "/한글": b"x"}
    snapshot = keep(vault, files, tags=("service:shop", "held"))
    assert contents(vault, snapshot) == files
    assert snapshot.tag("service") == "shop"
    assert (snapshot.hostname, snapshot.time, snapshot.tags) == ("testhost", NOON, ("service:shop", "held"))
    assert vault.snapshots() == [snapshot]


@given(st.binary(max_size=50_000), st.integers(1, 20_000))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_come_back_however_they_arrive(vault: Vault, data: bytes, piece: int) -> None:
    class Dripping(io.RawIOBase):
        def __init__(self) -> None:
            self.rest = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, target: Any) -> int:
            part = self.rest.read(min(piece, len(target)))
            target[: len(part)] = part
            return len(part)

    with vault.writer() as writer:
        writer.stream("/x", Dripping())  # type: ignore[arg-type]
        writer.stream("/pages", Dripping(), pages=8192)  # type: ignore[arg-type]
        snapshot = writer.commit(time=NOON, tags=[], hostname="h")
    assert contents(vault, snapshot) == {"/x": data, "/pages": data}


def test_the_same_bytes_are_kept_once(store: Local, secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        config, "random_irreducible", lambda: 0x3DA3358B4DC173
    )  # some cut it but once or twice
    vault = Vault.create(store, secret)
    data = noise(5_000_000)
    keep(vault, {"/a": data})
    with vault.writer() as writer:
        writer.stream("/b", io.BytesIO(data))
        writer.stream("/c", io.BytesIO(b"some new bytes" + data))
        writer.commit(time=NOON, tags=[], hostname="h")
    assert writer.bytes_read == 10_000_014
    assert writer.bytes_stored < 3_500_000  # one chunk at the front has changed


def test_pages_that_did_not_change_are_not_kept_again(vault: Vault) -> None:
    data = bytearray(noise(4 << 20))
    with vault.writer() as writer:
        writer.stream("/base/1", io.BytesIO(data), pages=8192)
        writer.commit(time=NOON, tags=[], hostname="h")
    data[1_000_000:1_008_192] = noise(8192, seed=2)
    with vault.writer() as writer:
        report = writer.stream("/base/1", io.BytesIO(data), pages=8192)
        writer.commit(time=NOON, tags=[], hostname="h")
    assert report.chunks == 16
    assert writer.bytes_stored < 600_000


def test_a_stream_that_breaks_off_does_not_count(vault: Vault, store: Local) -> None:
    class Broken(io.BytesIO):
        def readinto(self, target: Any) -> int:
            raise OSError("the server went away")

        read = readinto  # type: ignore[assignment]

    with vault.writer() as writer:
        with pytest.raises(OSError, match="went away"):
            writer.stream("/dump", Broken(b"x"))
        with pytest.raises(SourceChanged, match="dump"):
            writer.commit(time=NOON, tags=[], hostname="h")
    assert vault.snapshots() == []


def test_leaving_without_commit_leaves_nothing_that_counts(vault: Vault, store: Local) -> None:
    with pytest.raises(RuntimeError, match="plug"), vault.writer() as writer:
        writer.stream("/dump", io.BytesIO(noise(1000)))
        raise RuntimeError("pulled the plug")
    assert vault.snapshots() == []
    assert list(store.list("locks/")) == []
    assert len(contents(vault, keep(vault, {"/dump": noise(1000)}))) == 1


def test_several_threads_write_one_snapshot(vault: Vault) -> None:
    files = {f"/part/{number}": noise(700_000 + number, seed=number % 3) for number in range(8)}
    with vault.writer() as writer:
        threads = [
            threading.Thread(target=writer.stream, args=(path, io.BytesIO(data)))
            for path, data in files.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        snapshot = writer.commit(time=NOON, tags=[], hostname="h")
    assert contents(vault, snapshot) == files


def test_two_writers_at_once(vault: Vault, store: Local) -> None:
    other = Vault(store, vault.key, vault.key_id, vault.config)
    with vault.writer() as one, other.writer() as two:
        one.stream("/a", io.BytesIO(noise(900_000)))
        two.stream("/b", io.BytesIO(noise(900_000)))
        first = one.commit(time=NOON, tags=[], hostname="h")
        second = two.commit(time=NOON, tags=[], hostname="h")
    assert contents(vault, first) == {"/a": noise(900_000)}
    assert contents(vault, second) == {"/b": noise(900_000)}


def everything_is_there(vault: Vault) -> bool:
    """Asked of a vault opened anew: what this process remembers does not count."""
    return check(Vault(vault.store, vault.key, vault.key_id, vault.config), depth="all").healthy


@pytest.mark.parametrize("lost", ["data/", "index/"])
def test_a_second_attempt_relies_on_nothing_that_the_first_left_in_memory_alone(
    vault: Vault, store: Local, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    keep(vault, {"/old": noise(10_000, seed=99)})
    files = {f"/{number}": noise(600_000, seed=number) for number in range(12)}
    monkeypatch.setattr(packing, "PACK_SIZE", 1 << 20)
    really, sent = store.put, itertools.count()

    def breaking(key: str, data: Any, *, replace: bool = False) -> None:
        if key.startswith(lost) and next(sent) >= (2 if lost == "data/" else 0):
            raise StoreFull("The line is gone.")
        really(key, data, replace=replace)

    with monkeypatch.context() as patch, pytest.raises(StoreFull):
        patch.setattr(store, "put", breaking)
        keep(vault, files)
    snapshot = keep(vault, files)
    assert everything_is_there(vault)
    assert contents(vault, snapshot) == files


def test_who_writes_with_the_same_index_relies_on_nothing_that_only_the_other_knows(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other may be killed before its index file is written, and then nobody finds what it sent."""
    monkeypatch.setattr(packing, "PACK_SIZE", 1 << 20)
    files = {f"/{number}": noise(600_000, seed=number) for number in range(6)}
    with vault.writer() as one:
        for path, data in files.items():
            one.stream(path, io.BytesIO(data))
        keep(vault, files)
        assert everything_is_there(vault)


def test_an_exclusive_lock_keeps_writers_out(vault: Vault) -> None:
    with vault.lock(exclusive=True), pytest.raises(VaultLocked), vault.writer():
        pytest.fail("wrote under an exclusive lock")


def test_a_full_disk_ends_the_writer_with_its_own_error(
    vault: Vault, store: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keep(vault, {"/old": noise(100_000)})

    def full(key: str, data: Any, *, replace: bool = False) -> None:
        raise StoreFull("No space is left.")

    with monkeypatch.context() as patch, pytest.raises(StoreFull), vault.writer() as writer:
        patch.setattr(store, "put", full)
        patch.setattr(packing, "PACK_SIZE", 1 << 20)
        for number in range(50):
            writer.stream(f"/{number}", io.BytesIO(noise(600_000, seed=number)))
        writer.commit(time=NOON, tags=[], hostname="h")
    assert vault.snapshots() == [before]
    assert contents(vault, before) == {"/old": noise(100_000)}


def test_packs_are_full_hold_one_kind_each_and_mix_their_chunks(
    vault: Vault, store: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "PACK_SIZE", 6 << 20)
    snapshot = keep(vault, {"/big": noise(40_000_000)})
    sizes = sorted(entry.size for entry in store.list("data/"))
    assert len(sizes) < 10
    order = [bytes.fromhex(name) for name in vault.node(snapshot, "/big").content or ()]
    places = [vault.blobs.place(Kind.DATA, blob) for blob in order]
    switches = sum(a.pack != b.pack for a, b in itertools.pairwise(places))
    # Chunks that follow one another do not lie behind one another: so they would change packs only where one is full.
    assert switches > len(sizes) - 2
    kinds = {entry.key: set() for entry in store.list("data/")}  # type: ignore[var-annotated]
    for kind in Kind:
        for blob in vault.index().ids(kind):
            kinds[packing.pack_key(vault.blobs.place(kind, blob).pack)].add(kind)
    assert all(len(found) == 1 for found in kinds.values())


def test_paths_that_make_no_sense_are_refused(vault: Vault) -> None:
    with vault.writer() as writer:
        for path in ("", "/", "/a/../b"):
            with pytest.raises(UsageMistake):
                writer.small_file(path, b"")
        writer.small_file("/twice", b"1")
        with pytest.raises(UsageMistake):
            writer.small_file("/twice", b"2")
        writer.small_file("/twice/below", b"3")
        with pytest.raises(UsageMistake):
            writer.commit(time=NOON, tags=[], hostname="h")


def test_retagging_keeps_every_field_and_loses_no_moment(vault: Vault) -> None:
    snapshot = keep(vault, {"/a": b"1"}, tags=("point:1",))
    document = {**snapshot.original, "from_the_future": {"x": [1]}}
    name = vault.files.save("snapshots", document)
    foreign = vault.snapshot(name)
    changed = vault.retag(foreign, ["point:1", "held"])
    assert changed.original["from_the_future"] == {"x": [1]}
    assert changed.original["original"] == foreign.id
    assert changed.tags == ("point:1", "held")
    again = vault.retag(changed, [])
    assert again.original["original"] == foreign.id
    assert {one.id for one in vault.snapshots()} == {snapshot.id, again.id}


def test_a_snapshot_is_found_by_the_beginning_of_its_id(vault: Vault) -> None:
    snapshot = keep(vault, {"/a": b"1"})
    assert vault.snapshot(snapshot.id[:8]) == snapshot
    for ref in ("", "zz", snapshot.id[:8] + "z"):
        with pytest.raises(NotThere):
            vault.snapshot(ref)
    names = [vault.files.save("snapshots", dict(snapshot.original)) for _number in range(20)]
    firsts = [name[0] for name in names]
    shared = next(first for first in firsts if firsts.count(first) > 1)
    with pytest.raises(UsageMistake):
        vault.snapshot(shared)


def test_damaged_snapshots_and_foreign_files_cost_the_others_nothing(vault: Vault, store: Local) -> None:
    snapshot = keep(vault, {"/a": b"1"})
    broken = keep(vault, {"/a": b"2"})
    path = store.root / "snapshots" / broken.id
    path.write_bytes(path.read_bytes()[:-3])
    store.put("snapshots/README.txt", b"a foreign file")
    senseless = vault.files.save("snapshots", {"time": "yesterday", "tree": "x"})
    assert vault.snapshots() == [snapshot]
    assert set(vault.damaged_snapshots) == {broken.id, senseless}


def test_forgetting_removes_the_snapshot_only(vault: Vault, store: Local) -> None:
    one, two = keep(vault, {"/a": b"1"}), keep(vault, {"/a": b"2"})
    data = {entry.key for entry in store.list("data/")}
    vault.forget([one])
    vault.forget([one])
    assert vault.snapshots() == [two]
    assert {entry.key for entry in store.list("data/")} == data


def test_cuts_differ_from_vault_to_vault() -> None:
    data = noise(8_000_000)
    lengths = [
        [len(chunk) for chunk in chunking.by_content(io.BytesIO(data), chunking.cutter(seed))]
        for seed in (1, 2, 2)
    ]
    assert lengths[0] != lengths[1]
    assert lengths[1] == lengths[2]
    assert sum(lengths[0]) == len(data)


def test_a_time_with_a_zone_is_kept(vault: Vault) -> None:
    moment = datetime.fromisoformat("2026-07-01T21:00:00.123456+09:00")
    snapshot = keep(vault, {"/a": b""}, time=moment)
    assert vault.snapshot(snapshot.id).original["time"] == "2026-07-01T21:00:00.123456+09:00"
    assert vault.snapshot(snapshot.id).time == moment.astimezone(UTC)


def test_a_snapshot_of_nothing(vault: Vault, tmp_path: Path) -> None:
    snapshot = keep(vault, {})
    assert list(vault.walk(snapshot)) == []
    report = vault.restore(snapshot, tmp_path / "out")
    assert (report.files, report.directories) == (0, 0)


def test_a_backup_into_a_store_that_is_read_only_says_so(
    vault: Vault, store: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = keep(vault, {"/a": b"x"})

    def fail(path: Path) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("haechi.stores.local._create", fail)
    before = {entry.key for entry in store.list()}
    with pytest.raises(StoreRefused) as caught:
        keep(vault, {"/b": b"y"})
    assert caught.value.hint
    assert {entry.key for entry in store.list()} == before
    assert contents(vault, snapshot) == {"/a": b"x"}


def test_nothing_is_written_beside_one_who_prunes(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """His lock shows only when ours has settled and contents are on their way."""
    index = vault.index

    def index_and_plant() -> Any:
        assert vault.files.names("locks"), "ours is there first"
        moment = gojson.time_from(clock.now())
        his = {"time": moment, "exclusive": True, "hostname": "elsewhere", "pid": 1}
        vault.files.save("locks", his)
        monkeypatch.setattr(vault, "index", index)
        return index()

    monkeypatch.setattr(vault, "index", index_and_plant)
    with pytest.raises(VaultLocked), vault.writer() as writer:
        writer.small_file("/facts.json", b"{}")
        writer.commit(time=NOON, tags=[], hostname="here")
    left = {entry.key.split("/")[0] for entry in vault.store.list()}
    assert left == {"config", "keys", "locks"}
    assert len(vault.files.names("locks")) == 1  # his


def test_an_index_that_others_shorten_is_no_longer_relied_upon(vault: Vault) -> None:
    keep(vault, {"/a": noise(1000)})
    vault.index()
    vault.confirm_index()
    for name in vault.files.names("index"):
        vault.files.remove("index", name)
    with pytest.raises(VaultLocked, match="pruned"):
        vault.confirm_index()


def test_an_index_that_another_thread_read_anew_meanwhile_is_not_relied_upon_either(vault: Vault) -> None:
    """What this writer took for kept may have been in the part that went."""
    keep(vault, {"/a": noise(1000)})
    since = vault.index().pruned
    vault.confirm_index(since)
    for name in vault.files.names("index"):
        vault.files.remove("index", name)
    vault.index()  # the other thread
    with pytest.raises(VaultLocked, match="pruned"):
        vault.confirm_index(since)
    vault.confirm_index(vault.index().pruned)


def test_a_writer_that_is_asked_to_commit_again_names_what_its_first_index_file_was_to_name(
    vault: Vault, store: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, sent = store.put, itertools.count()

    def breaking(key: str, data: Any, *, replace: bool = False) -> None:
        if key.startswith("index/") and not next(sent):
            raise StoreFull("Just now.")
        really(key, data, replace=replace)

    monkeypatch.setattr(store, "put", breaking)
    with vault.writer() as writer:
        writer.small_file("/a", noise(1000))
        with pytest.raises(StoreFull):
            writer.commit(time=NOON, tags=[], hostname="here")
        snapshot = writer.commit(time=NOON, tags=[], hostname="here")
    assert everything_is_there(vault)
    assert contents(vault, snapshot) == {"/a": noise(1000)}
