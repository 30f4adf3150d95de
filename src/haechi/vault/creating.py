"""The first two files of a vault: its key file, then its config. From the second on it is there.

Whoever is killed between the two leaves a key file alone. The next run with the same secret takes it up. Where a
store cannot write a file whole or not at all, half a config may be left as well; it is made anew.
"""

from __future__ import annotations

from contextlib import suppress

from haechi.credentials import Secret
from haechi.errors import (
    AlreadyThere,
    Damaged,
    HaechiError,
    NotThere,
    VaultMissing,
    VaultUnfinished,
    WrongKey,
)
from haechi.i18n import _
from haechi.stores._base import Store
from haechi.vault import config, keys
from haechi.vault.config import Config
from haechi.vault.sealing import SealingKey


def create(store: Store, secret: Secret, version: int) -> tuple[str, SealingKey, Config]:
    """The key file's id, the master key and the config of a new vault. Raises AlreadyThere if there is one; and
    WrongKey or Damaged if there is a part of one, but none that this secret could finish."""
    if config.exists(store):
        _remove_half_a_config(store, secret)
    begun = _begun(store, secret)
    key = begun[1] if begun else SealingKey.generate()
    settings = Config.generate(version)
    # A file of our own also where one was begun: its writer may be alive, and removes his if we are faster.
    key_file = keys.add(store, key, secret)
    try:
        config.save(store, key, settings)  # the vault is there from this moment on
    except AlreadyThere:
        store.delete(f"keys/{key_file.id}")  # somebody else was a moment faster
        raise
    if begun:
        store.delete(f"keys/{begun[0]}")
    return key_file.id, key, settings


def is_unborn(store: Store) -> bool:
    """Nothing was ever kept there: at most the first two files of a vault lie there."""
    return not any(True for kind in ("data/", "index/", "snapshots/") for _entry in store.list(kind))


def what_is_missing(store: Store) -> HaechiError:
    """What to say of a place without a config: no vault, half of one, or one that has lost it."""
    if not any(True for _entry in store.list("keys/")):
        return VaultMissing(
            _("There is no vault at {store}.").format(store=store.url),
            hint=_("If this is the right place, make one with: haechi vault init"),
        )
    if is_unborn(store):
        return VaultUnfinished(
            _("The making of the vault at {store} broke off.").format(store=store.url),
            hint=_("Finish it with: haechi vault init"),
        )
    return _config_is_lost(store)


def _config_is_lost(store: Store) -> Damaged:
    return Damaged(
        _("The vault at {store} has lost its config.").format(store=store.url),
        hint=_("Restore the file “config” from another copy of the vault."),
    )


def _remove_half_a_config(store: Store, secret: Secret) -> None:
    """Raises AlreadyThere unless it is broken, and Damaged if anybody else could still want something of it."""
    there = AlreadyThere(
        _("There is a vault at {store} already.").format(store=store.url),
        hint=_("Use it with its key, or choose an empty place for a new one."),
    )
    if not is_unborn(store):
        raise there
    try:
        keys.unlock(store, secret)[1].open(store.get(config.NAME))
    except Damaged:
        pass
    except (WrongKey, NotThere):
        raise there from None
    else:
        raise there
    # Nothing is kept there; but a vault that others have opened once was whole then, and they may be at work.
    if any(True for _entry in store.list("locks/")) or not keys.opens_every(store, secret):
        raise Damaged(
            _(
                "The config of the vault at {store} is broken, and other keys or programs use that vault."
            ).format(store=store.url),
            hint=_(
                "Restore the file “config” from another copy of the vault; or, if nobody needs it, remove all that "
                "is there, then run the same command again."
            ),
        )
    store.delete(config.NAME)


def _begun(store: Store, secret: Secret) -> tuple[str, SealingKey] | None:
    if not any(True for _entry in store.list("keys/")):
        return None
    if not is_unborn(store):
        raise _config_is_lost(store)
    with suppress(WrongKey, NotThere):
        return keys.unlock(store, secret)
    raise WrongKey(
        _("At {store} the making of a vault broke off, and this key does not open what is there.").format(
            store=store.url
        ),
        hint=_(
            "Nothing was kept there yet: remove the directory “keys” there, then run the same command again."
        ),
    )
