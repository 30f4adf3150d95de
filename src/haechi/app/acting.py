"""What the plan wants done or asked, as acts and questions that operations can carry out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from haechi.operations import acts, checks
from haechi.operations.hooks import Hook, Hooks
from haechi.places._base import Place
from haechi.places._open import open_place
from haechi.plan import steps
from haechi.sources._expectations import SOMETHING, as_text


@dataclass(frozen=True)
class Around:
    """What is meant where nothing is said: the place of commands, and the service that takes statements."""

    at: str
    source: Any
    kind: str


def hooks(said: steps.Hooks, around: Around) -> Hooks:
    """Those of a service, by operation."""

    def of(moment: str) -> dict[str, tuple[Hook, ...]]:
        fields = {f: getattr(said, f) for f in type(said).model_fields if f.startswith(moment)}
        return {f.removeprefix(moment): many(given, around) for f, given in fields.items() if given}

    return Hooks(of("before_"), of("after_"), of("on_failure").get("", ()))


def many(given: Sequence[steps.Hook], around: Around) -> tuple[Hook, ...]:
    return tuple(hook(one, around) for one in given)


def hook(said: steps.Hook, around: Around) -> Hook:
    """One thing to be done."""
    act: acts.Act
    if said.run is not None:
        act = acts.Command(said.run, open_place(said.at or around.at))
    elif said.http is not None:
        act = acts.Call(said.http, said.method.upper())
    elif said.sql is not None:
        act = acts.Statement(said.sql, around.source, around.kind)
    elif said.stop:
        act = acts.Switch("stop", said.stop)
    else:
        act = acts.Switch("start", said.start)
    return Hook(act, said.deadline.total_seconds()) if said.deadline else Hook(act)


def check(said: steps.Check, around: Around, place: Place | None = None) -> checks.Check:
    """One thing that must hold. `place` is where its command runs, whatever is said."""
    question: checks.Question
    expect = None if said.expect is None else str(as_text(said.expect))
    if said.sql is not None:
        question = checks.Query(
            said.sql,
            around.source,
            around.kind,
            expect or SOMETHING,
            said.contains,
            said.database or "",
            said.title,
        )
    elif said.http is not None:
        question = checks.Page(said.http, expect or "200", said.contains, said.title)
    else:
        assert said.run
        question = checks.Program(
            said.run, place or open_place(said.at or around.at), expect, said.contains, said.title
        )
    return checks.Check(question, said.deadline.total_seconds()) if said.deadline else checks.Check(question)
