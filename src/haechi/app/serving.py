"""The daemon, put together from the plan: what is due, who does it, and what happens when the plan changes."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from pathlib import Path

from haechi.app import jobs, scenario_drills
from haechi.app.home import Home
from haechi.engine.database import Database
from haechi.engine.hand import Outfit
from haechi.engine.heartbeat import LEASE
from haechi.engine.ledger import ALL, Ledger
from haechi.engine.timetable import Duty, Timetable
from haechi.engine.worker import ANYWHERE, Post
from haechi.errors import HaechiError, JournalUnavailable
from haechi.i18n import _
from haechi.plan.load import load


def timetable(home: Home, schedules: bool = True, here: str = ANYWHERE) -> Timetable:
    """The plan's jobs, one for each service: one that takes long keeps no other waiting, and each is done where its
    service is near and nobody else works on it. What belongs to no service is done `here`: whoever looks for alarms
    remembers on that host what has been told."""
    duties = []
    for job in jobs.every(home) if schedules else ():
        if job.words[0] in ("backup", "verify"):
            names = list(takewhile(lambda word: not word.startswith("-"), job.words[1:]))
            rest = job.words[1 + len(names) :]
            duties += [Duty((job.words[0], n, *rest), n, job.schedule, near(home, n)) for n in names]
        else:
            subject = _subject(job.words)
            at = here if subject == job.words[0] else near(home, subject)
            duties.append(Duty(job.words, subject, job.schedule, at))
    server = home.plan.server
    return Timetable(tuple(duties), home.zone, server.spread, tuple(server.blackout))


def near(home: Home, subject: str) -> str:
    """The host or label whose workers take it; a set or scenario goes with its first service that says one."""
    plan = home.plan
    members: Sequence[str] = (subject,)
    if subject.startswith("set:"):
        members = plan.sets[subject.removeprefix("set:")].of
    elif subject.startswith("scenario:"):
        order = scenario_drills.levels(home, plan.scenarios[subject.removeprefix("scenario:")])
        members = [name for beside in order for name in beside]
    said = (plan.services[name].worker for name in members if name in plan.services)
    return next((worker for worker in said if worker), ANYWHERE)


def post(home: Home, name: str | None = None) -> Post:
    name = name or socket.gethostname()
    host = home.plan.hosts.get(name)
    return Post(
        name,
        home.state,
        Database.of(home.state, home.plan.journal_url),
        (host and host.parallel) or home.plan.parallel,
        home.plan.server.together,
        (name, *host.labels) if host else (),
        lease(home).total_seconds(),
    )


def lease(home: Home) -> timedelta:
    """After how long a silent worker counts as dead."""
    return home.plan.server.lease or timedelta(seconds=LEASE)


def ledger(home: Home) -> Ledger:
    """For commands beside the daemon; it is there whether one runs or not."""
    return Ledger(Database.of(home.state, home.plan.journal_url).engine)


@contextmanager
def looking(home: Home) -> Iterator[Ledger | None]:
    """The same for whoever only looks: looking makes nothing, and of a database that is away nothing is known."""
    database = Database.of(home.state, home.plan.journal_url)
    with ExitStack() as stack:
        ledger = None
        if database.is_shared or (home.state / "engine.sqlite").exists():
            with suppress(JournalUnavailable):
                stack.callback(database.engine.dispose)
                ledger = Ledger(database.engine)
        yield ledger


def paused(home: Home) -> list[str]:
    """What is not done by itself just now."""
    with looking(home) as ledger, suppress(JournalUnavailable):
        return [_("everything") if name == ALL else name for name in (ledger.pauses() if ledger else ())]
    return []


def outfit(home: Home) -> Outfit:
    """What the processes that do the work are started with."""
    document = home.plan.document
    return Outfit(
        (sys.executable, "-m", "haechi.app.hand"), str(Path(document.path).absolute()), document.text
    )


@dataclass
class Watch:
    """Looks whether the plan has changed. A broken one is told of once, and the old one stays."""

    home: Home
    problem: HaechiError | None = None
    _seen: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        self._seen = self._state()

    def look(self) -> bool:
        """Whether there is a new plan, or a new complaint about it."""
        state = self._state()
        if state == self._seen:
            return False
        self._seen = state
        try:
            home = Home(load(self.home.plan.path))
        except HaechiError as problem:
            self.problem = problem
            return True
        self.problem = None
        if home.plan.digest == self.home.plan.digest:
            return False
        self.home = home
        return True

    def _state(self) -> tuple[int, int, int] | None:
        try:
            found = self.home.plan.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _subject(words: tuple[str, ...]) -> str:
    """“set:erp” for `set backup erp`, the service for all else, “alarms” for what has none."""
    if words[0] == "set":
        return f"set:{words[2]}"
    return words[1] if len(words) > 1 and not words[1].startswith("-") else words[0]
