"""Lets files go: those of points whose time is over, those that a crash left behind, those in the wrong tier.

A point is marked as leaving before its first file goes, and its manifest goes last: if that is interrupted, it
counts no more, and the next run takes away the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from haechi import clock
from haechi.archive.catalogue import SUMS, Catalogue
from haechi.archive.manifest import INCOMING, PENDING, File, Manifest, attachment_key, pending_key
from haechi.archive.names import choose_names, sums_of
from haechi.archive.opening import whole_name
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.retention import TIERS, Decision

_A_DAY = timedelta(days=1)  # longer than any writer takes for what it left behind


def remove(catalogue: Catalogue, points: Sequence[RestorePoint], reporter: Reporter) -> Mapping[str, int]:
    by_id = {m.point.id: m for m in catalogue.everything()}
    manifests = [by_id[point.id] for point in points if point.id in by_id]
    freed = {"points": 0, "bytes": 0}
    with reporter.step(_("removing old restore points"), len(manifests), "") as step:
        for manifest in manifests:
            leaving = replace(manifest, leaving=True)
            catalogue.store.put(leaving.key, leaving.encode(), replace=True)
            _take_away(catalogue, leaving)
            freed["points"] += 1
            freed["bytes"] += manifest.size
            step.advance(1)
    return freed


def sweep(catalogue: Catalogue, reporter: Reporter) -> None:
    """Clean up after runs that were cut short. A failure here is no reason not to take a backup."""
    try:
        for manifest in catalogue.leaving():
            _take_away(catalogue, manifest)
        _sweep_pending(catalogue)
        old = clock.now() - _A_DAY
        for entry in list(catalogue.store.list(INCOMING)):
            if entry.modified is not None and entry.modified < old:
                catalogue.store.delete(entry.key)
    except HaechiError as problem:
        reporter.warn(
            _("What an earlier run left behind could not be removed: {reason}").format(reason=problem.message)
        )


def settle(catalogue: Catalogue, decisions: Sequence[Decision]) -> None:
    tiers = catalogue.layout.own_tiers
    if len(tiers) < 2:
        return
    by_id = {m.point.id: m for m in catalogue.manifests() if catalogue.fits(m)}
    for decision in decisions:
        manifest = by_id.get(decision.point.id)
        if manifest and decision.stays:
            wanted = _wanted(decision, tiers)
            if any(set(file.names) != set(wanted) for file in manifest.files):
                _move(catalogue, manifest, wanted)


def _take_away(catalogue: Catalogue, manifest: Manifest) -> None:
    for key in manifest.keys:
        _delete_with_sums(catalogue, key)
    for name in manifest.attachments:
        catalogue.store.delete(attachment_key(manifest.point.id, name))
    catalogue.store.delete(manifest.key)


def _delete_with_sums(catalogue: Catalogue, key: str) -> None:
    catalogue.store.delete(key)
    for kind in SUMS:
        catalogue.store.delete(f"{key}.{kind}")


def _sweep_pending(catalogue: Catalogue) -> None:
    """Names that were given to a point which was never committed."""
    old = clock.now() - _A_DAY
    entries = {entry.key: entry for entry in catalogue.store.list(PENDING)}
    pending = catalogue.pending()
    if not pending:
        return
    claimed = {key for m in catalogue.manifests() for key in m.keys}
    for manifest in pending:
        entry = entries.get(pending_key(manifest.point.id))
        if entry is None or entry.modified is None or entry.modified > old:
            continue
        for key in manifest.keys:
            if key not in claimed:
                _delete_with_sums(catalogue, key)
        catalogue.store.delete(entry.key)


def _wanted(decision: Decision, tiers: Sequence[str]) -> list[str]:
    """The tiers in which a point stands: those that keep it; the finest as well, if anything else does."""
    keeping = [tier for tier in tiers if tier in decision.rules]
    others = [rule for rule in decision.rules if rule not in TIERS]
    return keeping if keeping and not others else [tiers[0], *(t for t in keeping if t != tiers[0])]


def _move(catalogue: Catalogue, manifest: Manifest, wanted: Sequence[str]) -> None:
    """New names first, then the manifest, then the old names go: at no moment is the point without a file."""
    moved = replace(manifest, files=tuple(_planned(catalogue, manifest, f, wanted) for f in manifest.files))
    record = pending_key(moved.point.id)
    catalogue.store.put(record, _both(manifest, moved).encode(), replace=True)
    for before, after in zip(manifest.files, moved.files, strict=True):
        source = whole_name(catalogue.store, before)
        for key in set(after.names.values()) - set(before.names.values()):
            for sum_key, line in sums_of(after, key):
                catalogue.store.put(sum_key, line)
            catalogue.store.duplicate(source, key)
    catalogue.store.put(moved.key, moved.encode(), replace=True)
    for key in set(manifest.keys) - set(moved.keys):
        _delete_with_sums(catalogue, key)
    catalogue.store.delete(record)


def _both(old: Manifest, new: Manifest) -> Manifest:
    """Every name, old and new: whatever the manifest does not claim when we are cut short is to go."""
    pairs = zip(old.files, new.files, strict=True)
    return replace(new, files=tuple(replace(b, names={**a.names, **b.names}) for a, b in pairs))


def _planned(catalogue: Catalogue, manifest: Manifest, file: File, wanted: Sequence[str]) -> File:
    missing = [tier for tier in wanted if tier not in file.names]
    part = next(p for p in manifest.point.parts if p.name == file.segments[0].part)
    new = choose_names(
        catalogue.layout, catalogue.store, manifest.point.service, manifest.point, part, missing, set()
    )
    return replace(file, names={tier: file.names.get(tier) or new[tier] for tier in wanted})
