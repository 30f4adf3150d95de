"""Signs of life, and what is done when they cease: the work of a dead worker goes to the others.

No two hosts' clocks agree, so beats are counted: dead is whose count has stood still for a lease, by the watcher's
own clock. A worker that could not write its own beats for most of a lease ends what it has in hand, for the others
are about to take it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from haechi import __version__, clock
from haechi.engine.crew import Crew
from haechi.engine.ledger import Colleague, Ledger
from haechi.errors import HaechiError
from haechi.i18n import _
from haechi.journal import liveness

LEASE = 60.0  # seconds without a sign of life after which a worker counts as dead
_PER_LEASE = 12  # beats
_OWN_END = 0.6  # of a lease, after which a worker that cannot reach the database lets go

Tell = Callable[[str], None]


class Heartbeat:
    """Of one worker; in a thread of its own."""

    def __init__(
        self,
        name: str,
        crew: Crew,
        ledger: Ledger,
        take_over: Callable[[str], None],
        tell: Tell,
        lease: float = LEASE,
    ):
        self._name = name
        self._crew = crew
        self._ledger = ledger
        self._take_over = take_over
        self._tell = tell
        self._lease = lease
        self._mark = liveness.mark()
        self._seen: dict[str, tuple[int, float]] = {}
        self._told: set[str] = set()
        self._over = threading.Event()
        self._last = clock.monotonic()

    def start(self) -> None:
        """The first sign of life is given at once. Raises JournalUnavailable."""
        self._ledger.beat(self._name, __version__, self._mark)
        threading.Thread(target=self._live, daemon=True, name="heartbeat").start()

    def stop(self) -> None:
        self._over.set()

    def _live(self) -> None:
        while not self._over.wait(self._lease / _PER_LEASE):
            try:
                self._ledger.beat(self._name, __version__, self._mark)
                self._last = clock.monotonic()
                self._obey()
                self._look_round()
            except HaechiError:
                self._let_go_in_time()

    def _let_go_in_time(self) -> None:
        if clock.monotonic() - self._last > self._lease * _OWN_END:
            for run in self._crew.busy:
                self._crew.stop(run)

    def _obey(self) -> None:
        """End what somebody elsewhere wants ended."""
        if busy := self._crew.busy:
            for run in self._ledger.cancelled() & set(busy):
                self._crew.stop(run)

    def _look_round(self) -> None:
        now = clock.monotonic()
        for one in self._ledger.colleagues():
            if one.name == self._name:
                continue
            beats, since = self._seen.get(one.name, (-1, now))
            if one.beats != beats:
                self._seen[one.name] = (one.beats, now)
                self._compare(one)
            elif now - since > self._lease and self._ledger.bury(one):
                del self._seen[one.name]
                self._tell(
                    _("The worker on {host} is silent; others take what it had.").format(host=one.name)
                )
                with suppress(HaechiError):
                    self._take_over(one.name)

    def _compare(self, other: Colleague) -> None:
        """An old version among newer ones is told of, once."""
        if _numbers(other.version) > _numbers(__version__) and other.version not in self._told:
            self._told.add(other.version)
            self._tell(
                _("{host} has Haechi {theirs} and this host {ours}: upgrade this one.").format(
                    host=other.name, theirs=other.version, ours=__version__
                )
            )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
