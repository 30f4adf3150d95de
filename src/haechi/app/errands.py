"""What a person has done with services besides a backup: verify, drill, copy, prune.

Through the daemon where one runs that follows this plan, a run for each service; else in place. It is the same either
way, and so is what comes back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from haechi.app import serving
from haechi.engine import caller, parcels
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.operations import drill as drilling
from haechi.operations import replicate, retain
from haechi.operations import verify as verifying
from haechi.operations.drill import Drilled
from haechi.operations.people import news
from haechi.operations.replicate import Copied
from haechi.operations.together import Outcomes
from haechi.operations.verify import Verified
from haechi.sources._base import Address, Comparison

if TYPE_CHECKING:
    from haechi.app.home import Home

T = TypeVar("T")
Order = Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """What a verification found, and which hooks after it failed."""

    copies: list[Verified]
    unhooked: dict[str, HaechiError]


@dataclass(frozen=True)
class Brought:
    """What was copied onwards, which destinations could not be asked, and which wait for their hours."""

    copied: list[Copied]
    away: dict[str, HaechiError]
    waiting: dict[str, str]


@dataclass(frozen=True)
class Freed:
    """So many copies went, and so many bytes came free."""

    points: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Errand(Generic[T]):
    """Done with one service by its name; `gives` is the type of what comes of it."""

    name: str
    do: Callable[[Home, str, Order, Reporter], T]
    gives: type[T]

    def send(
        self,
        home: Home,
        subjects: Sequence[str],
        order: Order,
        reporter: Reporter,
        *,
        own: Mapping[str, Order] | None = None,
        near: Mapping[str, str] | None = None,
    ) -> Outcomes[T]:
        """Through the daemon or in place, where the first error ends it; if nothing at all was done, one is raised.
        `own` is what only one of the subjects is told, `near` where each is done."""
        own = own or {}
        at = near or {name: serving.near(home, name) for name in subjects}
        orders = {name: {**order, **own.get(name, {})} for name in subjects}
        sent = caller.send(home.state, home.plan.digest, self.name, orders, reporter, at=at)
        if sent is None:
            several = len(subjects) > 1
            done = {
                name: self.do(home, name, orders[name], reporter.about(name) if several else reporter)
                for name in subjects
            }
            return Outcomes(done, {})
        if not sent.done:
            sent.raise_if_any_failed()
        return Outcomes(
            {name: parcels.unpack(self.gives, one) for name, one in sent.done.items()}, sent.failed
        )


def verify(home: Home, services: Sequence[str], order: Order, reporter: Reporter) -> Outcomes[Seen]:
    """`order`: what `operations.verify` is told."""
    return VERIFY.send(home, services, order, reporter)


def drill(home: Home, services: Sequence[str], order: Order, reporter: Reporter) -> Outcomes[Drilled]:
    """`order`: what `operations.drill` is told."""
    return DRILL.send(home, services, order, reporter)


def copy(home: Home, services: Sequence[str], order: Order, reporter: Reporter) -> Outcomes[Brought]:
    """`order`: where `to`, and whether `at_any_hour`."""
    return COPY.send(home, services, order, reporter)


def prune(
    home: Home, going: Mapping[str, Mapping[str, Sequence[str]]], reporter: Reporter
) -> Outcomes[Freed]:
    """Of each service and each of its destinations, the points that somebody has agreed to lose: of those goes what
    the plan still lets go. Each vault gives its space back once, whatever went out of it."""
    done = PRUNE.send(
        home, list(going), {}, reporter, own={n: {"agreed": agreed} for n, agreed in going.items()}
    )
    users = {
        where: name
        for name in done.done
        for where, points in going[name].items()
        if points and where.startswith("vault.")
    }
    near = {where: serving.near(home, name) for where, name in users.items()}
    freed = FREE.send(home, list(users), {}, reporter, near=near) if users else Outcomes({}, {})
    return Outcomes({**done.done, **freed.done}, {**done.failed, **freed.failed})


def one(home: Home, errand: str, subject: str, order: Order, reporter: Reporter) -> object:
    """For the hand of a daemon."""
    known = {each.name: each for each in (VERIFY, DRILL, COPY, PRUNE, FREE)}
    given = {key: value for key, value in order.items() if key != "language"}
    return known[errand].do(home, subject, given, reporter)


def packed(done: object) -> Any:
    """As it travels."""
    return parcels.pack(_travelling(done) if isinstance(done, Drilled) else done)


def _verify(home: Home, name: str, order: Order, reporter: Reporter) -> Seen:
    unhooked: dict[str, HaechiError] = {}
    seen = verifying.verify(home.service(name), home.desk, reporter, **order, unhooked=unhooked)
    if home.plan.notifiers:
        home.teller.tell(news.of_verifications(name, seen), reporter)
    return Seen(seen, unhooked)


def _drill(home: Home, name: str, order: Order, reporter: Reporter) -> Drilled:
    done = drilling.drill(home.service(name), home.desk, reporter, **order)
    if home.plan.notifiers:
        home.teller.tell(news.of_drills([done], {}), reporter)
    return done


def _copy(home: Home, name: str, order: Order, reporter: Reporter) -> Brought:
    service, at_any_hour = home.service(name), bool(order["at_any_hour"])
    planned = replicate.plan(service, to=order["to"], at_any_hour=at_any_hour)
    copied = replicate.execute(service, planned.missing, home.desk, reporter, at_any_hour=at_any_hour)
    waiting = {where: str(hours) for where, hours in planned.waiting.items()}
    return Brought(copied, dict(planned.away), waiting)


def _prune(home: Home, name: str, order: Order, reporter: Reporter) -> Freed:
    agreed: Mapping[str, Sequence[str]] = order["agreed"]
    service, points, size = home.service(name), 0, 0
    with home.desk.alone_with(name):
        for planned in retain.plan(service, home.desk, reporter):
            known = set(agreed.get(planned.destination.name, ()))
            freed = retain.execute(planned.only(known), home.desk, reporter)
            points, size = points + freed["points"], size + freed["bytes"]
    return Freed(points, size)


def _free(home: Home, where: str, _order: Order, reporter: Reporter) -> Freed:
    return Freed(0, home.destination(where).free_space(reporter))


def _travelling(done: Drilled) -> Drilled:
    """Without the throwaway, which is gone, and whose address may hold a password."""
    if done.rehearsed is None:
        return done
    restored = done.rehearsed.restored
    compared = tuple(_plain(one) for one in restored.comparisons)
    rehearsed = replace(
        done.rehearsed, restored=replace(restored, comparisons=compared), address=Address(), standing=None
    )
    return replace(done, rehearsed=rehearsed)


def _plain(compared: Comparison) -> Comparison:
    """What is the same and what differs shall do so still when it has been plain data."""
    if compared.equal:
        return replace(compared, found=compared.expected)
    texts = [json.dumps(parcels.pack(one), default=str) for one in (compared.expected, compared.found)]
    if texts[0] != texts[1] or repr(compared.expected) == repr(compared.found):
        return compared
    return replace(compared, expected=repr(compared.expected), found=repr(compared.found))


VERIFY = Errand("verify", _verify, Seen)
DRILL = Errand("drill", _drill, Drilled)
COPY = Errand("copy", _copy, Brought)
PRUNE = Errand("prune", _prune, Freed)
FREE = Errand("free", _free, Freed)
