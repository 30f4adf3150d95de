"""A whole stack as drills bring it up: services in their order, what is asked of them, and of an application."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from haechi.errors import HaechiError, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Promise, RestorePoint
from haechi.operations import locate
from haechi.operations.checks import Check
from haechi.operations.sets import recovery_set
from haechi.operations.sets.recovery_set import RecoverySet
from haechi.places._base import Place

ALL = "all"
SCENARIO = "scenario:"  # how the stack of a scenario is called, so that no set has its name


def subject_of(name: str) -> str:
    """A stack as `haechi drill` knows it."""
    return name if name.startswith(SCENARIO) else f"set:{name}"


class Surroundings(Protocol):
    """What a check finds when it is asked: the throwaways, and the network they are reached from."""

    @property
    def place(self) -> Place:
        """Where its commands run."""

    def fill(self, text: str) -> str:
        """`{rows.url}`, `{app.port}` and the like, put in."""

    def standing(self, service: str) -> object:
        """What has come back of this service, to be asked."""


@dataclass(frozen=True)
class Application:
    """A command that serves over HTTP, started against the throwaways."""

    run: tuple[str, ...]
    directory: str | None = None
    port: int | None = None
    ready: str = "/"
    patience: float = 60.0


@dataclass(frozen=True)
class Trial:
    """What shows that the throwaways serve. `env` is all that is told of the world, besides their addresses."""

    of: str  # the set
    application: Application | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    checks: Sequence[Callable[[Surroundings], Check]] = ()


@dataclass(frozen=True)
class LeftOut:
    """Something of a scenario that its drill does not do, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Stack:
    """Built by `app`. `of` holds the members and their references; `sets` those whose points are taken as one."""

    of: RecoverySet
    sets: tuple[RecoverySet, ...] = ()
    after: Mapping[str, frozenset[str]] = field(default_factory=dict)  # what comes back before it, by member
    into: Mapping[str, str] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    promise: Promise = field(default_factory=Promise)
    left_out: tuple[LeftOut, ...] = ()
    expected: Sequence[timedelta] = ()  # how long it is thought to take: from, to

    @property
    def name(self) -> str:
        return self.of.name

    @property
    def is_all(self) -> bool:
        return (self.of,) != self.sets

    def waits_for(self, name: str) -> frozenset[str]:
        """Members of this stack that must stand before this one begins to come back."""
        there = {member.name for member in self.of.members}
        return self.after.get(name, frozenset()) & there


def points(
    stack: Stack, reporter: Reporter, which: str = locate.LATEST, copy: str | None = None
) -> dict[str, RestorePoint]:
    """One point of each member: those of a set belong together. Raises NotThere."""
    found: dict[str, RestorePoint] = {}
    for one in stack.sets:
        try:
            found |= recovery_set.choose(recovery_set.points(one, reporter, copy), which, one).points
        except HaechiError as problem:
            if not stack.is_all:
                raise
            reporter.warn(
                _("{set}: {reason} Each of its services comes back by its own newest point.").format(
                    set=one.name, reason=problem.message
                )
            )
    if stack.is_all and which != locate.LATEST:
        raise UsageMistake(
            _("Of all services the newest points are drilled."),
            hint=_("Name a set for another point: haechi drill SET --point {which}").format(which=which),
        )
    for member in stack.of.members:
        if member.name not in found:
            among = [member.destination(copy)] if copy else list(member.everywhere)
            there = locate.gather(among, member.name, reporter)
            found[member.name] = locate.choose(there, locate.LATEST, member.zone)
    return {member.name: found[member.name] for member in stack.of.members}
