"""What a run is: a durable workflow. Each step's result is kept, so a run that was broken off goes on behind the last
step that came to its end.

A step that had begun may have done its work without anybody knowing. So the capture first looks whether the point is
there already: points carry the id of their run. Copying and retention find what is left to do by themselves, and
telling people twice is better than not at all.
"""

from __future__ import annotations

from typing import Any

from dbos import DBOS

from haechi.engine.crew import Crew
from haechi.engine.ledger import Ledger

VERSION = "1"  # of these workflows: raised when a run that was begun by the older ones could not go on

_crew: Crew
_ledger: Ledger
Result = dict[str, Any]


def serve(crew: Crew, ledger: Ledger) -> None:
    """Who does the work in this process."""
    global _crew, _ledger  # the library's workflows are functions, and it has one registry
    _crew, _ledger = crew, ledger


@DBOS.workflow(name="backup")
def backup(service: str, order: Result) -> Result:
    """Capture, verify, copy onwards, let go, tell."""
    with _crew.hand(_run()):
        done = capture(service, order)
        if "error" not in done:
            for step in (verify, copy, retain):
                done = step(service, done, order)
        told = tell(service, done, order)
        return {**done, "told": told}


@DBOS.step(name="capture")
def capture(service: str, order: Result) -> Result:
    again = not _ledger.begin(_run())
    return _crew.ask(_run(), "capture", service=service, order=order, again=again)


@DBOS.step(name="verify")
def verify(service: str, done: Result, order: Result) -> Result:
    """The capture has looked at its copies; those of a capture that was broken off are looked at now."""
    return (
        done if done.get("looked") else _crew.ask(_run(), "verify", service=service, done=done, order=order)
    )


@DBOS.step(name="copy")
def copy(service: str, done: Result, order: Result) -> Result:
    return _crew.ask(_run(), "copy", service=service, done=done, order=order)


@DBOS.step(name="retain")
def retain(service: str, done: Result, order: Result) -> Result:
    return _crew.ask(_run(), "retain", service=service, done=done, order=order)


@DBOS.step(name="tell")
def tell(service: str, done: Result, order: Result) -> Result:
    return _crew.ask(_run(), "tell", service=service, done=done, order=order)


@DBOS.workflow(name="command")
def command(words: list[str], order: Result) -> Result:
    """Any other verb of Haechi's. They can all be begun anew."""
    with _crew.hand(_run()):
        return carry_out(words, order)


@DBOS.step(name="carry out")
def carry_out(words: list[str], order: Result) -> Result:
    return _crew.ask(_run(), "command", words=words, order=order)


def _run() -> str:
    run = DBOS.workflow_id
    assert run is not None
    return run
