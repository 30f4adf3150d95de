"""The packs of a vault: those that lie in the store, and those that index files name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from haechi.errors import NotThere
from haechi.vault import index_files
from haechi.vault.files import Files, is_name
from haechi.vault.packing import Pack, pack_key


def listed_packs(files: Files) -> Iterator[tuple[bytes, int]]:
    """Every pack in the store with its size; what else lies there is not ours."""
    for entry in files.store.list("data/"):
        name = entry.key.rsplit("/", 1)[-1]
        if is_name(name) and entry.key == pack_key(bytes.fromhex(name)):
            yield bytes.fromhex(name), entry.size


def packs_in(files: Files, names: Iterable[str]) -> Iterator[Pack]:
    """Every pack that these index files name, one file in memory at a time."""
    for name in names:
        try:
            yield from index_files.decode(files.load_bytes(index_files.KIND, name))
        except NotThere:
            continue  # replaced between the listing and the look, by one that says the same
