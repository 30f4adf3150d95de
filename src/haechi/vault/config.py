"""The vault's config: its format version, its id, and the secret that restic cuts files by."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

from haechi.errors import Damaged, VersionMismatch
from haechi.i18n import _
from haechi.stores import _base
from haechi.stores._base import Store
from haechi.vault.sealing import SealingKey

NAME = "config"
VERSION = 2
_DEGREE = 53


@dataclass(frozen=True)
class Config:
    version: int
    id: str
    polynomial: str

    @property
    def chunk_seed(self) -> int:
        """The same secret, for our own cuts: who knows a file's contents cannot foretell its chunks."""
        return int(self.polynomial, 16) or 1

    @classmethod
    def generate(cls, version: int = VERSION) -> Config:
        return cls(version, secrets.token_hex(32), f"{random_irreducible():x}")


def exists(store: Store) -> bool:
    """Whether there is a vault."""
    return _base.exists(store, NAME)


def save(store: Store, key: SealingKey, config: Config) -> None:
    """Raises AlreadyThere. Sealed, never compressed, and the one file whose name is not its hash."""
    document = {
        "version": config.version,
        "id": config.id,
        "chunker_polynomial": config.polynomial,
    }
    store.put(NAME, key.seal(json.dumps(document, separators=(",", ":")).encode()))


def load(store: Store, key: SealingKey) -> Config:
    try:
        found = json.loads(key.open(store.get(NAME)))
        config = Config(found["version"], found["id"], found.get("chunker_polynomial", "0"))
    except (ValueError, KeyError, TypeError):
        raise Damaged(
            _("The vault's config makes no sense."),
            hint=_("Restore the file “config” from another copy of the vault."),
        ) from None
    if config.version not in (1, 2):
        raise VersionMismatch(
            _("The vault has format version {version}; known are 1 and 2.").format(version=config.version),
            hint=_("Update haechi."),
        )
    return config


def random_irreducible() -> int:
    """A random irreducible polynomial of degree 53 over GF(2); restic opens no vault without one."""
    while True:
        candidate = secrets.randbits(_DEGREE) | 1 << _DEGREE | 1
        if is_irreducible(candidate):
            return candidate


def is_irreducible(polynomial: int) -> bool:
    """Ben-Or's test: no factor in common with x^(2^i) - x for any i up to half the degree."""
    power = 2  # x
    for _i in range((polynomial.bit_length() - 1) // 2):
        power = _square(power, polynomial)
        if _common(polynomial, power ^ 2) != 1:
            return False
    return True


def _square(value: int, modulus: int) -> int:
    spread = int(f"{value:b}", 4)  # squaring over GF(2) puts a zero between the bits: base 2 read as base 4
    return _remainder(spread, modulus)


def _remainder(value: int, modulus: int) -> int:
    degree = modulus.bit_length()
    while value.bit_length() >= degree:
        value ^= modulus << (value.bit_length() - degree)
    return value


def _common(a: int, b: int) -> int:
    while b:
        a, b = b, _remainder(a, b)
    return a
