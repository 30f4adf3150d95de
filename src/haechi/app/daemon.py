"""The daemon's life: it begins, looks every second what is due and whether the plan has changed, and ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Protocol

from haechi import clock
from haechi.app import figures, logs, serving
from haechi.app.home import Home
from haechi.engine import readiness
from haechi.engine.door import Door
from haechi.engine.scheduler import Scheduler
from haechi.engine.timetable import Duty, Timetable
from haechi.engine.worker import ANYWHERE, Worker, working
from haechi.errors import HaechiError
from haechi.events import SILENT
from haechi.i18n import _, plural
from haechi.notify._base import Line

_CARE = 3600.0  # seconds between two looks for what is old
_KEPT = timedelta(days=90)


class View(Protocol):
    """The way to the person, or to the system's log."""

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


def run(home: Home, view: View, *, name: str | None = None, schedules: bool = True) -> None:
    """Until Ctrl-C or a termination signal; without schedules it only does what others have started. Raises
    VaultLocked, DriverMissing, JournalUnavailable."""
    view = logs.beside(view, home)
    with working(serving.post(home, name), serving.outfit(home), view.warn) as worker:
        watch = serving.Watch(home)
        scheduler = Scheduler(_timetable(home, worker, schedules), worker.ledger, _starter(worker))
        try:
            with Door(worker, lambda: watch.home.plan.digest).open(), _figures(watch, view):
                _begun(view, worker, scheduler)
                _live(watch, worker, scheduler, view, schedules)
        except KeyboardInterrupt:
            readiness.notify("STOPPING=1")
            left = worker.leave()
        except HaechiError:
            worker.leave()
            raise
        _ended(view, left)


def _timetable(home: Home, worker: Worker, schedules: bool) -> Timetable:
    """What belongs to no service stays on this host, if the plan gives it a name to be asked by."""
    return serving.timetable(home, schedules, worker.post.near[0] if worker.post.near else ANYWHERE)


def _starter(worker: Worker) -> Callable[[str, Duty], None]:
    def start(run: str, duty: Duty) -> None:
        worker.supersede(run)
        if duty.words[0] == "backup":
            worker.submit(run, duty.subject, "backup", duty.subject, {}, at=duty.at)
        else:
            worker.submit(run, duty.subject, "command", list(duty.words), duty.subject, {}, at=duty.at)

    return start


@contextmanager
def _figures(watch: serving.Watch, view: View) -> Iterator[None]:
    """For Prometheus, where the plan wants it. That nobody can listen there keeps no backup from being taken."""
    with ExitStack() as stack:
        if (address := watch.home.plan.server.metrics) is not None:
            try:
                host, port = stack.enter_context(figures.listening(lambda: watch.home, address))
                view.note(_("Metrics: http://{address}/metrics").format(address=f"{host}:{port}"))
            except HaechiError as problem:
                view.warn(problem.message)
        yield


def _begun(view: View, worker: Worker, scheduler: Scheduler) -> None:
    readiness.notify("READY=1", "STATUS=" + _("Following the plan."))
    count = len(scheduler.timetable.duties)
    view.note(
        plural(
            "Ready: {count} thing is done by itself.", "Ready: {count} things are done by themselves.", count
        )
        if count
        else _("Ready: doing what others start.")
    )
    if pending := worker.pending():
        view.note(_("Going on with: {runs}").format(runs=", ".join(pending)))


def _live(watch: serving.Watch, worker: Worker, scheduler: Scheduler, view: View, schedules: bool) -> None:
    cared = float("-inf")
    while True:
        worker.stand()
        if watch.look():
            _take_up(watch, worker, scheduler, view, schedules)
        # Whatever is wrong with a database now, the daemon is there when it is right again.
        try:
            for started in scheduler.tick():
                view.note(_("Started: {run}").format(run=started))
            if clock.monotonic() - cared > _CARE:
                cared = clock.monotonic()
                _care(watch.home, worker)
        except HaechiError as problem:
            view.warn(problem.message)
            clock.sleep(10.0)
        readiness.notify("WATCHDOG=1")
        clock.sleep(1.0)


def _take_up(watch: serving.Watch, worker: Worker, scheduler: Scheduler, view: View, schedules: bool) -> None:
    if watch.problem is not None:
        text = _("The plan has been changed and has mistakes; the one from before stays in force.")
        view.warn(f"{text}\n{watch.problem.message}")
        line = Line("failure", watch.home.plan.name, text, "haechi plan check")
        watch.home.teller.tell([line], SILENT)
        return
    worker.crew.outfit = serving.outfit(watch.home)
    worker.together = watch.home.plan.server.together
    worker.room.parallel = serving.post(watch.home, worker.post.name).parallel
    scheduler.follow(_timetable(watch.home, worker, schedules))
    view.note(_("The plan has changed and is followed."))


def _care(home: Home, worker: Worker) -> None:
    keep = home.plan.server.journal_keep
    worker.forget(keep or _KEPT)
    if keep is not None:
        home.journal.prune(clock.now() - keep)


def _ended(view: View, left: list[str]) -> None:
    if left:
        view.note(_("Broken off, and going on when it starts again: {runs}").format(runs=", ".join(left)))
    else:
        view.note(_("Ended; nothing was under way."))
