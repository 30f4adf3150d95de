"""What the plan says about where copies lie, put into the hands of operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from haechi import clock, legs
from haechi.errors import JournalUnavailable, NotThere, SecretMissing
from haechi.i18n import _
from haechi.legs import Lies
from haechi.operations.destinations import locks
from haechi.operations.destinations.costs import Cost, Prices, estimate
from haechi.operations.destinations.locks import Locked
from haechi.operations.doctor import Finding, Health
from haechi.operations.service import Onward
from haechi.operations.watching import copies
from haechi.schedule import say_duration

if TYPE_CHECKING:
    from haechi.app.home import Home
    from haechi.events import Reporter


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
    except (JournalUnavailable, SecretMissing):
        return []
    return estimate(prices, points, proofs, clock.now())


def locked(
    home: Home, names: Sequence[str] | None, reporter: Reporter, *, extend: bool = False
) -> list[Locked]:
    """An archive is looked at once, however many services keep their files in it."""
    if unknown := [name for name in names or () if name not in home.plan.kept]:
        raise NotThere(
            _("The plan has no “{name}”.").format(name=unknown[0]),
            hint=_("It has: {names}").format(names=", ".join(home.plan.kept) or "-"),
        )
    found: dict[str, Locked] = {}
    for destination, _service in home.everywhere():
        name = destination.name
        entry = home.plan.kept[name]
        if name in found or (names and name not in names) or not entry.url.startswith("s3:"):
            continue
        one = locks.look(destination, entry.lock, reporter, extend=extend)
        if one is not None:
            found[name] = one
    return list(found.values())


def lock_found(home: Home, name: str) -> Iterator[Finding]:
    """What a bucket locks by itself, against what the plan asks for; no object is looked at."""
    entry = home.plan.kept[name]
    from haechi.stores._s3_locks import locks_of

    look = locks_of(home.store(name)) if entry.url.startswith("s3:") else None
    if look is None:
        return
    with closing(look):
        one = locks.Locked(name, entry.lock, look.of_bucket())
    if one.problem:
        yield Finding(name, Health.BAD if one.found is None else Health.WARNING, one.problem, one.mend)
    elif one.found and one.found.span:
        text = _("locks what is written for {span} ({mode})").format(
            span=say_duration(one.found.span), mode=one.found.mode.lower()
        )
        if entry.lock is None:
            mend = _('Say so in the plan, so that it is counted and watched: lock = "{span}"')
            yield Finding(name, Health.WARNING, text, mend.format(span=say_duration(one.found.span)))
        else:
            yield Finding(name, Health.GOOD, text)


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
