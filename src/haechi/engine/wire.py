"""Events, errors and results as lines of JSON, on their way between a hand, the daemon and whoever asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from haechi.errors import HaechiError, every_error
from haechi.events import Event, Said, StepAdvanced, StepEnded, StepStarted
from haechi.i18n import recipe, remade
from haechi.model import RestorePoint
from haechi.operations.backup import BackedUp

_EVENTS = {kind.__name__: kind for kind in (StepStarted, StepAdvanced, StepEnded, Said)}


def line(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, default=str)
    # A name that is not UTF-8 travels in JSON's own way and arrives as the same name.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def event_as_data(event: Event) -> dict[str, Any]:
    return {"event": type(event).__name__, **asdict(event)}


def event(data: Mapping[str, Any]) -> Event | None:
    """None for one that a newer version has added."""
    kind = _EVENTS.get(data.get("event", ""))
    return kind(**{key: value for key, value in data.items() if key != "event"}) if kind else None


def problem_as_data(problem: HaechiError) -> dict[str, Any]:
    """With what its words were made of: whoever is told may read another language."""
    return {
        **problem.as_dict(),
        "made_of": {"message": recipe(problem.message), "hint": recipe(problem.hint)},
    }


def problem(data: Mapping[str, Any]) -> HaechiError:
    """An error as it was where it happened: its class by its code, so that the exit status is the same."""
    made_of = data.get("made_of", {})
    kind = next((one for one in every_error() if one.code == data["code"]), HaechiError)
    made: HaechiError = kind.__new__(kind)
    HaechiError.__init__(
        made,
        remade(data["message"], made_of.get("message")),
        hint=remade(data.get("hint", ""), made_of.get("hint")),
        detail=data.get("detail", ""),
        retryable=data.get("retryable"),
    )
    made.code = data["code"]  # type: ignore[misc]
    return made


def backed_up_as_data(done: BackedUp) -> dict[str, Any]:
    return {
        "point": done.point.as_dict(),
        "failed": {name: problem_as_data(one) for name, one in done.failed.items()},
        "unhooked": {name: problem_as_data(one) for name, one in done.unhooked.items()},
        "seconds": done.seconds,
        "bytes_read": done.bytes_read,
        "bytes_stored": done.bytes_stored,
        "expired": done.expired,
        "copied": done.copied,
        "usual": done.usual,
    }


def backed_up(data: Mapping[str, Any]) -> BackedUp:
    plain = {
        name: data[name] for name in ("seconds", "bytes_read", "bytes_stored", "expired", "copied", "usual")
    }
    return BackedUp(
        RestorePoint.from_dict(data["point"]),
        {name: problem(one) for name, one in data["failed"].items()},
        unhooked={name: problem(one) for name, one in data["unhooked"].items()},
        **plain,
    )
