"""The rule 3-2-1-1-0, leg by leg: three copies on two media, one of them off-site and one immutable, and no error in
the last drill. What is in use counts as one of the three, and lies on a disk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from haechi.i18n import _

IN_USE = "disk"  # the medium of what is protected
_RULE = re.compile(r"([1-9])-([1-9])-([0-9])(?:-([0-9])(?:-(0))?)?")


@dataclass(frozen=True)
class Rule:
    """What is asked for. `drilled`: the last drill passed."""

    text: str = "3-2-1-1-0"
    copies: int = 3
    media: int = 2
    offsite: int = 1
    immutable: int = 1
    drilled: bool = True

    @classmethod
    def parse(cls, text: str) -> Rule:
        """`3-2-1`, `3-2-1-1` or `3-2-1-1-0`, and other numbers. Raises ValueError."""
        found = _RULE.fullmatch(text.strip())
        if not found:
            raise ValueError(_("a rule such as “3-2-1” or “3-2-1-1-0”"))
        copies, media, offsite, immutable, errors = found.groups()
        return cls(
            text.strip(), int(copies), int(media), int(offsite), int(immutable or 0), errors is not None
        )

    def __str__(self) -> str:
        return self.text


USUAL = Rule()


@dataclass(frozen=True)
class Lies:
    """Where one copy lies, as far as the rule cares."""

    name: str
    media: str
    offsite: bool
    immutable: bool


@dataclass(frozen=True)
class Leg:
    """One leg of the rule. `mend` is what to do where it is missing."""

    name: str  # "copies", "media", "offsite", "immutable", "drill"
    holds: bool
    found: str
    mend: str = ""


def legs(rule: Rule, copies: Sequence[Lies], drilled: bool | None) -> list[Leg]:
    """Each leg that the rule asks for. `drilled`: how the last drill went; None without any."""
    count = len(copies) + 1
    media = {IN_USE, *(copy.media for copy in copies)} if copies else {IN_USE}
    offsite = sum(copy.offsite for copy in copies)
    immutable = sum(copy.immutable for copy in copies)
    judged = [
        Leg(
            "copies",
            count >= rule.copies,
            _("{count} of {wanted} copies").format(count=count, wanted=rule.copies),
            _("Name one more vault or archive in `to` or `copy`."),
        ),
        Leg(
            "media",
            len(media) >= rule.media,
            _("{count} of {wanted} media ({names})").format(
                count=len(media), wanted=rule.media, names=", ".join(sorted(media))
            ),
            _("Keep one copy on something else: a NAS, a bucket. `media` says what one lies on."),
        ),
        Leg(
            "offsite",
            offsite >= rule.offsite,
            _("{count} off-site").format(count=offsite) if offsite else _("none of them off-site"),
            _("Copy to another site; a share that lies there says `offsite = true`."),
        ),
        Leg(
            "immutable",
            immutable >= rule.immutable,
            _("{count} locked or append-only").format(count=immutable)
            if immutable
            else _("none of them locked or append-only"),
            _("Copy into a bucket with object lock and say `lock`, or to an append-only server."),
        ),
    ]
    if rule.drilled:
        judged.append(Leg("drill", bool(drilled), _drill(drilled), _("Rehearse it with: haechi drill")))
    return judged


def missing(judged: Sequence[Leg]) -> list[Leg]:
    return [leg for leg in judged if not leg.holds]


def _drill(drilled: bool | None) -> str:
    if drilled is None:
        return _("no drill")
    return _("the last drill passed") if drilled else _("the last drill failed")
