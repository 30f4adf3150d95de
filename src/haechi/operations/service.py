"""A service of the plan made ready to be worked on: its source and its destinations are built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from haechi.errors import NotThere
from haechi.events import Reporter
from haechi.i18n import _
from haechi.legs import USUAL, Lies, Rule
from haechi.model import Keep, Promise, RestorePoint
from haechi.operations.destinations.destination import Destination
from haechi.operations.hooks import Hooks
from haechi.schedule import Window
from haechi.sources._base import Source

# Of the points of a service in one destination, those that stay whatever its own rules say: why, by their ids.
Stays = Callable[[Sequence[RestorePoint], str, Reporter], Mapping[str, str]]


@dataclass(frozen=True)
class Onward:
    """A destination that gets its copies from another one, and not from the service."""

    destination: Destination
    source: str | None = None  # by its name; else the first
    by_itself: bool = True  # after each backup; else only when asked, or by a schedule
    move: bool = False  # the copy it is made from goes, once this one has been read back
    hours: Window | None = None  # nothing is begun outside of them


@dataclass(frozen=True)
class Service:
    """Handed to every operation; knows nothing of the plan's syntax."""

    name: str
    kind: str
    source: Source
    destinations: tuple[Destination, ...]
    zone: tzinfo
    keep: Mapping[str, Keep] = field(default_factory=dict)  # by destination
    promise: Promise = field(default_factory=Promise)
    tags: tuple[str, ...] = ()
    checks: Sequence[Mapping[str, Any]] = ()
    hooks: Hooks = field(default_factory=Hooks)
    stays: Stays | None = None  # what sets keep of it
    onward: tuple[Onward, ...] = ()
    lies: Mapping[str, Lies] = field(default_factory=dict)  # by destination
    rule: Rule = USUAL

    @property
    def everywhere(self) -> tuple[Destination, ...]:
        """All that may hold copies: those that backups go to first, then those that are copied to."""
        return (*self.destinations, *(one.destination for one in self.onward))

    def told(self, operation: str, run: str, point: str = "") -> dict[str, str]:
        """What hooks of this operation are told."""
        return {
            "HAECHI_OPERATION": operation,
            "HAECHI_SERVICE": self.name,
            "HAECHI_KIND": self.kind,
            "HAECHI_RUN": run,
            "HAECHI_POINT": point,
        }

    def destination(self, name: str | None) -> Destination:
        """The one of this name, or the first."""
        if name is None:
            return self.destinations[0]
        for destination in self.everywhere:
            if name in (destination.name, destination.name.split(".", 1)[-1]):
                return destination
        raise NotThere(
            _("The service “{service}” keeps no copy in “{name}”.").format(service=self.name, name=name),
            hint=_("Its copies lie in: {names}").format(names=", ".join(d.name for d in self.everywhere)),
        )


@dataclass(frozen=True)
class PlanRecord:
    """The plan as it stood, kept with every restore point: the vault alone must explain itself."""

    text: str
    digest: str
