from __future__ import annotations

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haechi.errors import Damaged, NotThere
from haechi.stores.local import Local
from haechi.vault.inventory import packs_in
from haechi.vault.packing import Kind, pack_key
from haechi.vault.repository import Vault
from tests.unit.vault.ground import contents, keep, noise

DATA = noise(5_000_000)

steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(0, 1_500_000)),
        st.tuples(st.just("seek"), st.integers(0, 5_200_000)),
        st.tuples(st.just("back"), st.integers(-5_000_000, 0)),
    ),
    max_size=12,
)


@given(steps)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_and_seeking_is_what_a_file_does(vault: Vault, steps: list[tuple[str, int]]) -> None:
    snapshot = vault.snapshots()[0] if vault.snapshots() else keep(vault, {"/x": DATA})
    model = io.BytesIO(DATA)
    with vault.open_file(snapshot, "/x") as file:
        for what, number in steps:
            if what == "read":
                assert file.read(number) == model.read(number)
            elif what == "seek":
                assert file.seek(number) == model.seek(number)
            else:
                assert file.seek(number, io.SEEK_END) == model.seek(number, io.SEEK_END)
            assert file.tell() == model.tell()


def test_it_is_a_stream_like_others(vault: Vault) -> None:
    snapshot = keep(vault, {"/x": DATA, "/empty": b""})
    with vault.open_file(snapshot, "/x") as file:
        assert file.readable() and file.seekable() and not file.writable()
        buffer = bytearray(100)
        assert file.readinto(buffer) == 100  # type: ignore[attr-defined]
        assert bytes(buffer) == DATA[:100]
        assert file.read() == DATA[100:]
        assert file.read() == b""
        with pytest.raises(ValueError, match="before"):
            file.seek(-1)
    with pytest.raises(ValueError, match="closed"):
        file.read(1)
    with vault.open_file(snapshot, "/empty") as file:
        assert file.read() == b""
    with io.TextIOWrapper(io.BufferedReader(vault.open_file(keep(vault, {"/t": b"a\nb\n"}), "/t"))) as lines:  # type: ignore[type-var]
        assert list(lines) == ["a\n", "b\n"]


def test_only_what_is_read_is_fetched(vault: Vault, store: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = keep(vault, {"/x": noise(20_000_000)})
    vault.node(snapshot, "/x")
    fetched: list[int] = []
    get = store.get

    def watched(key: str, offset: int = 0, length: int | None = None) -> bytes:
        data = get(key, offset, length)
        fetched.append(len(data))
        return data

    monkeypatch.setattr(store, "get", watched)
    with vault.open_file(snapshot, "/x") as file:
        file.seek(15_000_000)
        file.read(100)
    assert sum(fetched) < 14_000_000  # one chunk, or two and a look ahead if it lies on a boundary


def test_what_is_not_a_file_is_said_so(vault: Vault) -> None:
    snapshot = keep(vault, {"/a/b": b"1"})
    for path in ("/a", "/c", "/a/b/c", "/"):
        with pytest.raises(NotThere):
            vault.open_file(snapshot, path)


def test_a_flipped_bit_never_comes_back_as_data(vault: Vault, store: Local) -> None:
    """Every byte of every file in turn: the content comes back right, or an error does."""
    files = {"/a": b"some rows " * 20, "/b": noise(300)}
    snapshot = keep(vault, files)
    for entry in list(store.list()):
        path = store.root / entry.key
        whole = path.read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // 25)):
            path.write_bytes(whole[:place] + bytes((whole[place] ^ 1 << place % 8,)) + whole[place + 1 :])
            fresh = Vault(store, vault.key, vault.key_id, vault.config)
            try:
                found = [one for one in fresh.snapshots() if one.id == snapshot.id]
                got = contents(fresh, found[0]) if found else None
            except Damaged:
                got = None
            assert got in (None, files)
            # What is not needed for reading may be broken unnoticed here; `check` finds it.
            assert got is None or entry.key.split("/")[0] in ("config", "keys", "data")
        path.write_bytes(whole)
    assert contents(Vault(store, vault.key, vault.key_id, vault.config), snapshot) == files


def test_a_blob_that_a_prune_moved_is_found_again(vault: Vault, store: Local) -> None:
    """Another program rewrites a pack while we have the old index."""
    from haechi.vault import index_files
    from haechi.vault.packing import OpenPack

    snapshot = keep(vault, {"/a": b"hello" * 100})
    (blob,) = vault.node(snapshot, "/a").content or ()
    place = vault.blobs.place(Kind.DATA, bytes.fromhex(blob))
    sealed = store.get(pack_key(place.pack), place.blob.offset, place.blob.length)
    moved = OpenPack(Kind.DATA)
    moved.add(noise(32), vault.key.seal(b"x"), 0)
    moved.add(place.blob.id, sealed, place.blob.plain)
    pack = moved.finish(vault.key)
    store.put(pack_key(pack.id), moved.parts)
    old = vault.files.names("index")
    kept = [p for p in packs_in(vault.files, old) if p.id != place.pack]
    vault.files.save_bytes("index", index_files.encode([*kept, pack]))
    for name in old:
        vault.files.remove("index", name)
    store.delete(pack_key(place.pack))
    assert vault.read_file(snapshot, "/a") == b"hello" * 100


def test_a_blob_that_is_lost_is_damage(vault: Vault, store: Local) -> None:
    snapshot = keep(vault, {"/a": b"hello" * 100})
    (blob,) = vault.node(snapshot, "/a").content or ()
    store.delete(pack_key(vault.blobs.place(Kind.DATA, bytes.fromhex(blob)).pack))
    with pytest.raises(Damaged, match="lost"):
        vault.read_file(snapshot, "/a")
