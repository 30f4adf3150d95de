"""Guards a command: a restore point before it, checks after it, and a way back when it goes wrong.

For deploys, migrations and batch jobs. The command does not begin unless every point has been taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from haechi import clock, process
from haechi.errors import GuardFailed, HaechiError, ProgramMissing
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Outcome, RestorePoint
from haechi.operations import checks as asking
from haechi.operations import exchange, restore
from haechi.operations.backup import back_up
from haechi.operations.desk import Desk
from haechi.operations.service import Service
from haechi.places._base import Place
from haechi.process import BUFFER
from haechi.sources._base import Comparison, Exchangeable, Wanted

TAG = "guard"


@dataclass(frozen=True)
class Guarded:
    """A command under guard. `on_failure`: go back by itself, ask, or leave it as it is."""

    name: str
    argv: Sequence[str]
    place: Place
    services: Sequence[Service]
    checks: Sequence[asking.Check] = ()
    on_failure: Literal["offer", "restore", "leave"] = "offer"
    save_after: bool = False
    deadline: float | None = None


@dataclass
class Went:
    """How it went."""

    before: dict[str, RestorePoint] = field(default_factory=dict)
    after: dict[str, RestorePoint] = field(default_factory=dict)
    answers: Sequence[Comparison] = ()
    seconds: float = 0.0  # of the command alone
    problem: HaechiError | None = None
    restored: dict[str, Mapping[str, str]] = field(default_factory=dict)  # what was exchanged, by service

    @property
    def well(self) -> bool:
        return self.problem is None


Ask = Callable[[Went], bool]
Hear = Callable[[bytes], None]


def guard(guarded: Guarded, desk: Desk, reporter: Reporter, *, hear: Hear, ask: Ask) -> Went:
    """Save, run, check, and go back if that is wanted. `hear` gets what the command writes, `ask` decides about an
    offer. Raises only when nothing was run or going back failed; what the command came to is in the result."""
    _look_for(guarded)
    went = Went()
    with desk.run("guard", guarded.name, reporter) as entry:
        for service in guarded.services:
            done = back_up(service, desk, reporter, tags=(TAG, f"{TAG}:{guarded.name}"), retention=False)
            went.before[service.name] = done.point
            done.raise_if_partial()  # with fewer copies than were promised nothing daring begins
        began = clock.monotonic()
        try:
            _run(guarded, entry.reporter, hear)
            went.seconds = clock.monotonic() - began
            went.answers = asking.ask_all(guarded.checks, entry.reporter)
            _demand(went.answers)
        except HaechiError as problem:
            went.seconds = went.seconds or clock.monotonic() - began
            went.problem = problem
            entry.outcome, entry.error = Outcome.FAILURE, problem.as_dict()
        if went.problem and not process.interrupted() and _goes_back(guarded, went, ask):
            for service in reversed(guarded.services):
                went.restored[service.name] = _back(service, went.before[service.name], desk, reporter)
        if went.well and guarded.save_after:
            for service in guarded.services:
                tags = (TAG, f"{TAG}:{guarded.name}:after")
                went.after[service.name] = back_up(service, desk, reporter, tags=tags).point
    return went


def _look_for(guarded: Guarded) -> None:
    """Before everything is saved for a command that cannot begin."""
    program = guarded.argv[0]
    if guarded.place.has(program):
        return
    hint = _("Install it, or say where it runs with `at` in the plan.")
    if any(service.name == program for service in guarded.services):
        hint = _("That is a service: haechi guard --for {service} -- COMMAND").format(service=program)
    if guarded.place.is_local:
        raise ProgramMissing(_("The program “{program}” is not here.").format(program=program), hint=hint)
    raise ProgramMissing(
        _("The program “{program}” is not in {place}.").format(program=program, place=guarded.place.name),
        hint=hint,
    )


def _run(guarded: Guarded, reporter: Reporter, hear: Hear) -> None:
    env = {"HAECHI_GUARD": guarded.name}
    with (
        reporter.step(_("Running {command}").format(command=guarded.argv[0]), unit=""),
        guarded.place.start(guarded.argv, env=env, deadline=guarded.deadline) as running,
    ):
        while data := running.stdout.read(BUFFER):
            hear(data)
        running.check()


def _demand(answers: Sequence[Comparison]) -> None:
    broken = [answer for answer in answers if not answer.equal]
    if broken:
        said = [
            _("{what}: {found} instead of {expected}").format(
                what=answer.what, found=answer.found, expected=answer.expected
            )
            for answer in broken
        ]
        raise GuardFailed(
            _("The command went well, but not everything holds after it: {answers}.").format(
                answers="; ".join(said)
            ),
            hint=_("The state before it is saved; see `haechi list`."),
        )


def _goes_back(guarded: Guarded, went: Went, ask: Ask) -> bool:
    if guarded.on_failure == "offer":
        return ask(went)
    return guarded.on_failure == "restore"


def _back(service: Service, point: RestorePoint, desk: Desk, reporter: Reporter) -> Mapping[str, str]:
    """Beside and exchanged by name where the source can do that, so that what the command left is kept as well."""
    beside = isinstance(service.source, Exchangeable)
    planned = restore.plan(service, reporter, which=point.id, wanted=Wanted(in_place=not beside))
    brought = restore.execute(planned, desk, reporter)
    if not brought.restored.equal:
        raise GuardFailed(
            _("{service} came back different from what was saved, so it was not put in place.").format(
                service=service.name
            ),
            hint=_("Look at it with: haechi beside list {service}").format(service=service.name),
        )
    return exchange.swap(service, desk, reporter, brought.restored.names) if beside else {}
