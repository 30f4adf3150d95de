"""Asks what must hold of what is in use: a query, an answer over HTTP, a command that ends well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from haechi.errors import HaechiError, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.places._base import Place
from haechi.sources._base import Answering, Comparison
from haechi.sources._expectations import SOMETHING, holds

PATIENCE = 60.0  # seconds, where the plan names no deadline
_READ = 1 << 20  # bytes of a page that are looked at


class Question(Protocol):
    """Something that can be asked. Raises a HaechiError if it cannot be."""

    @property
    def what(self) -> str:
        """What people call it; nothing that might be a secret."""

    def ask(self, seconds: float) -> Comparison: ...


@dataclass(frozen=True)
class Check:
    """A question with its deadline."""

    question: Question
    deadline: float = PATIENCE


@dataclass(frozen=True)
class Query:
    """Asked of a service's database; the first value that comes is compared."""

    sql: str
    source: object
    kind: str
    expect: str = SOMETHING
    contains: str | None = None
    database: str = ""
    title: str = ""

    @property
    def what(self) -> str:
        return self.title or self.sql

    def ask(self, seconds: float) -> Comparison:
        if not isinstance(self.source, Answering):
            raise UsageMistake(
                _("A service of the kind “{kind}” answers no queries.").format(kind=self.kind),
                hint=_("Let a command ask it: { run = … }."),
            )
        found = next(iter(self.source.values(self.sql, self.database)), None)
        return _judged(self.what, self.expect, self.contains, found)


@dataclass(frozen=True)
class Page:
    """An address that must answer: with status 200, if nothing else is expected."""

    url: str
    expect: str = "200"
    contains: str | None = None
    title: str = ""

    @property
    def what(self) -> str:
        return self.title or _without_secrets(self.url)

    def ask(self, seconds: float) -> Comparison:
        status, text = _fetch(self.url, seconds)
        if status is None or not holds(self.expect, str(status)):
            return Comparison(self.what, self.expect, str(status) if status else text)
        return _judged(self.what, str(status), self.contains, text if self.contains else str(status))


@dataclass(frozen=True)
class Program:
    """A command that must end with status 0; what it says may matter, too."""

    argv: Sequence[str]
    place: Place
    expect: str | None = None
    contains: str | None = None
    title: str = ""

    @property
    def what(self) -> str:
        return self.title or self.argv[0].rsplit("/", 1)[-1]

    def ask(self, seconds: float) -> Comparison:
        said = self.place.run(self.argv, deadline=seconds).stdout.decode(errors="replace").strip()
        if self.expect is None and self.contains is None:
            return Comparison(self.what, 0, 0)
        return _judged(self.what, self.expect or SOMETHING, self.contains, said or None)


def ask_all(checks: Sequence[Check], reporter: Reporter) -> list[Comparison]:
    """Each of them, whatever the others say. What cannot be asked does not hold."""
    answers = []
    for check in checks:
        what = check.question.what
        with reporter.step(_("Checking {what}").format(what=what), unit=""):
            try:
                answers.append(check.question.ask(check.deadline))
            except HaechiError as problem:
                answers.append(Comparison(what, _("an answer"), problem.message))
    return answers


def _judged(what: str, expect: str, contains: str | None, found: str | None) -> Comparison:
    """What was expected and what was found, the same when it suits."""
    if contains is not None:
        expected = _("something that contains {text}").format(text=contains)
        return Comparison(what, expected, expected if contains in (found or "") else found)
    return Comparison(what, expect, expect if holds(expect, found) else found)


def _without_secrets(url: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _fetch(url: str, seconds: float) -> tuple[int | None, str]:
    """The status and the text; or no status, and why there was no answer."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(url, headers={"user-agent": "haechi"}), timeout=seconds) as answer:
            return answer.status, answer.read(_READ).decode(errors="replace")
    except HTTPError as problem:
        with problem:
            return problem.code, problem.read(_READ).decode(errors="replace")
    except (OSError, HTTPException, ValueError) as problem:
        return None, str(getattr(problem, "reason", None) or type(problem).__name__)
