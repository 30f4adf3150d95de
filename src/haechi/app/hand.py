"""The process that does the steps of one run for the engine: `python -m haechi.app.hand`.

The first line of its input is the plan, each further one a step to be done; it answers with events and a result, a
line each. The end of its input is the end of its work; in the middle of a step it means that nobody waits any more.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from haechi import clock, i18n, process, signals
from haechi.app import accepted, logs, traces
from haechi.app.home import Home
from haechi.engine import caller, wire
from haechi.engine.hand import PATIENCE, stopped
from haechi.errors import HaechiError, Status, VaultLocked
from haechi.events import Event, Reporter
from haechi.garbage import collect_seldom
from haechi.i18n import _
from haechi.operations.backup import BackedUp
from haechi.operations.desk import Desk
from haechi.operations.service import Service

_PATIENCE = 900.0  # seconds to wait for another haechi that works on the same service

T = TypeVar("T")
Asked = Mapping[str, Any]
Answer = dict[str, Any]


class Voice:
    """Says what happens on the pipe that was standard output."""

    def __init__(self, pipe: BinaryIO):
        self._pipe = pipe
        self._lock = threading.Lock()

    def hear(self, event: Event) -> None:
        self.say(wire.event_as_data(event))

    def say(self, said: Mapping[str, Any]) -> None:
        with self._lock, suppress(BrokenPipeError):
            self._pipe.write(wire.line(said))
            self._pipe.flush()


def main() -> int:
    collect_seldom()
    # What a library prints must not come between our lines.
    voice = Voice(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    os.environ[caller.WITHIN] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us, and is passed on
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    try:
        with signals.heard(process.interrupt, signal.SIGTERM):
            _work(voice, asked)
    except KeyboardInterrupt:
        return 128 + signal.SIGTERM
    return 0


def _work(voice: Voice, asked: queue.SimpleQueue[bytes]) -> None:
    home = _home(json.loads(asked.get()))
    log = logs.of(home)
    spans = traces.beside(Reporter(voice), home)
    heard = Reporter(voice, *(one for one in (log, spans) if one is not None))
    try:
        while line := asked.get():
            voice.say(_do(home, json.loads(line), heard))
    finally:
        if spans is not None:
            spans.close()


def _listen(asked: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        asked.put(line)
        _waiting.clear()
    asked.put(b"")
    if not _waiting.is_set():  # in the middle of a step
        os.kill(os.getpid(), signal.SIGTERM)


_waiting = threading.Event()
_waiting.set()


def _home(plan: Asked) -> Home:
    from haechi.plan.load import loads

    i18n.use(i18n.from_environment(), chosen=False)
    return Home(loads(plan["text"], plan["path"]))


def _do(home: Home, asked: Asked, reporter: Reporter) -> Answer:
    order = asked["order"]
    if order.get("language"):
        i18n.use(order["language"])
    of = asked.get("service") or asked.get("subject")
    try:  # whoever asked may have asked for several at once
        return _STEPS[asked["do"]](home, asked, reporter.about(of) if of else reporter)
    except KeyboardInterrupt:
        return {"error": wire.problem_as_data(stopped())}
    except HaechiError as problem:
        return {"error": wire.problem_as_data(problem)}
    except Exception as surprise:  # whoever asked cannot read a traceback
        defect = HaechiError(f"{type(surprise).__name__}: {surprise}")
        return {"error": wire.problem_as_data(defect) | {"code": "defect"}}
    finally:
        _waiting.set()


def _capture(home: Home, asked: Asked, reporter: Reporter) -> Answer:
    from haechi.operations.backup import back_up

    service, order = home.service(asked["service"]), asked["order"]
    mark = f"run:{asked['run']}"
    if asked["again"]:
        found = _patiently(lambda: _made_before(service, home.desk, mark, reporter), service.name, reporter)
    else:
        found = None
    if found is not None:
        return {**wire.backed_up_as_data(found), "looked": False}
    if others := asked.get("beside"):
        from haechi.app import portions

        home.beside = portions.beside(home, asked["run"], service.name, others)
    tags = (*order.get("tags", ()), mark)
    done = _patiently(
        lambda: back_up(service, home.desk, reporter, tags=tags, retention=False), service.name, reporter
    )
    return {**wire.backed_up_as_data(done), "looked": True}


def _made_before(service: Service, desk: Desk, mark: str, reporter: Reporter) -> BackedUp | None:
    """The point that this run made before it was broken off, once whoever was making it has ended. Nobody has
    compared it with those before it, so old points stay."""
    from haechi.operations import locate

    with desk.alone_with(service.name):
        for point in locate.gather(service.destinations, service.name, reporter):
            if mark in point.tags:
                desk.journal.record_point(point)
                size = sum(copy.size for copy in point.copies)
                return BackedUp(point, bytes_read=point.size, bytes_stored=size, usual=False)
    return None


def _patiently(work: Callable[[], T], name: str, reporter: Reporter) -> T:
    """Whoever works on the service now, a restore or what is left of a daemon that was killed, comes to its end."""
    until = clock.monotonic() + _PATIENCE
    told = False
    while True:
        try:
            return work()
        except VaultLocked as problem:
            if clock.monotonic() > until:
                raise
            if not told:
                reporter.note(_("{service}: waiting. {reason}").format(service=name, reason=problem.message))
                told = True
            clock.sleep(1.0)


def _verify(home: Home, asked: Asked, reporter: Reporter) -> Answer:
    from haechi.operations import verify

    done = wire.backed_up(asked["done"])
    service = home.service(asked["service"])
    seen = verify.verify(service, home.desk, reporter, which=done.point.id, depth="structure")
    problems = {one.where: one.problem for one in seen if one.problem}
    missing = {
        destination.name: HaechiError(_("The copy is missing: the run was broken off before it was made."))
        for destination in service.destinations
        if destination.name not in {one.where for one in seen}
    }
    return {
        **asked["done"],
        **wire.backed_up_as_data(replace(done, failed={**done.failed, **missing, **problems})),
    }


def _copy(home: Home, asked: Asked, reporter: Reporter) -> Answer:
    from haechi.operations.protect import bring_onwards

    done = bring_onwards(home.service(asked["service"]), wire.backed_up(asked["done"]), home.desk, reporter)
    return {**asked["done"], **wire.backed_up_as_data(done)}


def _retain(home: Home, asked: Asked, reporter: Reporter) -> Answer:
    from haechi.operations import retain

    done, service = wire.backed_up(asked["done"]), home.service(asked["service"])
    wanted = asked["order"].get("retention", True)
    own = {destination.name for destination in service.destinations}
    if wanted and done.usual and not own & set(done.failed):
        done = replace(done, expired=retain.after_backup(service, home.desk, reporter))
    return {**asked["done"], **wire.backed_up_as_data(done)}


def _tell(home: Home, asked: Asked, reporter: Reporter) -> Answer:
    from haechi.operations.people import news
    from haechi.operations.together import Outcomes

    if not home.plan.notifiers:
        return {"told": False}
    name, done = asked["service"], asked["done"]
    outcomes: Outcomes[BackedUp] = (
        Outcomes({}, {name: wire.problem(done["error"])})
        if "error" in done
        else Outcomes({name: wire.backed_up(done)}, {})
    )
    home.teller.tell(news.of_backups(outcomes, home.desk), reporter)
    return {"told": True}


def _errand(home: Home, asked: Asked, reporter: Reporter) -> Answer:
    from haechi.app import errands

    what, subject = asked["errand"], asked["subject"]
    done = _patiently(lambda: errands.one(home, what, subject, asked["order"], reporter), subject, reporter)
    return {"done": errands.packed(done)}


def _portion(home: Home, asked: Asked, reporter: Reporter) -> Answer:
    from haechi.operations.destinations.aside import deliver_from
    from haechi.operations.destinations.many_hands import deliver

    vault = home.vault(asked["vault"].removeprefix("vault."))
    source, part, parent = home.service(asked["service"]).source, asked["part"], asked["parent"]
    if "aside" in asked:  # of another host
        return deliver_from(vault, source, part, asked["aside"], parent, reporter)
    return deliver(vault, source, part, Path(asked["path"]), parent, reporter)


def _command(home: Home, asked: Asked, _reporter: Reporter) -> Answer:
    """Another verb, as a program of its own; one that is locked out tries again for a while."""
    argv = [sys.executable, "-m", "haechi", "--plan", home.plan.document.path, *asked["words"], "--quiet"]
    env = accepted.environment(home)
    until = clock.monotonic() + _PATIENCE
    while True:
        done = _run(argv, env)
        if done.status != Status.LOCKED or clock.monotonic() > until:
            return {"status": done.status, "said": done.stderr}
        clock.sleep(5.0)


def _run(argv: list[str], env: Mapping[str, str]) -> process.Completed:
    """It is another haechi, and gets the time that it needs to put things away."""
    with process.spared(), process.start(argv, env=env) as running:
        try:
            return process.complete(running, check=False)
        except KeyboardInterrupt:
            running.signal(signal.SIGTERM)
            until = clock.monotonic() + 0.8 * PATIENCE
            while running.is_alive and clock.monotonic() < until:
                clock.sleep(0.05)
            raise


_STEPS: Mapping[str, Callable[[Home, Asked, Reporter], Answer]] = {
    "capture": _capture,
    "verify": _verify,
    "copy": _copy,
    "retain": _retain,
    "tell": _tell,
    "command": _command,
    "errand": _errand,
    "portion": _portion,
}

if __name__ == "__main__":
    sys.exit(main())
