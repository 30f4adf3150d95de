"""What the plan wants done by itself, as commands with their schedules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from haechi.documents.timers._base import Job
from haechi.schedule import Schedule, parse

if TYPE_CHECKING:
    from haechi.app.home import Home

_LOOKS = parse("hourly :20")  # for what went silent
_VARIABLE = re.compile(r"\$\{(\w+)(?::-[^}]*)?\}|\benv\s*=\s*[\"'](\w+)[\"']")


def every(home: Home) -> list[Job]:
    """Services that are due at the same times share a command."""
    plan = home.plan
    backups: dict[Schedule, list[str]] = {}
    jobs: list[Job] = []
    for name, service in plan.services.items():
        if service.paused:
            continue
        if service.backup is not None:
            backups.setdefault(service.backup, []).append(name)
        for copying in service.copies:
            if copying.when is not None:
                jobs.append(Job(("copy", name, "--to", copying.to), copying.when))
        for verifying in service.verify:
            jobs += [Job(("verify", name, *_of(copy)), verifying.when) for copy in verifying.of or (None,)]
        for drilling in service.drill:
            into = ("--into", drilling.into) if drilling.into else ()
            chance = ("--random",) if drilling.pick == "random" else ()
            jobs += [
                Job(("drill", name, *chance, *_of(copy), *into), drilling.when)
                for copy in drilling.of or (None,)
            ]
    jobs = [Job(("backup", *names), when) for when, names in backups.items()] + jobs
    jobs += [
        Job(("set", "backup", name), one.backup) for name, one in plan.sets.items() if one.backup is not None
    ]
    if jobs and plan.notifiers:
        jobs.append(Job(("alarms", "--tell"), _LOOKS))
    return jobs


def environment(home: Home) -> tuple[str, ...]:
    """The variables that the plan file names."""
    text = home.plan.document.text
    return tuple(sorted({a or b for a, b in _VARIABLE.findall(text)}))


def _of(copy: str | None) -> tuple[str, ...]:
    return ("--from", copy) if copy else ()
