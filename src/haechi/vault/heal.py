"""Mends a vault with blobs from another one that holds the same contents, whatever its keys.

A blob's name is the digest of its plain bytes, so any vault that backed up or copied the same data has it under
the same name. What comes from there is checked against that name before it is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from haechi.events import SILENT, Reporter
from haechi.i18n import _
from haechi.vault import fetching, index_files
from haechi.vault.check import CheckReport, Lost, Touched, check
from haechi.vault.inventory import packs_in
from haechi.vault.prune import remove_packs
from haechi.vault.repair import RepairReport, repair
from haechi.vault.repository import Vault
from haechi.vault.shelving import Shelf


@dataclass
class HealReport:
    repaired: RepairReport | None = None
    blobs_fetched: int = 0
    blobs_lost: int = 0  # that no vault holds
    touched: list[Touched] = field(default_factory=list)  # restore points that are still damaged

    @property
    def healthy(self) -> bool:
        return not self.blobs_lost

    def as_dict(self) -> dict[str, Any]:
        return {
            "healthy": self.healthy,
            "blobs_saved": self.repaired.blobs_saved if self.repaired else 0,
            "blobs_fetched": self.blobs_fetched,
            "blobs_lost": self.blobs_lost,
            "touched": [{"snapshot": one.snapshot, "service": one.service} for one in self.touched],
        }


def heal(
    vault: Vault,
    others: Vault | Sequence[Vault],
    *,
    found: CheckReport | None = None,
    reporter: Reporter = SILENT,
) -> HealReport:
    """Save what is good in damaged packs, and fetch what is not from the others. `found` is what a full check has
    just said, if there was one."""
    others = [others] if isinstance(others, Vault) else others
    found = found or check(vault, depth="all", reporter=reporter)
    report = HealReport()
    if found.healthy:
        return report
    damaged = set(found.damaged_packs)
    while True:
        report.repaired = repair(vault, damaged_packs=damaged, reporter=reporter)
        # It takes up packs that no index file named: also a damaged one that a heal had left out which broke off.
        taken_up = check(vault, depth="all", reporter=reporter).damaged_packs
        if taken_up <= damaged:
            break
        damaged |= taken_up
    while True:
        now = check(vault, reporter=reporter)  # a tree that came back may name more that is missing
        fetched = _fetch(vault, others, now.lost, reporter) if now.lost else 0
        report.blobs_fetched += fetched
        if not fetched:
            break
    report.blobs_lost, report.touched = len(now.lost), now.touched
    if report.healthy:
        _remove(vault, damaged, reporter)
    return report


def _remove(vault: Vault, packs: Collection[bytes], reporter: Reporter) -> None:
    """The damaged packs, when all that was in them is whole elsewhere: a later repair must not take them up again."""
    with vault.lock(exclusive=True) as lock:
        named = {pack.id for pack in packs_in(vault.files, vault.files.names(index_files.KIND))}
        remove_packs(vault.files, [pack for pack in packs if pack not in named], lock, reporter)


def _fetch(vault: Vault, others: Sequence[Vault], lost: Lost, reporter: Reporter) -> int:
    fetched = 0
    with vault.lock(exclusive=False):
        shelf = Shelf(vault.files, vault.index())
        try:
            for other in others:
                with reporter.step(_("fetch from {store}").format(store=other.store.url)) as step:
                    index = other.index()
                    places = [place for kind, blob in sorted(lost) if (place := index.find(kind, blob))]
                    for content in fetching.contents(other.files, fetching.readings(places)):
                        kind, blob = content.blob.kind, content.blob.id
                        plain = fetching.whole(content, other.blobs)
                        if plain is not None and shelf.reserve(kind, blob):
                            shelf.add(kind, [(blob, plain)])
                            fetched += 1
                            step.advance(len(plain))
            shelf.flush()
        finally:
            shelf.give_up()
            shelf.close()
    return fetched
