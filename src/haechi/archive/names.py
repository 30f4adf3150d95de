"""The names that a point's files get, and the checksum files beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from haechi.archive.layout import Layout
from haechi.archive.manifest import File, Manifest
from haechi.model import PartInfo, RestorePoint
from haechi.stores._base import Store, exists


def choose_names(
    layout: Layout,
    store: Store,
    service: str,
    point: RestorePoint,
    part: PartInfo,
    tiers: Sequence[str],
    used: set[str],
) -> Mapping[str, str]:
    """A name for each tier that nothing bears yet: a second file of one minute gets -2, and none is replaced."""
    again = 1
    while True:
        names = {
            tier: layout.name(
                service=service, part=part, tier=tier, point=point.id, time=point.time, again=again
            )
            for tier in tiers
        }
        if not any(
            key in used or exists(store, key) or exists(store, f"{key}.sha256") for key in names.values()
        ):
            return names
        again += 1


def sum_files(manifest: Manifest) -> dict[str, bytes]:
    """The files that `sha256sum -c` and `md5sum -c` read, each beside the file it speaks of."""
    return {
        key: line
        for file in manifest.files
        for name in file.names.values()
        for key, line in sums_of(file, name)
    }


def sums_of(file: File, name: str) -> list[tuple[str, bytes]]:
    base = name.rsplit("/", 1)[-1]
    return [
        (f"{name}.{kind}", f"{made}  {base}\n".encode())
        for kind, made in sorted(file.sums.items(), reverse=True)
    ]
