"""Which hands of a run are other workers', and that what they cannot do is done here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from haechi.app import portions
from haechi.app.home import Home
from haechi.app.portions import AwayHand, Beside, Hiring, PortionHand
from haechi.engine.handing import Handed
from haechi.errors import Interrupted, ProgramFailed, SecretMissing, SourceChanged
from haechi.events import Reporter, Step
from haechi.operations.destinations import aside
from haechi.operations.destinations.many_hands import Hired, Task
from haechi.plan.load import loads
from haechi.sources._base import Portion
from tests.listening import Heard

PLAN = """
[plan]
name = "fleet"
[vault.main]
url = "/backup/vault"
key = { env = "KEY" }
[host.one]
labels = ["pool"]
[host.two]
labels = ["pool", "other"]
[host.three]
""" + "".join(
    f'[service.{name}]\nsource = "bucket"\nurl = "s3://{name}"\nto = "vault.main"\n{at}\n'
    for name, at in (("free", ""), ("labelled", 'worker = "pool"'), ("fixed", 'worker = "two"'))
)


@pytest.fixture
def home() -> Home:
    return Home(loads(PLAN, environment={"KEY": "x"}))


@pytest.mark.parametrize(
    ("service", "others", "found"),
    [
        ("free", ["one", "three", "unknown"], ("*", 3)),
        ("labelled", ["two", "three", "unknown"], ("pool", 1)),
        ("labelled", ["three"], None),
        ("fixed", ["one", "three"], None),  # it is for this host alone
        ("fixed", ["two"], ("two", 1)),
        ("free", [], None),
    ],
)
def test_whoever_may_take_the_service_may_take_a_portion(
    home: Home, service: str, others: list[str], found: tuple[str, int] | None
) -> None:
    assert portions.beside(home, "run", service, others) == (Beside("run", *found) if found else None)


@pytest.mark.parametrize(("workers", "here"), [(1, [0, 2, 4, 6]), (3, [0, 4]), (20, [0])])
def test_the_hands_are_dealt_out_evenly_and_one_is_always_here(
    home: Home, workers: int, here: list[int]
) -> None:
    home.beside = Beside("run", "*", workers)
    assert Hiring(home).elsewhere
    hired: list[Hired] = [Hiring(home)(number) for number in range(8)]
    assert [number for number, one in enumerate(hired) if isinstance(one, PortionHand)] == here
    home.beside = None
    assert not Hiring(home).elsewhere
    assert all(isinstance(Hiring(home)(number), PortionHand) for number in range(8))


class Others:
    """What the other workers come to, a portion each."""

    def __init__(self, *answers: object):
        self.answers = list(answers)
        self.here: list[Path] = []

    def ask(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def take(self, task: Task) -> Mapping[str, Any]:
        self.here.append(task.portion.path)
        return {"done": "here"}


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Iterator[Others]:
    made = Others()
    monkeypatch.setattr(Home, "vault", lambda _home, name: name)
    monkeypatch.setattr(aside, "lay_aside", lambda _vault, path: {"content": [str(path)]})
    monkeypatch.setattr(aside, "taken_up", lambda _vault, said: {"done": said["at"], "report": said})
    monkeypatch.setattr(Handed, "ask", lambda *_asked: made.ask())
    monkeypatch.setattr(PortionHand, "take", lambda _hand, task: made.take(task))
    yield made
    assert made.answers == []


def hand(home: Home, heard: Heard, count: int) -> tuple[AwayHand, list[Task], Step]:
    step = Step(Reporter(heard), 1, "objects", None, "bytes")
    tasks = [
        Task("free", "vault.main", "objects", Portion(Path(f"/p{n}"), 100, lambda _report: None), "", step)
        for n in range(count)
    ]
    return AwayHand(home, Beside("run", "*", 1)), tasks, step


def test_what_is_done_elsewhere_is_not_done_here(home: Home, others: Others) -> None:
    others.answers = [{"at": "one"}, {"at": "two"}]
    heard = Heard()
    away, tasks, step = hand(home, heard, 2)
    assert [away.take(task)["done"] for task in tasks] == ["one", "two"]
    assert (others.here, heard.warnings, step.done) == ([], [], 200)


def test_what_nobody_begins_with_is_done_here_and_the_next_one_is_offered_again(
    home: Home, others: Others
) -> None:
    others.answers = [None, {"at": "one"}]
    heard = Heard()
    away, tasks, _step = hand(home, heard, 2)
    assert [away.take(task)["done"] for task in tasks] == ["here", "one"]
    assert (others.here, heard.warnings) == ([Path("/p0")], [])


def test_what_they_cannot_do_is_done_here_and_so_is_all_that_follows(home: Home, others: Others) -> None:
    others.answers = [SecretMissing("There is no MINIO_SECRET_KEY.")]
    heard = Heard()
    away, tasks, _step = hand(home, heard, 2)
    assert [away.take(task) for task in tasks] == [{"done": "here"}] * 2
    (warning,) = heard.warnings
    assert "on this host after all" in warning
    assert "There is no MINIO_SECRET_KEY." in warning


def doubted(task: Task) -> Task:
    def believe(_report: object) -> None:
        raise SourceChanged("It has changed since.", hint="Look at both.")

    return replace(task, portion=replace(task.portion, believe=believe))


def test_what_another_saw_otherwise_is_done_here_and_the_next_one_is_offered_again(
    home: Home, others: Others
) -> None:
    others.answers = [{"at": "one"}, {"at": "two"}]
    heard = Heard()
    away, (first, second), _step = hand(home, heard, 2)
    assert [away.take(task)["done"] for task in (doubted(first), second)] == ["here", "two"]
    (warning,) = heard.warnings
    assert "on this host after all. It has changed since. Look at both." in warning


def test_who_sees_it_otherwise_again_is_offered_no_more(home: Home, others: Others) -> None:
    others.answers = [{"at": "one"}, {"at": "one"}, {"at": "one"}]
    away, tasks, _step = hand(home, Heard(), 4)
    found = [away.take(task)["done"] for task in (tasks[0], *map(doubted, tasks[1:3]), tasks[3])]
    assert found == ["one", "here", "here", "here"]


def test_what_stays_here_is_offered_to_nobody(home: Home, others: Others) -> None:
    away, (task,), _step = hand(home, Heard(), 1)
    assert away.take(replace(task, portion=replace(task.portion, stays=True))) == {"done": "here"}


def test_stopped_it_does_nothing_here(home: Home, monkeypatch: pytest.MonkeyPatch, others: Others) -> None:
    others.answers = [ProgramFailed("hung up")]
    away, tasks, _step = hand(home, Heard(), 1)
    away.stop()
    with pytest.raises((ProgramFailed, Interrupted)):
        away.take(tasks[0])
    assert others.here == []
