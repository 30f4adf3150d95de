"""One worker of a name, wherever: what one has in its hands is known by its name.

On one host a lock keeps the second out. Two hosts meet in the database: whoever comes second looks whether the first
gives signs of life, for as long as it takes to be sure that it does not.
"""

from __future__ import annotations

from collections.abc import Callable

from haechi import __version__, clock
from haechi.engine.ledger import Colleague, Ledger
from haechi.errors import VaultLocked
from haechi.i18n import _
from haechi.journal import liveness

_LOOK = 0.5


def take(
    ledger: Ledger, name: str, mark: str, lease: float, *, alone: bool, tell: Callable[[str], None]
) -> None:
    """Begin to work by this name. Raises VaultLocked when another does; `alone`: nobody can."""
    other = ledger.claim(name, __version__, mark)
    if other is not None and (alone or liveness.is_gone(other.process, here=False)):
        other = ledger.claim(name, __version__, mark, other)
    if other is None:
        return
    tell(
        _("Another worker went by the name {name}: waiting up to {seconds:.0f} s for a sign of life.").format(
            name=name, seconds=lease
        )
    )
    until = clock.monotonic() + lease
    found: Colleague | None = other
    while found is not None:
        if (found.process, found.beats) != (other.process, other.beats):
            raise taken(name)
        clock.sleep(_LOOK)
        found = next((one for one in ledger.colleagues() if one.name == name), None)
        if found is None or clock.monotonic() > until:
            found = ledger.claim(name, __version__, mark, other)


def taken(name: str) -> VaultLocked:
    """What the second of a name is told."""
    return VaultLocked(
        _("A worker named {name} is at work on another host.").format(name=name),
        hint=_(
            "Each host needs a name of its own: haechi worker --name NAME, as in [host.NAME] of the plan."
        ),
    )
