"""What can be done around a step: a command, an HTTP call, an SQL statement, something stopped or started.

Each is told what it stands around (`HAECHI_SERVICE`, `HAECHI_POINT`, …), which never holds a secret, and is given
a deadline.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from haechi import process
from haechi.credentials import SecretSource
from haechi.errors import AccessRefused, DeadlinePassed, ServerUnavailable, UsageMistake
from haechi.i18n import _
from haechi.places._base import Place, Switchable
from haechi.places._open import open_place
from haechi.sources._base import TakesStatements

Told = Mapping[str, str]
_UNIT = "systemd"


class Act(Protocol):
    """One thing that is done."""

    @property
    def title(self) -> str:
        """A few words for the journal; nothing that might be a secret."""

    def perform(self, told: Told, seconds: float) -> None:
        """Do it, and raise a HaechiError unless it went well within so many seconds."""


@dataclass(frozen=True)
class Command:
    """A program that must end with status 0; it finds what it is told in its environment."""

    argv: tuple[str, ...]
    place: Place

    @property
    def title(self) -> str:
        return self.argv[0].rsplit("/", 1)[-1]

    def perform(self, told: Told, seconds: float) -> None:
        self.place.run(self.argv, env=told, deadline=seconds)


@dataclass(frozen=True)
class Call:
    """An address that is called; it must answer with a status below 400. What it is told is the body, as JSON."""

    url: SecretSource
    method: str = "POST"

    @property
    def title(self) -> str:
        return f"HTTP {self.method}"

    def perform(self, told: Told, seconds: float) -> None:
        _within(seconds, lambda: _call(self.url.fetch().reveal(), self.method, told, seconds), self.title)


@dataclass(frozen=True)
class Statement:
    """A statement for the service's own database."""

    sql: str
    source: object
    kind: str

    @property
    def title(self) -> str:
        return f"SQL {self.sql.split(None, 1)[0].lower()}" if self.sql.strip() else "SQL"

    def perform(self, told: Told, seconds: float) -> None:
        source = self.source
        if not isinstance(source, TakesStatements):
            raise UsageMistake(
                _("A service of the kind “{kind}” takes no SQL.").format(kind=self.kind),
                hint=_("Let a command do it: { run = … }."),
            )
        _within(seconds, lambda: source.execute(self.sql, seconds), self.title)


@dataclass(frozen=True)
class Switch:
    """Containers or units that are stopped, or started."""

    verb: Literal["stop", "start"]
    targets: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{self.verb} {', '.join(self.targets)}"

    def perform(self, told: Told, seconds: float) -> None:
        for target in self.targets:
            kind, _colon, name = target.partition(":")
            if kind == _UNIT:
                process.run(["systemctl", self.verb, name], deadline=seconds)
                continue
            place = open_place(target)
            if not isinstance(place, Switchable):
                raise UsageMistake(_("“{name}” cannot be stopped or started.").format(name=target))
            (place.switch_off if self.verb == "stop" else place.switch_on)(seconds)


def _call(url: str, method: str, told: Told, seconds: float) -> None:
    import json
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.parse import urlsplit
    from urllib.request import Request, urlopen

    # The rest of the address may hold a token: no message shows it.
    try:
        parts = urlsplit(url.strip())
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        fit = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        fit = False
    if not fit:
        raise UsageMistake(
            _("The address of an HTTP call cannot be read."), hint=_("It should begin with https://.")
        )
    body = {name.removeprefix("HAECHI_").lower(): value for name, value in told.items()}
    data = None if method in ("GET", "HEAD") else json.dumps(body, ensure_ascii=False).encode()
    headers = {"user-agent": "haechi", **({"content-type": "application/json"} if data else {})}
    try:
        with urlopen(Request(url.strip(), data, headers, method=method), timeout=seconds) as answer:
            answer.read(1 << 16)
    except HTTPError as problem:
        problem.close()
        refused = problem.code in (401, 403)
        raise (AccessRefused if refused else ServerUnavailable)(
            _("{address} answered with status {status}.").format(address=shown, status=problem.code)
        ) from None
    except (OSError, HTTPException, ValueError) as problem:
        reason = getattr(problem, "reason", None) or type(problem).__name__
        raise ServerUnavailable(
            _("{address} does not answer: {reason}").format(address=shown, reason=reason)
        ) from None


def _within(seconds: float, work: Callable[[], None], title: str) -> None:
    """Wait no longer than so long: a server that answers a byte a minute passes every timeout of a socket."""
    done, problems = aside(work, "act", daemon=True)
    if not done.wait(seconds):
        raise DeadlinePassed(
            _("“{title}” took longer than {seconds} seconds.").format(title=title, seconds=round(seconds)),
            hint=_("Give it more time with `deadline` in the plan, or find out what it waits for."),
        )
    if problems:
        raise problems[0]


def aside(
    work: Callable[[], None], name: str, *, daemon: bool = False
) -> tuple[threading.Event, list[BaseException]]:
    """Begin it in a thread of its own, where no Ctrl-C ends the programs that it starts: what is set when it is done,
    and what it has raised by then."""
    problems: list[BaseException] = []
    done = threading.Event()  # a join that was interrupted takes the thread for one that has ended

    def run() -> None:
        try:
            with process.spared():
                work()
        except BaseException as problem:  # told to the thread that waits
            problems.append(problem)
        finally:
            done.set()

    threading.Thread(target=run, daemon=daemon, name=name).start()
    return done, problems
