"""Drills a whole stack: every service into its own throwaway, the references between them, and an application on top.

What comes back stands until the end. Services come back side by side where their order allows. Everything is taken
down again in reverse order, whatever came of it, and that is looked at, too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

from haechi import clock, process
from haechi.errors import HaechiError, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Outcome, Proof, ProofState
from haechi.operations import hooks, locate
from haechi.operations.desk import Desk, Entry
from haechi.operations.destinations.destination import Destination
from haechi.operations.proving import blame, reports
from haechi.operations.proving.critical_path import Stage
from haechi.operations.restore import readers, with_checks
from haechi.operations.sets import audit as set_audit
from haechi.operations.sets.audit import Finding
from haechi.operations.stacks import stack as stacks
from haechi.operations.stacks import trials
from haechi.operations.stacks.drilled import Back, StackDrilled, told, why
from haechi.operations.stacks.stack import Stack
from haechi.sources import _throwaway
from haechi.sources._base import Rehearsable, Source, Wanted

KIND = "set-drill"


class _Watch:
    """Writes down what takes how long, from whatever thread."""

    def __init__(self) -> None:
        self.began = clock.monotonic()
        self.stages: list[Stage] = []
        self._lock = threading.Lock()

    @property
    def now(self) -> float:
        return clock.monotonic() - self.began

    @contextmanager
    def stage(self, kind: str, subject: str, title: str, reporter: Reporter) -> Iterator[Reporter]:
        began, error = self.now, ""
        try:
            with reporter.step(title, unit="") as step:
                yield reporter.within(step)
        except BaseException as problem:
            error = str(problem) or type(problem).__name__
            raise
        finally:
            made = Stage(kind, subject, title, round(began, 3), round(self.now - began, 3), error)
            with self._lock:
                self.stages.append(made)


def drill(
    stack: Stack, desk: Desk, reporter: Reporter, *, which: str = locate.LATEST, copy: str | None = None
) -> StackDrilled:
    """Drill it. What is wrong with a copy, a reference or the application is a result; that nothing could be tried at
    all is an error."""
    _demand(stack)
    with desk.alone_with(f"drill.{stack.name}"), desk.run(KIND, stack.name, reporter) as entry:
        watch = _Watch()
        done = StackDrilled(stack.name, stack.promise, left_out=stack.left_out, expected=stack.expected)
        with _throwaway.directory(None, passable=True) as place:
            with watch.stage("points", stack.name, _("Looking for restore points"), entry.reporter):
                done.members = _choose(stack, entry.reporter, which, copy)
            try:
                _carry_out(stack, done, desk, entry.reporter, watch, place.path)
            finally:
                hooks.undisturbed(lambda: _take_down(done, watch, entry.reporter))
        done.left = (*done.left, *place.left)
        done.stages, done.whole = sorted(watch.stages, key=lambda s: s.began), watch.now
        done.report = reports.keep(desk, KIND, stack.name, told(done), entry.reporter)
        _write_down(done, entry)
        return done


def _demand(stack: Stack) -> None:
    for member in stack.of.members:
        if not isinstance(member.source, Rehearsable):
            raise UsageMistake(
                _("“{service}” cannot be rehearsed: a {kind} has no throwaway place.").format(
                    service=member.name, kind=member.kind
                ),
                hint=_("Take it out of the set."),
            )
    set_audit.demand(stack.of)


def _choose(stack: Stack, reporter: Reporter, which: str, copy: str | None) -> dict[str, Back]:
    members = {}
    for name, point in stacks.points(stack, reporter, which, copy).items():
        service = stack.of.member(name)
        where = service.destination(copy).name if copy else point.copies[0].where
        members[name] = Back(service, point, where)
    return members


def _carry_out(
    stack: Stack, done: StackDrilled, desk: Desk, reporter: Reporter, watch: _Watch, room: Path
) -> None:
    _bring_back(stack, done.members, desk.parallel, reporter, watch)
    if all(one.rehearsed for one in done.members.values()):
        try:
            done.findings = _audit(stack, done.members, desk, reporter, watch)
        except HaechiError as problem:
            if process.interrupted():
                raise
            done.problem = problem
        throwaways = {name: one.rehearsed for name, one in done.members.items() if one.rehearsed}
        done.tried = [
            trials.carry_out(trial, throwaways, room, reporter, watch.stage) for trial in stack.trials
        ]
    done.seconds = watch.now


def _bring_back(
    stack: Stack, members: Mapping[str, Back], limit: int, reporter: Reporter, watch: _Watch
) -> None:
    """Each as soon as what it needs stands, so many at a time. One that fails keeps back only those that need it."""
    waiting = dict(members)
    with ThreadPoolExecutor(max(1, limit), thread_name_prefix="drill") as pool:
        under_way: dict[Future[None], str] = {}
        try:
            while waiting or under_way:
                for name, one in list(waiting.items()):
                    needs = stack.waits_for(name)
                    if lacking := [n for n in sorted(needs) if _has_failed(members[n])]:
                        waiting.pop(name).waited_for = lacking[0]
                    elif all(members[needed].rehearsed for needed in needs):
                        into = stack.into.get(name)
                        under_way[pool.submit(_bring, one, into, reporter, watch)] = name
                        del waiting[name]
                if under_way:
                    ended, _others = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in ended:
                        del under_way[future]
                        future.result()
        except BaseException:
            for future in under_way:
                future.cancel()
            process.end_all()
            raise


def _has_failed(one: Back) -> bool:
    return bool(one.problem or one.waited_for)


def _bring(one: Back, into: str | None, reporter: Reporter, watch: _Watch) -> None:
    source = one.service.source
    assert isinstance(source, Rehearsable)
    destination: Destination = one.service.destination(one.copy)
    title = _("{service}: coming back from {copy}").format(service=one.service.name, copy=one.copy)
    try:
        with watch.stage("restore", one.service.name, title, reporter) as within:
            one.point = destination.describe(one.point)
            parts = readers(one.point, destination, within)
            wanted = with_checks(one.service, Wanted())
            one.rehearsed = one.held.enter_context(source.rehearse(one.point, parts, wanted, into, within))
    except HaechiError as problem:
        if process.interrupted():
            raise
        one.problem = problem
    one.stood = watch.now


def _audit(
    stack: Stack, members: Mapping[str, Back], desk: Desk, reporter: Reporter, watch: _Watch
) -> list[Finding]:
    """The references of what has come back, asked in the throwaways."""
    if not stack.of.references:
        return []
    there = tuple(
        replace(member, source=cast(Source, _standing(members[member.name]))) for member in stack.of.members
    )
    with watch.stage("audit", stack.name, _("Auditing the references"), reporter) as within:
        return set_audit.audit(replace(stack.of, members=there), desk, within)


def _take_down(done: StackDrilled, watch: _Watch, reporter: Reporter) -> None:
    """What stood up last goes first; each is looked at, whatever becomes of the others."""
    left: list[str] = []
    for one in sorted(done.members.values(), key=lambda one: one.stood, reverse=True):
        if not one.rehearsed:
            continue
        title = _("{service}: taking the throwaway down").format(service=one.service.name)
        try:
            with watch.stage("remove", one.service.name, title, reporter):
                one.held.close()
        except HaechiError as problem:
            reporter.warn(problem.message)
            left.append(one.rehearsed.where)
        left += one.rehearsed.left
    done.left = (*done.left, *left)


def _standing(one: Back) -> object:
    assert one.rehearsed
    return one.rehearsed.standing


def _write_down(done: StackDrilled, entry: Entry) -> None:
    """Each copy that came back, or did not, is proven by it as by a drill of its own."""
    if not done.passed:
        entry.outcome = Outcome.FAILURE
        entry.error = {"code": "not-verified", "message": "; ".join(why(done))}
    for one in done.members.values():
        if one.waited_for or (one.problem and not blame.is_of_the_copy(one.problem)):
            continue
        detail: dict[str, object] = {
            "drill": True,
            "set": done.name,
            "different": [c.what for c in one.differences],
        }
        if one.problem:
            detail["error"] = one.problem.as_dict()
        if found := one.rehearsed:
            detail |= {
                "where": found.where,
                "compared": len(found.restored.comparisons),
                "left": list(found.left),
            }
        state = ProofState.RESTORED if one.good else ProofState.FAILED
        seconds = one.rehearsed.seconds if one.rehearsed else 0.0
        entry.prove(Proof(one.point.id, one.copy, state, clock.now(), "restore", seconds, detail))
