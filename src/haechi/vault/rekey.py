"""A new master key, for when the old one has leaked: every byte is sealed anew, in a vault of its own.

Changing a passphrase keeps out nobody who has once opened the vault. So everything is copied into a new vault
with a new master key, and all of it is read back and compared. The old vault is left untouched: remove it when
the report says that the new one is verified. A run that broke off is taken up by the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from haechi.credentials import Secret
from haechi.errors import Damaged, NotVerified, UsageMistake, VaultMissing, WrongKey
from haechi.events import SILENT, Reporter
from haechi.i18n import _, plural
from haechi.stores._base import Store
from haechi.vault import config
from haechi.vault.check import CheckReport, check
from haechi.vault.copy import CopyReport, copy
from haechi.vault.creating import is_unborn
from haechi.vault.repair import repair
from haechi.vault.repository import Vault


@dataclass(frozen=True)
class RekeyReport:
    """What came of it. When there is one, the new vault has been verified."""

    vault: Vault
    copied: CopyReport
    checked: CheckReport

    def as_dict(self) -> dict[str, Any]:
        return {"copied": self.copied.as_dict(), "checked": self.checked.as_dict()}


def rekey(old: Vault, store: Store, secret: Secret, *, reporter: Reporter = SILENT) -> RekeyReport:
    """Everything of the old vault in a new one at this store, opened by this secret. Raises NotVerified unless all
    of it is there and reads back whole."""
    new = _begin(store, secret)
    if new.id == old.id or new.key.encrypt == old.key.encrypt:
        raise UsageMistake(
            _("The new vault and the old one are the same."),
            hint=_("Choose an empty place for the new vault."),
        )
    new.snapshots()
    if new.damaged_snapshots:  # half a snapshot that a broken-off run left
        repair(new, reporter=reporter)
    copied = copy(old, new, reporter=reporter)
    checked = check(new, depth="all", reporter=reporter)
    checked.raise_if_damaged()
    _compare(old, new)
    return RekeyReport(new, copied, checked)


def _begin(store: Store, secret: Secret) -> Vault:
    """The new vault, or the one that an earlier run has begun."""
    try:
        return Vault.open(store, secret)
    except (VaultMissing, Damaged, WrongKey):
        if not is_unborn(store):
            raise
    for entry in [*store.list(config.NAME), *store.list("keys/")]:
        store.delete(entry.key)
    return Vault.create(store, secret)


def _compare(old: Vault, new: Vault) -> None:
    there = {(one.time, one.tree, one.hostname, one.paths) for one in new.snapshots()}
    missing = [one for one in old.snapshots() if (one.time, one.tree, one.hostname, one.paths) not in there]
    if missing or old.damaged_snapshots:
        raise NotVerified(
            plural(
                "{count} restore point of the old vault is not in the new one.",
                "{count} restore points of the old vault are not in the new one.",
                len(missing) + len(old.damaged_snapshots),
            ),
            hint=_(
                "Keep the old vault. Run the same command again: somebody may have written there meanwhile."
            ),
        )
