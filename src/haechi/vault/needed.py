"""Which objects of a vault some of its snapshots cannot do without."""

from __future__ import annotations

from collections.abc import Iterable

from haechi.vault import index_files
from haechi.vault.packing import pack_key
from haechi.vault.references import used_blobs
from haechi.vault.repository import Vault
from haechi.vault.snapshots import Snapshot


def keys_for(vault: Vault, wanted: Iterable[Snapshot]) -> list[str]:
    """Their own records, the packs with their contents, and what opens the vault at all."""
    wanted = list(wanted)
    if not wanted:
        return []
    index = vault.index()
    packs: set[bytes] = set()
    for kind, blob, _count in used_blobs(vault.files, index, [one.tree for one in wanted]).items():
        place = index.find(kind, blob)
        if place is not None:
            packs.add(place.pack)
    named = [f"{kind}/{name}" for kind in ("keys", index_files.KIND) for name in vault.files.names(kind)]
    return ["config", *named, *(f"snapshots/{one.id}" for one in wanted), *map(pack_key, sorted(packs))]
