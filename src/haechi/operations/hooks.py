"""What the plan wants done before and after a step.

What stands before must go well, or there is no step. What stands after is done in any case: when the step failed,
when only a part of what stands before was done, and when Ctrl-C or a termination signal ended it. It cannot undo the
step any more, so what fails there makes the outcome partial and is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from haechi import process
from haechi.errors import HaechiError, HookFailed, Interrupted, PartlyDone
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Outcome
from haechi.operations.acts import Act, Told, aside

DEADLINE = 300.0  # seconds, where the plan names none: nothing shall wait for ever


@dataclass(frozen=True)
class Hook:
    """An act with its deadline."""

    act: Act
    deadline: float = DEADLINE

    @property
    def title(self) -> str:
        return self.act.title


@dataclass(frozen=True)
class Hooks:
    """Those of one service, by operation: “backup”, “restore”, “verify”, “drill”."""

    before: Mapping[str, Sequence[Hook]] = field(default_factory=dict)
    after: Mapping[str, Sequence[Hook]] = field(default_factory=dict)
    on_failure: Sequence[Hook] = ()

    def around(self, operation: str) -> tuple[Sequence[Hook], Sequence[Hook], Sequence[Hook]]:
        """Before, after, and when it failed. What is for failures goes with the operations that may have hooks."""
        return self.before.get(operation, ()), self.after.get(operation, ()), self.on_failure


@dataclass
class Hooked:
    """The step between the hooks: it says here how it went. Afterwards, `failed` names the later hooks that did not
    go well."""

    outcome: Outcome = Outcome.SUCCESS
    point: str = ""
    failed: dict[str, HaechiError] = field(default_factory=dict)


@contextmanager
def around(hooks: Hooks, operation: str, told: Told, reporter: Reporter) -> Iterator[Hooked]:
    """Carry out the hooks of this operation around the block. Raises HookFailed if one before it fails."""
    before, after, on_failure = hooks.around(operation)
    hooked = Hooked(point=told.get("HAECHI_POINT", ""))
    problem: BaseException | None = None
    if not (before or after or on_failure):
        yield hooked
        return
    try:
        for hook in before:
            title = _("before {operation}: {hook}").format(operation=operation, hook=hook.title)
            carry_out(hook, title, {**told, "HAECHI_WHEN": "before"}, reporter)
        yield hooked
    except BaseException as caught:
        problem = caught
        raise
    finally:
        undisturbed(lambda: _afterwards(after, on_failure, operation, told, hooked, problem, reporter))


def carry_out(hook: Hook, title: str, told: Told, reporter: Reporter) -> None:
    """One hook, as a step of its own. Raises HookFailed."""
    try:
        with reporter.step(title, unit=""):
            hook.act.perform(told, hook.deadline)
    except HaechiError as problem:
        raise HookFailed(
            _("{title} failed: {reason}").format(title=title, reason=problem.message),
            hint=problem.hint,
            detail=problem.detail,
        ) from problem


def carry_out_all(
    hooks: Sequence[Hook], title: Callable[[Hook], str], told: Told, reporter: Reporter
) -> dict[str, HaechiError]:
    """Each of them, whatever becomes of the others; those that failed, by what they are called."""
    failed: dict[str, HaechiError] = {}
    for hook in hooks:
        named = title(hook)
        try:
            carry_out(hook, named, told, reporter)
        except HaechiError as problem:
            reporter.warn(problem.message)
            failed[named] = problem
    return failed


def undisturbed(work: Callable[[], None]) -> None:
    """Do it to its end, even if Ctrl-C comes in the middle; that is passed on afterwards. A second one ends it."""
    done, problems = aside(work, "afterwards")
    interruption: BaseException | None = None
    while not done.is_set():
        try:
            done.wait()
        except KeyboardInterrupt as caught:
            interruption = caught
    if interruption is not None:
        raise interruption
    if problems:
        raise problems[0]


def raise_if_any_failed(subject: str, failed: Mapping[str, HaechiError]) -> None:
    """The step itself went well; what was to be done after it did not."""
    if failed:
        raise PartlyDone(
            _("{service}: done, but not what was to be done after it: {names}.").format(
                service=subject, names=", ".join(failed)
            ),
            hint="\n".join(f"{e.message} {e.hint}".strip() for e in failed.values()),
        )


def _afterwards(
    after: Sequence[Hook],
    on_failure: Sequence[Hook],
    operation: str,
    told: Told,
    hooked: Hooked,
    problem: BaseException | None,
    reporter: Reporter,
) -> None:
    told = {**told, "HAECHI_POINT": hooked.point, **_outcome(hooked, problem)}
    hooked.failed |= carry_out_all(
        after,
        lambda hook: _("after {operation}: {hook}").format(operation=operation, hook=hook.title),
        {**told, "HAECHI_WHEN": "after"},
        reporter,
    )
    if told["HAECHI_OUTCOME"] == Outcome.SUCCESS and not hooked.failed:
        return
    if told["HAECHI_OUTCOME"] == Outcome.SUCCESS:
        told = {**told, "HAECHI_OUTCOME": str(Outcome.PARTIAL), **_why(next(iter(hooked.failed.values())))}
    hooked.failed |= carry_out_all(
        on_failure,
        lambda hook: _("on failure of {operation}: {hook}").format(operation=operation, hook=hook.title),
        {**told, "HAECHI_WHEN": "on-failure"},
        reporter,
    )


def _outcome(hooked: Hooked, problem: BaseException | None) -> dict[str, str]:
    if problem is None:
        return {"HAECHI_OUTCOME": str(hooked.outcome)}
    if process.interrupted() or isinstance(problem, KeyboardInterrupt | Interrupted):
        return {"HAECHI_OUTCOME": str(Outcome.INTERRUPTED)}
    return {"HAECHI_OUTCOME": str(Outcome.FAILURE), **_why(problem)}


def _why(problem: BaseException) -> dict[str, str]:
    if isinstance(problem, HaechiError):
        return {"HAECHI_ERROR": problem.message, "HAECHI_ERROR_CODE": problem.code}
    return {"HAECHI_ERROR": type(problem).__name__, "HAECHI_ERROR_CODE": "defect"}
