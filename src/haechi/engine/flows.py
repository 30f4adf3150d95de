"""What a run is: a durable workflow. Each step's result is kept, so a run that was broken off goes on behind the last
step that came to its end.

A step that had begun may have done its work without anybody knowing. So the capture first looks whether the point is
there already: points carry the id of their run. Copying and retention find what is left to do by themselves, and
telling people twice is better than not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from dbos import DBOS

from haechi import __version__, clock
from haechi.engine import wire
from haechi.engine.crew import Crew
from haechi.engine.hand import stopped
from haechi.engine.handing import Parent, while_it_lasts
from haechi.engine.ledger import Ledger
from haechi.errors import JournalUnavailable

VERSION = "1"  # of these workflows: raised when a run that was begun by the older ones could not go on

_LOOK = 0.5  # seconds between two tries to have a subject to oneself


@dataclass(frozen=True)
class Bench:
    """Where the runs of this process are worked on."""

    crew: Crew
    ledger: Ledger
    worker: str
    together: Callable[[], int | None]


_bench: Bench
Result = dict[str, Any]


def serve(bench: Bench) -> None:
    """Who does the work in this process."""
    global _bench  # noqa: PLW0603 - the library's workflows are functions, and it has one registry of them
    _bench = bench


@DBOS.workflow(name="backup")
def backup(service: str, order: Result) -> Result:
    """Capture, verify, copy onwards, let go, tell."""
    with _alone_with(service) as alone:
        if not alone:
            return {"error": wire.problem_as_data(stopped())}
        done = capture(service, order)
        if "error" not in done:
            for step in (verify, copy, retain):
                done = step(service, done, order)
        return {**done, **tell(service, done, order)}


@DBOS.workflow(name="command")
def command(words: list[str], subject: str, order: Result) -> Result:
    """Any other verb of Haechi's. They can all be begun anew."""
    with _alone_with(subject) as alone:
        return carry_out(words, order) if alone else {"error": wire.problem_as_data(stopped())}


@DBOS.workflow(name="errand")
def errand(what: str, subject: str, order: Result) -> Result:
    """What a person wants done with one service besides a backup. It can be begun anew, too."""
    with _alone_with(subject) as alone:
        return run_errand(what, subject, order) if alone else {"error": wire.problem_as_data(stopped())}


@DBOS.workflow(name="portion")
def portion(parent: Result, given: Result) -> Result:
    """Some of what a run of a huge service saves, done by whoever has a place. Its subject is its parent's."""
    run, bench = _run(), _bench
    try:
        with while_it_lasts(Parent(**parent), bench.crew, bench.ledger, run), bench.crew.hand(run):
            return take_portion(given)
    finally:
        bench.crew.put_down(run)


KINDS = {"backup": backup, "command": command, "errand": errand, "portion": portion}


@contextmanager
def _alone_with(subject: str) -> Iterator[bool]:
    """A hand for this run, and its subject to itself: waited for, and given back when the hand has let go of it."""
    run, bench = _run(), _bench
    asked = False
    try:
        with bench.crew.hand(run):
            held = False
            while bench.crew.check(run) and not held:
                asked = True  # it may be ours although the answer was lost
                with suppress(JournalUnavailable):
                    held = bench.ledger.take(subject, run, bench.worker, bench.together())
                if not held:
                    clock.sleep(_LOOK)
            yield held
    finally:
        if asked:
            _give_back(subject, run, bench)
        bench.crew.put_down(run)


def _give_back(subject: str, run: str, bench: Bench) -> None:
    """However long the database is away: a subject that stayed taken would never be backed up again."""
    while True:
        try:
            bench.ledger.give_back(subject, run, bench.worker)
        except JournalUnavailable:
            if (
                bench.crew.is_leaving()
            ):  # then the worker's name is cleared when it starts again, or is buried
                return
            clock.sleep(_LOOK)
        else:
            return


def _begin(run: str) -> bool:
    """Whether this run begins for the first time."""
    while True:
        try:
            return _bench.ledger.begin(run)
        except JournalUnavailable:
            if not _bench.crew.check(run):
                return False
            clock.sleep(_LOOK)


@DBOS.step(name="capture")
def capture(service: str, order: Result) -> Result:
    again = not _begin(_run())
    return _bench.crew.ask(_run(), "capture", service=service, order=order, again=again, beside=_beside())


def _beside() -> list[str]:
    """The other workers that there are, as far as is known."""
    with suppress(JournalUnavailable):
        others = [one for one in _bench.ledger.colleagues() if one.name != _bench.worker]
        return [one.name for one in others if one.version == __version__]
    return []


@DBOS.step(name="verify")
def verify(service: str, done: Result, order: Result) -> Result:
    """The capture has looked at its copies; those of a capture that was broken off are looked at now."""
    return (
        done
        if done.get("looked")
        else _bench.crew.ask(_run(), "verify", service=service, done=done, order=order)
    )


@DBOS.step(name="copy")
def copy(service: str, done: Result, order: Result) -> Result:
    return _bench.crew.ask(_run(), "copy", service=service, done=done, order=order)


@DBOS.step(name="retain")
def retain(service: str, done: Result, order: Result) -> Result:
    return _bench.crew.ask(_run(), "retain", service=service, done=done, order=order)


@DBOS.step(name="tell")
def tell(service: str, done: Result, order: Result) -> Result:
    return _bench.crew.ask(_run(), "tell", service=service, done=done, order=order)


@DBOS.step(name="carry out")
def carry_out(words: list[str], order: Result) -> Result:
    return _bench.crew.ask(_run(), "command", words=words, order=order)


@DBOS.step(name="run errand")
def run_errand(what: str, subject: str, order: Result) -> Result:
    return _bench.crew.ask(_run(), "errand", errand=what, subject=subject, order=order)


@DBOS.step(name="take portion")
def take_portion(given: Result) -> Result:
    done = _bench.crew.ask(_run(), "portion", order={}, **given)
    if "error" in done:  # whoever reads it is at another host
        done["error"]["message"] = f"{_bench.worker}: {done['error']['message']}"
    return done


def _run() -> str:
    run = DBOS.workflow_id
    assert run is not None
    return run
