"""Looks the whole installation over: each thing that a backup or a restore will need, and the mend where it lacks.

Nothing is changed, and one thing that is broken does not keep the others from being looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from haechi import clock
from haechi.credentials import SecretSource
from haechi.errors import HaechiError
from haechi.i18n import _, plural
from haechi.operations.destinations.destination import Destination
from haechi.operations.service import Service
from haechi.operations.watching import filling

_PRIVATE = 0o077
_SOON = timedelta(days=30)


class Health(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `mend` is what to do about it."""

    subject: str
    health: Health
    text: str
    mend: str = ""


def look_at(subject: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """All that this look finds; an error it meets is a finding too."""
    try:
        return list(look())
    except HaechiError as problem:
        return [Finding(subject, Health.BAD, problem.message, problem.hint)]


def service(build: Callable[[], Service], name: str) -> list[Finding]:
    """Whether the service answers, and whether its programs are there and fit."""

    def look() -> Iterator[Finding]:
        probe = build().source.probe()
        said = (
            _("answers; version {version}").format(version=probe.version) if probe.version else _("answers")
        )
        if client := probe.details.get("client"):
            said += "; " + _("its programs here are {version}").format(version=client)
        yield Finding(name, Health.GOOD, said)
        for warning in probe.warnings:
            yield Finding(name, Health.WARNING, warning)

    return look_at(name, look)


def destination(build: Callable[[], Destination], name: str) -> list[Finding]:
    """Whether the vault or archive opens with its key and what lies in it."""

    def look() -> Iterator[Finding]:
        points = build().points()
        text = plural("opens; {count} restore point", "opens; {count} restore points", len(points))
        yield Finding(name, Health.GOOD, text)
        future = [p for p in points if p.time > clock.now()]
        if future:
            yield Finding(
                name,
                Health.WARNING,
                plural(
                    "{count} restore point lies in the future",
                    "{count} restore points lie in the future",
                    len(future),
                ),
                _("A clock was wrong when they were taken, or is wrong now: compare the hosts' clocks."),
            )

    return look_at(name, look)


def directory(path: Path, subject: str, full: float, full_at: datetime | None = None) -> list[Finding]:
    """Whether a local directory has room, its disk being less than `full`, can be written to, and is closed to
    others. `full_at`: when the disk is full if it goes on as it did."""

    def look() -> Iterator[Finding]:
        existing = next(p for p in (path, *path.parents) if p.exists())
        room = filling.Room.under(existing)
        text = _("disk {share:.0%} full, {free:.1f} GB free").format(share=room.share, free=room.free / 1e9)
        soon = full_at is not None and full_at - clock.now() < _SOON
        if full_at is not None:
            text += "; " + _("full on {date} if it goes on like this").format(date=f"{full_at:%Y-%m-%d}")
        if room.share > full or soon:
            yield Finding(
                subject, Health.WARNING, text, _("Make room, or let points go: haechi prune --dry-run")
            )
        else:
            yield Finding(subject, Health.GOOD, text)
        if not os.access(existing, os.W_OK | os.X_OK):
            yield Finding(
                subject,
                Health.BAD,
                _("{path} cannot be written to").format(path=existing),
                _("Give it to the user who runs haechi: chown {user} {path}").format(
                    user=os.geteuid(), path=existing
                ),
            )
        if path.exists() and path.stat().st_mode & _PRIVATE:
            yield Finding(
                subject,
                Health.WARNING,
                _("{path} is open to other users").format(path=path),
                _("Close it: chmod 700 {path}").format(path=path),
            )

    return look_at(subject, look)


def secret(source: SecretSource, subject: str) -> list[Finding]:
    """Whether a secret of the plan is where the plan says. What is in order is not worth a line."""

    def look() -> Iterator[Finding]:
        if not source.fetch().reveal():
            yield Finding(
                subject,
                Health.BAD,
                _("is empty where it is kept"),
                _("Put it there: {where}").format(where=source),
            )

    return look_at(subject, look)


def secret_file(path: Path, subject: str) -> list[Finding]:
    """Whether a key or password in a file can be read by its owner alone."""

    def look() -> Iterator[Finding]:
        if not path.exists():
            yield Finding(subject, Health.BAD, _("{path} is not there").format(path=path))
        elif path.stat().st_mode & _PRIVATE:
            yield Finding(
                subject,
                Health.WARNING,
                _("{path} can be read by other users").format(path=path),
                _("Close it: chmod 600 {path}").format(path=path),
            )
        else:
            yield Finding(subject, Health.GOOD, _("{path} is private").format(path=path))

    return look_at(subject, look)
