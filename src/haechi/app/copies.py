"""What the plan says about where copies lie, put into the hands of operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from haechi import clock, legs
from haechi.errors import JournalUnavailable
from haechi.i18n import _
from haechi.legs import Lies
from haechi.operations import copies
from haechi.operations.costs import Cost, Prices, estimate
from haechi.operations.doctor import Finding, Health
from haechi.operations.service import Onward

if TYPE_CHECKING:
    from haechi.app.home import Home


def onward(home: Home, name: str) -> tuple[Onward, ...]:
    """Where copies of this service go from where they are."""
    return tuple(
        Onward(home.destination(one.to, name), one.source, one.when is None, one.move, one.hours)
        for one in home.plan.services[name].copies
    )


def lies(home: Home, name: str) -> dict[str, Lies]:
    return {where: home.plan.kept[where].lies for where in home.plan.services[name].everywhere}


def options(home: Home, name: str) -> Any:
    """What the storage under a vault or archive is told: its own options, and how fast it may go."""
    entry = home.plan.kept[name]
    if entry.bandwidth is None:
        return entry.options
    return entry.options.model_copy(
        update={"upload_limit": entry.bandwidth, "download_limit": entry.bandwidth}
    )


def costs(home: Home) -> list[Cost]:
    """What each destination with prices costs a month, as far as the journal knows; nothing is fetched for it."""
    prices = {
        name: Prices(**entry.price.model_dump())
        for name, entry in home.plan.kept.items()
        if entry.price is not None
    }
    if not prices:
        return []
    try:
        points, proofs = home.journal.points(), home.journal.proofs()
    except JournalUnavailable:
        return []
    return estimate(prices, points, proofs, clock.now())


def examined(home: Home) -> Iterator[Finding]:
    """The rule of copies, service by service: what the plan has, and how the last drill went."""
    for name, entry in home.plan.services.items():
        try:
            drilled = copies.last_drill(home.journal.proofs(service=name))
        except JournalUnavailable:
            drilled = None
        rule = entry.rule or legs.USUAL
        judged = legs.legs(rule, list(lies(home, name).values()), drilled)
        subject = _("{service}: rule {rule}").format(service=name, rule=rule)
        missing = legs.missing(judged)
        if not missing:
            yield Finding(subject, Health.GOOD, ", ".join(leg.found for leg in judged))
        for leg in missing:
            yield Finding(subject, Health.WARNING, leg.found, leg.mend)
