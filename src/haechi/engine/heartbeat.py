"""Signs of life, and what is done when they cease: the work of a dead worker goes to the others.

No two hosts' clocks agree, so beats are counted: dead is whose count has stood still for a lease, by the watcher's
own clock. A worker that could not write its own beats for most of a lease lets go of what it has in hand, for the
others are about to take it. That is watched by a thread that asks nobody anything: the one that beats may itself be
waiting for an answer that never comes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from haechi import __version__, clock
from haechi.engine.crew import Crew
from haechi.engine.ledger import Colleague, Ledger, Standing
from haechi.i18n import _
from haechi.operations.watching.workers import numbers

LEASE = 60.0  # seconds without a sign of life after which a worker counts as dead
_PER_LEASE = 12  # beats
_OWN_END = 0.6  # of a lease, after which a worker that cannot reach the database lets go

Tell = Callable[[str], None]


class Runs(Protocol):
    """Where runs are put back into the queues."""

    def take_over(self, living: set[str]) -> None:
        """Those that are in nobody's hands: of workers that are not among these."""

    def take_up(self, runs: set[str]) -> None:
        """Those that this worker has let go of, where they are still its own."""


class Heartbeat:
    """Of one worker; in threads of its own."""

    def __init__(
        self, name: str, mark: str, crew: Crew, ledger: Ledger, runs: Runs, tell: Tell, lease: float = LEASE
    ):
        self._name = name
        self._mark = mark
        self._crew = crew
        self._ledger = ledger
        self._runs = runs
        self._tell = tell
        self._lease = lease
        self._seen: dict[str, tuple[int, float]] = {}
        self._told: set[tuple[str, str]] = set()
        self._over = threading.Event()
        self._last = self._swept = clock.monotonic()
        self._put_down: set[str] = set()
        self.replaced = False  # by another worker of this name: this one has ended its work

    def start(self) -> None:
        for live in (self._live, self._let_go_in_time):
            threading.Thread(target=live, daemon=True, name="heartbeat").start()

    def stop(self) -> None:
        self._over.set()

    def _live(self) -> None:
        while not self._over.wait(self._lease / _PER_LEASE):
            try:
                self._beat()
            except Exception:  # whatever it is: without beats this worker counts as dead
                continue  # until it works again the other thread watches the time

    def _beat(self) -> None:
        began = clock.monotonic()
        match self._ledger.beat(self._name, __version__, self._mark):
            case Standing.REPLACED:
                self._crew.leave()
                self.replaced = True
                self._over.set()
                return
            case Standing.BURIED:
                self._tell(_("The others took this worker for dead: what it had is theirs."))
                # Its programs may take their time to end, and meanwhile it must go on beating.
                threading.Thread(target=self._crew.let_go, daemon=True, name="letting go").start()
        self._last = began
        self._obey()
        self._look_round()
        self._put_down |= self._crew.to_take_up()
        if self._put_down:
            self._runs.take_up(self._put_down)
            self._put_down = set()

    def _let_go_in_time(self) -> None:
        """Once for each time that it is cut off."""
        told: float | None = None
        while not self._over.wait(self._lease / _PER_LEASE):
            last = self._last
            if last != told and clock.monotonic() - last > self._lease * _OWN_END:
                told = last
                if self._crew.busy:
                    self._tell(
                        _("The database has been out of reach for long: what is under way here is let go of.")
                    )
                self._crew.let_go()

    def _obey(self) -> None:
        """End what somebody elsewhere wants ended."""
        if busy := self._crew.busy:
            for run in self._ledger.cancelled() & set(busy):
                self._crew.stop(run)

    def _look_round(self) -> None:
        now = clock.monotonic()
        colleagues = self._ledger.colleagues()
        names = {one.name for one in colleagues}
        buried = {one.name for one in colleagues if one.name != self._name and self._is_dead(one, now)}
        left = self._seen.keys() - names  # in good order, or buried by another
        for name in left:
            del self._seen[name]
        # Whoever buries one may die before it has put back what that one had: so all look, now and then.
        if buried or left or now - self._swept > self._lease:
            self._runs.take_over(names - buried | {self._name})
            self._swept = now

    def _is_dead(self, one: Colleague, now: float) -> bool:
        """Whether it is, and was buried just now."""
        beats, since = self._seen.get(one.name, (-1, now))
        if one.beats != beats:
            self._seen[one.name] = (one.beats, now)
            self._compare(one)
        elif now - since > self._lease and self._ledger.bury(one):
            del self._seen[one.name]
            self._tell(_("The worker on {host} is silent; others take what it had.").format(host=one.name))
            return True
        return False

    def _compare(self, other: Colleague) -> None:
        """An old version among newer ones is told of, on both sides, once."""
        theirs, ours = numbers(other.version), numbers(__version__)
        if theirs == ours or (other.name, other.version) in self._told:
            return
        self._told.add((other.name, other.version))
        words = {"host": other.name, "theirs": other.version, "ours": __version__}
        if theirs > ours:
            self._tell(
                _("{host} has Haechi {theirs} and this host {ours}: upgrade this one.").format(**words)
            )
        else:
            self._tell(
                _("{host} has Haechi {theirs} and this host {ours}: upgrade that one.").format(**words)
            )
