"""A key for the safe: printed on paper, typed back by a tired person, and told where they mistyped.

Nine groups of five signs, such as `K7WQ2`. The alphabet leaves out what looks alike (I, L, O, U); what is typed
for them is understood. The last sign of a group checks the four before it and the group's place, so that every
single mistyped sign and every two signs or groups that changed places are found, and the group is named. The
ninth group checks all the others. Eight groups of four signs of five bits are 160 random bits.

The key is a passphrase like any other: with its dashes and in capitals it opens the vault in restic, too.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from haechi.credentials import Secret
from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.vault import keys
from haechi.vault.keys import KeyFile
from haechi.vault.repository import Vault

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUPS = 9
_SIGNS = 4
_LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1", "U": "V"})


@dataclass(frozen=True)
class RecoveryKey:
    """Never shown by accident: `printed()` gives it, for paper."""

    _text: str

    def __repr__(self) -> str:
        return "RecoveryKey(********)"

    __str__ = __repr__

    def printed(self) -> str:
        return self._text

    @property
    def secret(self) -> Secret:
        return Secret(self._text)


def generate() -> RecoveryKey:
    groups = ["".join(secrets.choice(ALPHABET) for _sign in range(_SIGNS)) for _group in range(GROUPS - 1)]
    groups.append(_summary(groups))
    return RecoveryKey("-".join(group + _check_sign(group, place) for place, group in enumerate(groups)))


def issue(vault: Vault) -> tuple[RecoveryKey, KeyFile]:
    """A new recovery key that opens this vault; it is read back before it is given out."""
    key = generate()
    return key, keys.add(vault.store, vault.key, key.secret)


def parse(typed: str) -> RecoveryKey:
    """The key as it was typed, in any case and with any spaces or dashes. Raises UsageMistake, which names the group
    that is wrong and never guesses."""
    groups = _groups(typed)
    wrong = [place for place, group in enumerate(groups) if not _is_right(group, place)]
    if wrong:
        raise UsageMistake(
            _("The recovery key is mistyped in group {places}: {groups}").format(
                places=", ".join(str(place + 1) for place in wrong),
                groups=", ".join(f"“{groups[place]}”" for place in wrong),
            ),
            hint=_(
                "Compare these groups with the paper, sign by sign, and see that the groups are in order."
            ),
        )
    if len(groups) != GROUPS:
        raise UsageMistake(
            _("The recovery key has {wanted} groups of five signs, and {found} were typed.").format(
                wanted=GROUPS, found=len(groups)
            ),
            hint=_("Type all of the groups on the paper."),
        )
    if groups[-1][:_SIGNS] != _summary([group[:_SIGNS] for group in groups[:-1]]):
        raise UsageMistake(
            _("The groups of the recovery key do not belong together."),
            hint=_("See that all of them come from the same paper."),
        )
    return RecoveryKey("-".join(groups))


def _groups(typed: str) -> list[str]:
    """As the person separated them when they are of the right length, or else cut anew."""
    plain = typed.upper().translate(_LOOKALIKES)
    separated = "".join(sign if sign.isalnum() else " " for sign in plain).split()
    if len(separated) == GROUPS:
        return separated
    together = "".join(separated)
    return [together[at : at + _SIGNS + 1] for at in range(0, len(together), _SIGNS + 1)]


def _is_right(group: str, place: int) -> bool:
    return (
        len(group) == _SIGNS + 1
        and all(sign in ALPHABET for sign in group)
        and group[_SIGNS] == _check_sign(group[:_SIGNS], place)
    )


def _summary(groups: list[str]) -> str:
    number = int.from_bytes(hashlib.sha256("".join(groups).encode()).digest()[:4])
    return "".join(ALPHABET[number >> 5 * sign & 31] for sign in range(_SIGNS))


def _check_sign(group: str, place: int) -> str:
    """A sum over GF(32), each sign with a weight of its own: no single change and no exchange leaves it as it was."""
    total = _times(_power(_SIGNS + 1), place)
    for number, sign in enumerate(group):
        total ^= _times(_power(number + 1), ALPHABET.index(sign))
    return ALPHABET[total]


def _power(exponent: int) -> int:
    value = 1
    for _step in range(exponent):
        value = _times(value, 2)
    return value


def _times(a: int, b: int) -> int:
    """Multiplication in GF(32), modulo x^5 + x^2 + 1."""
    product = 0
    for bit in range(5):
        if b >> bit & 1:
            product ^= a << bit
    for bit in range(8, 4, -1):
        if product >> bit & 1:
            product ^= 0b100101 << (bit - 5)
    return product
