"""railway.toml: Railway runs a start command by one schedule in UTC, so each job is a service of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from haechi.documents.timers._base import About, Job, numbered
from haechi.i18n import _
from haechi.schedule import foreign

_FILE = """\
# {head}
# {schedule}
[build]
builder = "NIXPACKS"

[deploy]
startCommand = {command}
cronSchedule = {when}
restartPolicyType = "NEVER"
"""


def written(jobs: Sequence[Job], about: About) -> Mapping[str, str]:
    files = {}
    for name, job in numbered(jobs):
        for number, fires in enumerate(foreign.cron(job.schedule, about.zone, in_utc=True), 1):
            line = about.command(job, exact=fires.exact).replace(about.plan, "haechi.toml")
            path = f"{name if number == 1 else f'{name}-{number}'}/railway.toml"
            files[path] = _FILE.format(
                head=_("Made by `haechi schedule`. Railway's clock is UTC."),
                schedule=job.schedule,
                command=json.dumps(line.replace(about.program, "haechi"), ensure_ascii=False),
                when=json.dumps(fires.when),
            )
    return files
