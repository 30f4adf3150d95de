"""Tries the throwaways of a drill: starts the application against them, and asks whether it is well."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from haechi import process
from haechi.credentials import Secret
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.i18n import _
from haechi.operations.checks import Check
from haechi.operations.stacks import application
from haechi.operations.stacks.stack import Trial
from haechi.operations.stacks.surroundings import APP, Found, brought_in, environment
from haechi.places._apart import LOOPBACK, Apart, apart
from haechi.sources._base import Address, Comparison, Rehearsed

Staging = Callable[[str, str, str, Reporter], AbstractContextManager[Reporter]]


@dataclass
class Tried:
    """What came of it. `apart`: the application could reach nothing but what was brought to it."""

    apart: bool = False
    kept_out: Sequence[str] = ()  # members whose throwaways it was not let near
    answers: list[Comparison] = field(default_factory=list)
    problem: HaechiError | None = None

    @property
    def good(self) -> bool:
        return self.problem is None and all(answer.equal for answer in self.answers)


@dataclass(frozen=True)
class _Bench:
    """Where one trial is made."""

    throwaways: Mapping[str, Rehearsed]
    room: Path
    reporter: Reporter
    stage: Staging


def carry_out(
    trial: Trial,
    throwaways: Mapping[str, Rehearsed],
    room: Path,
    reporter: Reporter,
    stage: Staging,
) -> Tried:
    """Start it, ask every check, and end it again. What does not go well is a result."""
    bench, tried = _Bench(throwaways, room, reporter, stage), Tried()
    try:
        with ExitStack() as stack:
            network = stack.enter_context(apart(room))
            found = _start(trial, bench, network, tried, stack)
            for build in trial.checks:
                _ask(build, trial.of, found, bench, tried)
    except HaechiError as problem:
        if process.interrupted():
            raise
        tried.problem = problem
    return tried


def _start(trial: Trial, bench: _Bench, network: Apart, tried: Tried, stack: ExitStack) -> Found:
    """The application, if there is one, and what its checks find."""
    tried.apart = network.closed
    addresses, tried.kept_out = brought_in(bench.throwaways, network)
    for service in tried.kept_out:
        bench.reporter.warn(
            _(
                "“{service}” came back on a server that is in use, or where no network leads: the application is not "
                "let near it. Name another place with `into`."
            ).format(service=service)
        )
    app = trial.application
    if app:
        host, port = LOOPBACK, app.port or application.free_port()
        addresses[APP] = Address(url=Secret(f"http://{host}:{port}"), host=host, port=port)
    env = environment(trial.of, addresses, trial.env)
    place = application.Inside(network, env, (app.directory if app else None) or str(bench.room))
    if app:
        with bench.stage("application", trial.of, _("Starting the application"), bench.reporter):
            at = network.bring_out(port)
            stack.enter_context(application.started(app, place, addresses, at))
    return Found(addresses, bench.throwaways, place)


def _ask(build: Callable[[Found], Check], of: str, found: Found, bench: _Bench, tried: Tried) -> None:
    """One check. What cannot be asked does not hold."""
    what = _("a check")
    try:
        check = build(found)
        what = check.question.what
        title = _("Checking {what}").format(what=what)
        with bench.stage("check", of, title, bench.reporter):
            tried.answers.append(check.question.ask(check.deadline))
    except HaechiError as problem:
        if process.interrupted():
            raise
        tried.answers.append(Comparison(what, _("an answer"), problem.message))
