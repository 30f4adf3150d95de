"""Who works, who is missed, and what nobody else could do meanwhile.

A worker that has died says nothing: that it is missed is found by comparing those that the plan names with the signs
of life of those that are there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from haechi.i18n import _, joined
from haechi.operations.doctor import Finding, Health
from haechi.operations.watching.alarms import Alarm
from haechi.operations.watching.overdue import GRACE, said

_REMEMBERED = timedelta(days=7)  # one that no plan names, and that was lost: it may have been a passing one


class State(StrEnum):
    ALIVE = "alive"
    SILENT = "silent"  # it should give signs of life, and does not
    ENDED = "ended"  # in good order
    NEVER = "never"  # the plan names it, and it was never there


@dataclass(frozen=True)
class Sign:
    """What is known of a worker: the last that it said, and how long ago that was by the clock that it went by."""

    name: str
    version: str
    began: datetime
    seen: datetime
    silent: timedelta
    gone: bool = False  # the others do not count on it any more
    in_order: bool = False  # because it said so itself
    works_on: Mapping[str, str] = field(default_factory=dict)  # by subject, the run


@dataclass(frozen=True)
class Named:
    """What the plan says of workers."""

    hosts: Mapping[str, Collection[str]]  # by host, the names and labels whose work is meant for it
    services: Mapping[str, str]  # by service, the host or label that takes it; empty: anybody
    lease: timedelta


@dataclass(frozen=True)
class WorkerStanding:
    """One worker as it stands."""

    name: str
    state: State
    named: bool  # by the plan
    sign: Sign | None = None
    newer: str = ""  # the version of others, where it has an older one
    waiting: Sequence[str] = ()  # services that wait for it: no one who is there may take them

    @property
    def missed(self) -> bool:
        """One that ended in good order is not at once."""
        match self.state:
            case State.ALIVE:
                return False
            case State.ENDED:
                return self.named and self.sign is not None and self.sign.silent > GRACE
            case State.NEVER:
                return True
        return self.named or bool(self.waiting)


def standings(signs: Sequence[Sign], plan: Named) -> list[WorkerStanding]:
    """Those of the plan, in its order, then the others. Nothing where nobody has ever worked: then no worker is
    what runs things here."""
    if not signs:
        return []
    known = {sign.name: sign for sign in signs}
    states = {name: _state(known.get(name), plan.lease) for name in (*plan.hosts, *known)}
    alive = [name for name, state in states.items() if state is State.ALIVE]
    newest = max((known[name].version for name in alive), key=numbers, default="")
    idle = [s for s, at in plan.services.items() if not any(_may(name, at, plan) for name in alive)]
    return [
        WorkerStanding(
            name,
            state,
            name in plan.hosts,
            known.get(name),
            newest if name in alive and numbers(known[name].version) < numbers(newest) else "",
            () if name in alive else [s for s in idle if _may(name, plan.services[s], plan)],
        )
        for name, state in states.items()
        if name in plan.hosts or _worth_a_line(known[name], state)
    ]


def alarms(found: Iterable[WorkerStanding], zone: tzinfo) -> list[Alarm]:
    """One for each that something is wrong with."""
    return [
        Alarm("worker", one.name, *trouble, one.sign.seen if one.missed and one.sign else None)
        for one in found
        if (trouble := _trouble(one, zone))
    ]


def findings(found: Iterable[WorkerStanding], zone: tzinfo) -> Iterator[Finding]:
    for one in found:
        subject = _("worker {name}").format(name=one.name)
        if trouble := _trouble(one, zone):
            yield Finding(subject, Health.BAD if one.missed else Health.WARNING, *trouble)
        elif one.sign and one.state is State.ALIVE:
            text = _("gives signs of life; version {version}").format(version=one.sign.version)
            yield Finding(subject, Health.GOOD, text)
        else:
            yield Finding(subject, Health.WARNING, _("has ended in good order"), _start(one.name))


def _trouble(one: WorkerStanding, zone: tzinfo) -> tuple[str, str] | None:
    """What is wrong with it, and the mend."""
    if one.newer and one.sign:
        words = {"version": one.sign.version, "newer": one.newer}
        return (
            _("this worker has Haechi {version}, and others have {newer}").format(**words),
            _("Upgrade Haechi on its host, and start it again."),
        )
    if not one.missed:
        return None
    seen = said(one.sign.seen, zone) if one.sign else ""
    match one.state:
        case State.NEVER:
            text = _("the plan names this worker, and it has never given a sign of life")
        case State.ENDED:
            text = _("this worker ended in good order at {time}, and has not begun again").format(time=seen)
        case _state:
            text = _("this worker has given no sign of life since {time}").format(time=seen)
    if one.waiting:
        waiting = _("these wait for it: {services}").format(services=", ".join(one.waiting))
        text = joined("; ", (text, waiting))
    return text, _start(one.name)


def _start(name: str) -> str:
    return _(
        "Start it on its host: haechi worker --name {name}; or take it out of the plan, and give what it did "
        "another `worker`."
    ).format(name=name)


def _state(sign: Sign | None, lease: timedelta) -> State:
    if sign is None:
        return State.NEVER
    if sign.gone:
        return State.ENDED if sign.in_order else State.SILENT
    return State.SILENT if sign.silent > lease else State.ALIVE


def _worth_a_line(sign: Sign, state: State) -> bool:
    """Of those that the plan does not name."""
    return state is State.ALIVE or (state is State.SILENT and sign.silent < _REMEMBERED)


def _may(worker: str, at: str, plan: Named) -> bool:
    """Whether work that is meant for this host or label may be done by this worker."""
    return not at or at in plan.hosts.get(worker, ())


def numbers(version: str) -> tuple[int, ...]:
    """To tell which of two versions is the older one."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())
