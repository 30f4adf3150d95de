"""What the plan wants done by itself, as commands with their schedules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from haechi.documents.timers._base import Job
from haechi.schedule import Schedule, Window, parse

if TYPE_CHECKING:
    from haechi.app.home import Home
    from haechi.plan.model import Plan
    from haechi.plan.sections import Verifying

_LOOKS = parse("hourly :20")  # for what went silent
_LOOKS_CLOSER = parse("every 10 min")  # where somebody waits to be called next
_EXTENDS = parse("daily 06:30")  # a lock is renewed when half of it is over
_FIGURES = parse("every 5 min")  # what Prometheus takes for gone
_VARIABLE = re.compile(r"\$\{(\w+)(?::-[^}]*)?\}|\benv\s*=\s*[\"'](\w+)[\"']|\bserver:env:(\w+)")


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
            when = copying.when or (_begin(copying.hours) if copying.hours else None)
            if when is not None:
                jobs.append(Job(("copy", name, "--to", copying.to), when))
        for verifying in service.verify:
            words = ("verify", name, *_picked(verifying.pick), *_of(*verifying.of), *_depth(verifying))
            jobs.append(Job(words, verifying.when))
        for drilling in service.drill:
            into = ("--into", drilling.into) if drilling.into else ()
            words = ("drill", name, *_picked(drilling.pick), *_of(*drilling.of), *into)
            jobs.append(Job(words, drilling.when))
    jobs += _of_destinations(plan)
    jobs = [Job(("backup", *names), when) for when, names in backups.items()] + jobs
    jobs += [
        Job(("set", "backup", name), one.backup) for name, one in plan.sets.items() if one.backup is not None
    ]
    jobs += [
        Job(("drill", f"set:{name}", *_of(*((copy,) if copy else ()))), one.drill.when)
        for name, one in plan.sets.items()
        if one.drill and one.drill.when
        for copy in one.drill.of or ("",)
    ]
    jobs += [
        Job(("drill", f"scenario:{name}", *_of(*((copy,) if copy else ()))), drilling.when)
        for name, entry in plan.scenarios.items()
        for drilling in entry.drill
        for copy in drilling.of or ("",)
    ]
    if jobs and plan.notifiers:
        passed_on = any(way.escalate for way in plan.notifiers.values())
        looks = _LOOKS_CLOSER if passed_on else _LOOKS
        for way in plan.notifiers.values():
            looks = looks | way.heartbeat if way.heartbeat else looks
        jobs.append(Job(("alarms", "--tell"), looks))
    digests: dict[Schedule, list[str]] = {}
    for name, way in plan.notifiers.items():
        if way.digest is not None:
            digests.setdefault(way.digest, []).append(name)
    jobs += [Job(("notify", "digest", *names), when) for when, names in digests.items()]
    if plan.server.metrics_file:
        jobs.append(Job(("metrics", "--textfile", plan.server.metrics_file), _FIGURES))
    return jobs


def _of_destinations(plan: Plan) -> list[Job]:
    """What is done with a vault or archive as a whole."""
    jobs: list[Job] = []
    for where, kept in plan.kept.items():
        users = [s for s, entry in plan.services.items() if where in entry.everywhere and not entry.paused]
        if not users:
            continue
        for verifying in kept.verify:
            pick = verifying.pick if "pick" in verifying.model_fields_set else "all"
            words = ("verify", *users, *_picked(pick), *_of(where), *_depth(verifying))
            jobs.append(Job(words, verifying.when))
        if kept.lock is not None and kept.url.startswith("s3:"):
            jobs.append(Job(("locks", where, "--extend"), _EXTENDS))
    return jobs


def environment(home: Home) -> tuple[str, ...]:
    """The variables that the plan file names."""
    text = home.plan.document.text
    return tuple(sorted({"".join(found) for found in _VARIABLE.findall(text)}))


def _begin(hours: Window) -> Schedule:
    """When these hours begin, as a schedule."""
    days = ",".join(str((day + 1) % 7) for day in sorted(hours.days))
    return parse(f"{hours.begin.minute} {hours.begin.hour} * * {days if len(hours.days) < 7 else '*'}")


def _depth(verifying: Verifying) -> tuple[str, ...]:
    if verifying.depth == "sample":
        return ("--depth", "sample", "--share", str(verifying.share))
    return ("--quick",) if verifying.depth == "structure" else ()


def _picked(pick: str) -> tuple[str, ...]:
    return {"random": ("--random",), "all": ("--all",)}.get(pick, ())


def _of(*copies: str) -> tuple[str, ...]:
    return tuple(word for copy in copies for word in ("--from", copy))
