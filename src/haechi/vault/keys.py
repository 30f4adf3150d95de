"""Key files: the vault's master key, sealed with a passphrase. A vault may have several.

Whoever has any one passphrase has the master key. Removing a key file keeps nobody out who has once opened
the vault; a leaked master key wants `haechi vault rekey`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import socket
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from haechi import clock
from haechi.attributes import this_user
from haechi.credentials import Secret
from haechi.errors import Damaged, HaechiError, NotThere, UsageMistake, WrongKey
from haechi.i18n import _, plural
from haechi.stores._base import Store
from haechi.vault import gojson
from haechi.vault.files import is_name
from haechi.vault.sealing import SealingKey

_N, _R, _P = 1 << 15, 8, 5  # 32 MiB and about a third of a second
_AT_ONCE = 2
_MOST_MEMORY = 1 << 30  # a key file that asks for more was not written by anybody sane


@dataclass(frozen=True)
class KeyFile:
    """What a key file says about itself to whoever can read it."""

    id: str
    created: datetime | None
    username: str
    hostname: str


def unlock(store: Store, secret: Secret) -> tuple[str, SealingKey]:
    """The key file that this passphrase opens, and the master key in it. Raises WrongKey and NotThere."""
    names = _names(store)
    if not names:
        raise NotThere(_("There is no key in {store}.").format(store=store.url))
    unreadable = 0
    with closing(_attempts(store, names, secret)) as attempts:
        for name, attempt in attempts:
            try:
                return name, attempt.result()
            except WrongKey:
                continue
            except Damaged:
                unreadable += 1
    hint = _(
        "Look whether the plan names the right key for this vault; any other key of it opens it as well."
    )
    if unreadable:
        hint += " " + plural(
            "{count} key file of the vault cannot be read.",
            "{count} key files of the vault cannot be read.",
            unreadable,
        )
    raise WrongKey(
        _("No key of the vault at {store} opens with this one.").format(store=store.url), hint=hint
    )


def opens_every(store: Store, secret: Secret) -> bool:
    """Whether nobody else can have a key here: all there are open with this passphrase."""
    with closing(_attempts(store, _names(store), secret)) as attempts:
        return not any(isinstance(attempt.exception(), HaechiError) for _name, attempt in attempts)


def add(store: Store, master: SealingKey, secret: Secret) -> KeyFile:
    """A further key file for the same master key. It counts once this returns."""
    if not secret:
        raise UsageMistake(_("An empty passphrase protects nothing."))
    salt = os.urandom(64)
    sealed = _derive(secret, salt, _N, _R, _P).seal(json.dumps(_as_json(master)).encode())
    document = {
        "created": gojson.time_from(clock.now()),
        "username": this_user(),
        "hostname": socket.gethostname(),
        "kdf": "scrypt",
        "N": _N,
        "r": _R,
        "p": _P,
        "salt": base64.b64encode(salt).decode(),
        "data": base64.b64encode(sealed).decode(),
    }
    stored = json.dumps(document, separators=(",", ":")).encode()
    name = hashlib.sha256(stored).hexdigest()
    store.put(f"keys/{name}", stored)
    # The one file without which nothing opens: believe only what has been read back.
    if store.get(f"keys/{name}") != stored:
        raise _damaged(name)
    return _describe(name, document)


def remove(store: Store, name: str, opened_with: str) -> None:
    """Remove a key file, but neither the last one nor the one in use."""
    if name == opened_with or set(_names(store)) <= {name}:
        raise UsageMistake(
            _("This key opens the vault right now, so it stays."),
            hint=_("Open the vault with another key to remove this one."),
        )
    store.delete(f"keys/{name}")


def change(store: Store, master: SealingKey, opened_with: str, secret: Secret) -> KeyFile:
    """Put a new passphrase in the place of the one in use: the new file first, the old one goes after."""
    added = add(store, master, secret)
    if added.id != opened_with:
        store.delete(f"keys/{opened_with}")
    return added


def every(store: Store) -> list[KeyFile]:
    """The vault's key files, without opening any. Those that make no sense are left out."""
    found = []
    for name in _names(store):
        with suppress(Damaged):
            found.append(_describe(name, _read(store, name)))
    return found


def _names(store: Store) -> list[str]:
    return sorted(e.key[5:] for e in store.list("keys/") if is_name(e.key[5:]))


def _attempts(store: Store, names: list[str], secret: Secret) -> Generator[tuple[str, Future[SealingKey]]]:
    """The key files in their order, a few tried at once: each takes a third of a second and 32 MiB."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="vault-key") as pool:
        coming: deque[tuple[str, Future[SealingKey]]] = deque()
        try:
            for name in names:
                coming.append((name, pool.submit(lambda name=name: _open(_read(store, name), secret))))  # type: ignore[misc]
                if len(coming) >= _AT_ONCE:
                    yield coming.popleft()
            while coming:
                yield coming.popleft()
        finally:
            for _name, attempt in coming:
                attempt.cancel()


def _read(store: Store, name: str) -> dict[str, Any]:
    stored = store.get(f"keys/{name}")
    try:
        found = json.loads(stored)
    except ValueError:
        found = None
    if hashlib.sha256(stored).hexdigest() != name or not isinstance(found, dict):
        raise _damaged(name)
    return found


def _open(found: dict[str, Any], secret: Secret) -> SealingKey:
    try:
        if found["kdf"] != "scrypt" or 128 * found["N"] * found["r"] > _MOST_MEMORY:
            raise _damaged("")
        salt, sealed = base64.b64decode(found["salt"]), base64.b64decode(found["data"])
        user = _derive(secret, salt, found["N"], found["r"], found["p"])
    except (KeyError, ValueError, TypeError, binascii.Error):
        raise _damaged("") from None
    try:
        master = json.loads(user.open(sealed))
    except Damaged:
        raise WrongKey(_("The key does not open this key file.")) from None
    part = base64.b64decode
    return SealingKey(part(master["encrypt"]), part(master["mac"]["k"]), part(master["mac"]["r"]))


def _derive(secret: Secret, salt: bytes, n: int, r: int, p: int) -> SealingKey:
    raw = Scrypt(salt=salt, length=64, n=n, r=r, p=p).derive(secret.reveal().encode())
    return SealingKey(raw[:32], raw[32:48], raw[48:])


def _as_json(master: SealingKey) -> dict[str, Any]:
    def text(raw: bytes) -> str:
        return base64.b64encode(raw).decode()

    return {"mac": {"k": text(master.k), "r": text(master.r)}, "encrypt": text(master.encrypt)}


def _describe(name: str, found: dict[str, Any]) -> KeyFile:
    try:
        created = gojson.time_to(found["created"])
    except (KeyError, ValueError, TypeError):
        created = None
    return KeyFile(name, created, str(found.get("username", "")), str(found.get("hostname", "")))


def _damaged(name: str) -> Damaged:
    return Damaged(
        _("The vault's file {name} is damaged.").format(name=f"keys/{name}"),
        hint=_("Open the vault with another of its keys, then remove this one."),
    )
