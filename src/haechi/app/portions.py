"""Processes that take portions of a huge service, as the engine's hands are started: asked in lines of JSON.

In a run of a fleet some of these hands are other workers': their portions go through the queues. What no worker
begins with in time, or cannot do, a process of this host does after all. So a run never waits for a place that only
other waiting runs could give up, and a host that lacks a key keeps nothing from being saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from haechi.errors import HaechiError, SourceChanged
from haechi.i18n import _
from haechi.operations.destinations.many_hands import Hired, Task

if TYPE_CHECKING:
    from haechi.app.home import Home


@dataclass(frozen=True)
class Beside:
    """The other workers that may take portions of a run, as it begins."""

    run: str
    at: str
    workers: int


def beside(home: Home, run: str, service: str, names: Sequence[str]) -> Beside | None:
    """Of the workers of these names, those to whom the service is near; None where there are none."""
    from haechi.app.serving import near
    from haechi.engine.worker import ANYWHERE

    at, hosts = near(home, service), home.plan.hosts
    labels = {name: hosts[name].labels if name in hosts else () for name in names}
    fit = [name for name in names if at in (ANYWHERE, name, *labels[name])]
    return Beside(run, at, len(fit)) if fit else None


@dataclass(frozen=True)
class Hiring:
    """Satisfies `many_hands.Hire`: the hands are dealt out evenly, beginning with this host."""

    home: Home

    @property
    def elsewhere(self) -> bool:
        return self.home.beside is not None

    def __call__(self, number: int) -> Hired:
        found = self.home.beside
        if found and number % (found.workers + 1):
            return AwayHand(self.home, found)
        return PortionHand(self.home)


class PortionHand:
    """Satisfies `many_hands.Hired`: a process of this host."""

    def __init__(self, home: Home):
        from haechi.app.serving import outfit
        from haechi.engine.hand import Hand

        self._hand = Hand(outfit(home), self._hear)
        self._told: dict[int, int] = {}
        self._task: Task | None = None

    def take(self, task: Task) -> Mapping[str, Any]:
        from haechi.engine import wire

        self._task, self._told = task, {}
        said = self._hand.ask("portion", order={}, **task.plain, path=str(task.portion.path))
        if "error" in said:
            raise wire.problem(said["error"])
        return said

    def stop(self) -> None:
        self._hand.stop()

    def close(self) -> None:
        self._hand.close()

    def _hear(self, said: Mapping[str, Any]) -> None:
        """We wait for the bytes of all its steps."""
        if said["event"] == "StepAdvanced" and self._task:
            step, done = int(said["step"]), int(said["done"])
            self._task.step.advance(max(0, done - self._told.get(step, 0)))
            self._told[step] = max(done, self._told.get(step, 0))


class AwayHand:
    """Satisfies `many_hands.Hired`: whichever other worker has time."""

    def __init__(self, home: Home, found: Beside):
        from haechi.engine.handing import Handed

        self._home = home
        self._found = found
        self._stays = False  # the others cannot do it
        self._doubts = 0  # how often they did not see what is here
        self._here = PortionHand(home)
        self._away = Handed(home.state)

    def take(self, task: Task) -> Mapping[str, Any]:
        if not (self._stays or task.portion.stays):
            try:
                said = self._elsewhere(task)
            except HaechiError as problem:
                if self._away.stopped:
                    raise
                self._doubts += 1
                # One portion that has changed is no reason to keep all others here.
                self._stays = self._doubts > 1 or not isinstance(problem, SourceChanged)
                task.step.reporter.warn(
                    _("{service}: a portion is done on this host after all. {reason}").format(
                        service=task.service, reason=f"{problem.message} {problem.hint}".rstrip()
                    )
                )
            else:
                if said is not None:
                    return said
        return self._here.take(task)

    def stop(self) -> None:
        self._away.stop()
        self._here.stop()

    def close(self) -> None:
        self._away.stop()
        self._here.close()

    def _elsewhere(self, task: Task) -> Mapping[str, Any] | None:
        """None if no worker has begun with it."""
        from haechi.operations.destinations import aside

        vault = self._home.vault(task.vault.removeprefix("vault."))
        laid = aside.lay_aside(vault, task.portion.path)
        said = self._away.ask(self._found.run, task.service, self._found.at, {**task.plain, "aside": laid})
        if said is None:
            return None
        found = aside.taken_up(vault, said)
        task.portion.believe(found["report"])
        task.step.advance(task.portion.size)
        return found
