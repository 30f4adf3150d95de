"""A timer and a hardened service for each job."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from haechi.documents.timers._base import About, Job, numbered
from haechi.schedule import foreign

_SERVICE = """\
[Unit]
Description=Haechi: {title}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={user}
{condition}ExecStart={command}
Nice=10
IOSchedulingClass=idle
NoNewPrivileges=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
LockPersonality=yes
"""
_TIMER = """\
[Unit]
Description=Haechi: {title}

[Timer]
{calendar}
Persistent=true
RandomizedDelaySec=60

[Install]
WantedBy=timers.target
"""


def written(jobs: Sequence[Job], about: About) -> Mapping[str, str]:
    files = {}
    for name, job in numbered(jobs):
        fires = foreign.on_calendar(job.schedule, about.zone)
        exact = all(one.exact for one in fires)
        base = [about.program, "--plan", about.plan]
        asks = f"ExecCondition={_escaped([*base, 'schedule', 'due', str(job.schedule)])}\n"
        title = " ".join(job.words)
        files[f"haechi-{name}.service"] = _SERVICE.format(
            title=title,
            user=about.user,
            condition="" if exact else asks,
            command=_escaped([*base, *job.words, "--quiet"]),
        )
        files[f"haechi-{name}.timer"] = _TIMER.format(
            title=title, calendar="\n".join(f"OnCalendar={one.when}" for one in fires)
        )
    return files


def _escaped(argv: Sequence[str]) -> str:
    """systemd reads % and $ itself."""
    return shlex.join(argv).replace("%", "%%").replace("$", "$$")
