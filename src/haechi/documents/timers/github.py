"""A workflow of GitHub Actions, for what it reaches; its clock is UTC, and it may be late by minutes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from haechi.documents.timers._base import About, Job, numbered
from haechi.schedule import foreign

_HEAD = """\
name: haechi
on:
  schedule:
{crons}
  workflow_dispatch: {{}}
jobs:
"""
_JOB = """\
  {name}:
    if: {condition}
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {{ python-version: "3.12" }}
      - run: pip install 'haechi[all]'
      - run: {command}
{env}"""


def written(jobs: Sequence[Job], about: About) -> Mapping[str, str]:
    names = "".join(f"          {name}: ${{{{ secrets.{name} }}}}\n" for name in about.environment)
    env = f"        env:\n{names}" if names else ""
    crons: list[str] = []
    texts = []
    for name, job in numbered(jobs):
        fires = foreign.cron(job.schedule, about.zone, in_utc=True)
        crons += [one.when for one in fires if one.when not in crons]
        line = about.command(job, exact=all(one.exact for one in fires))
        line = line.replace(about.plan, "haechi.toml").replace(about.program, "haechi")
        mine = " || ".join(f"github.event.schedule == '{one.when}'" for one in fires)
        command = json.dumps(line, ensure_ascii=False)
        texts.append(_JOB.format(name=name, condition=json.dumps(mine), command=command, env=env))
    listed = "\n".join(f"    - cron: {json.dumps(when)}" for when in crons)
    return {".github/workflows/haechi.yml": _HEAD.format(crons=listed) + "".join(texts)}
