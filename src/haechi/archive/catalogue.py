"""Which restore points an archive holds: by their manifests, and by the names of files that have none."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC

from haechi.archive.layout import HIDDEN, Found, Layout
from haechi.archive.manifest import PENDING, POINTS, File, Manifest, Segment, decode, manifest_key
from haechi.errors import Damaged, NotThere
from haechi.i18n import _
from haechi.model import PartInfo, RestorePoint
from haechi.stores._base import Entry, Store

SUMS = ("sha256", "md5")
_READERS = 8  # object stores answer slowly, and many at once


@dataclass(frozen=True)
class Catalogue:
    """`service` is whose the files without a manifest are, where their names do not say."""

    name: str
    store: Store
    layout: Layout
    service: str = ""
    encryption: str = ""

    def manifests(self) -> list[Manifest]:
        """Every manifest of this archive that counts, oldest first."""
        return [m for m in self._read(POINTS) if self._mine(m) and not m.leaving]

    def leaving(self) -> list[Manifest]:
        """Those whose removal was begun and not finished."""
        return [m for m in self._read(POINTS) if self._mine(m) and m.leaving]

    def everything(self) -> list[Manifest]:
        """The manifests and the points that are known by their files' names only, oldest first."""
        everyone = self._read(POINTS)
        known = {key for m in (*everyone, *self._read(PENDING)) for key in m.keys}
        mine = [m for m in everyone if self._mine(m) and not m.leaving]
        return sorted([*mine, *self._adopted(known)], key=_age)

    def find(self, point: RestorePoint) -> Manifest:
        """The manifest of this point; one made from its names, where it has none. Raises NotThere."""
        manifest = self._decode(manifest_key(point.id))
        if manifest and self._mine(manifest) and not manifest.leaving:
            return manifest
        for manifest in self.everything():
            if manifest.point.id == point.id:
                return manifest
        raise NotThere(
            _("The restore point {id} is not in {archive}.").format(id=point.id, archive=self.name),
            hint=_("See what is there with: haechi list"),
        )

    def pending(self) -> list[Manifest]:
        return [m for m in self._read(PENDING) if self._mine(m)]

    def fits(self, manifest: Manifest) -> bool:
        """Whether its files could have names of today's layout: what was gzip is not to be called `.zst`."""
        same = all(file.encryption == self.encryption for file in manifest.files)
        return same and manifest.layout == self.layout.template

    def _mine(self, manifest: Manifest) -> bool:
        # Several archives may share a directory, and an archive may get another name in the plan.
        return manifest.archive == self.name or manifest.layout == self.layout.template

    def _read(self, prefix: str) -> list[Manifest]:
        entries = list(self.store.list(prefix))
        with ThreadPoolExecutor(_READERS, thread_name_prefix="manifests") as pool:
            found = pool.map(self._decode, [entry.key for entry in entries])
            return sorted((m for m in found if m is not None), key=_age)

    def _decode(self, key: str) -> Manifest | None:
        try:
            return decode(self.store.get(key), key)
        except NotThere:
            return None  # removed since it was listed
        except Damaged:
            return None  # its files are found by their names, and held

    def _adopted(self, known: set[str]) -> Iterator[Manifest]:
        groups: dict[tuple[str, object], list[tuple[Entry, Found]]] = defaultdict(list)
        for entry in self.store.list(self.layout.prefix):
            if entry.key in known or entry.key.startswith(f"{HIDDEN}/") or _is_sum(entry.key):
                continue
            found = self.layout.match(entry.key, self.service)
            if found:
                groups[found.service, found.time].append((entry, found))
        for (service, _time), members in groups.items():
            yield self._adopt(service, sorted(members, key=lambda m: m[0].key))

    def _adopt(self, service: str, members: Sequence[tuple[Entry, Found]]) -> Manifest:
        first = members[0][1]
        by_part: dict[str, list[tuple[Entry, Found]]] = defaultdict(list)
        for entry, found in members:
            by_part[_part_name(found)].append((entry, found))
        files = tuple(_adopted_file(part, group, self.encryption) for part, group in by_part.items())
        time = first.time.astimezone(UTC)
        mark = hashlib.sha256(members[0][0].key.encode()).hexdigest()[:8]
        return Manifest(
            archive=self.name,
            layout=self.layout.template,
            point=RestorePoint(
                id=f"{time:%Y%m%dT%H%M%SZ}-{service or 'adopted'}-{mark}",
                service=service,
                source="",
                time=time,
                size=sum(file.size for file in files),
                parts=tuple(PartInfo(name, first.ending.form or "bytes") for name in by_part),
                held=True,  # what others made is not ours to remove, until somebody lifts the hold
            ),
            files=files,
            adopted=True,
        )


def _age(manifest: Manifest) -> tuple[object, str]:
    return manifest.point.time, manifest.point.id


def _is_sum(key: str) -> bool:
    return key.endswith(tuple(f".{kind}" for kind in SUMS))


def _part_name(found: Found) -> str:
    if found.part_is_whole:
        return found.part
    inside = {"sql": ".sql", "pg-custom": ".dump", "tar": ".tar", "bson-archive": ".archive"}
    return (found.part or "backup") + inside.get(found.ending.form, "")


def _adopted_file(part: str, group: Sequence[tuple[Entry, Found]], encryption: str) -> File:
    entry, found = group[0]
    names = {other.tier: e.key for e, other in group if e.size == entry.size}
    return File(
        names=names,
        size=entry.size,
        sums={},
        segments=(Segment(part, 0, entry.size, "", found.ending.compression),),
        encryption=encryption,
    )
