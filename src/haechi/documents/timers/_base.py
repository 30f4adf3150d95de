"""What is to be written down for a scheduler."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from haechi.schedule import Schedule


@dataclass(frozen=True)
class Job:
    """One command of Haechi's, with the right exit status; `words` follow the program's name."""

    words: tuple[str, ...]
    schedule: Schedule

    @property
    def name(self) -> str:
        """“backup-erp”, fit for a file or an object."""
        plain = "-".join(word for word in self.words if not word.startswith("-"))
        return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:50]


@dataclass(frozen=True)
class About:
    """The installation that the jobs belong to."""

    plan: str  # path of the plan file
    program: str  # path of haechi
    zone: tzinfo
    user: str
    environment: tuple[str, ...] = ()  # the variables that the plan reads

    def command(self, job: Job, *, exact: bool = True) -> str:
        """For a shell. One that fires too often asks first whether it is due."""
        run = shlex.join([self.program, "--plan", self.plan, *job.words, "--quiet"])
        if exact:
            return run
        ask = shlex.join([self.program, "--plan", self.plan, "schedule", "due", str(job.schedule)])
        return f"{ask} && {run}"


def numbered(jobs: Sequence[Job]) -> list[tuple[str, Job]]:
    """Each with a name that no other has."""
    seen: dict[str, int] = {}
    found = []
    for job in jobs:
        seen[job.name] = seen.get(job.name, 0) + 1
        found.append((job.name if seen[job.name] == 1 else f"{job.name}-{seen[job.name]}", job))
    return found
