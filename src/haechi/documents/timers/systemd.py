"""A timer and a hardened service for each job, or one for the daemon that does them all."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from haechi.documents.timers._base import About, Job, numbered
from haechi.schedule import foreign

DAEMON = "haechi-daemon.service"
_HARDENED = """\
Nice=10
IOSchedulingClass=idle
NoNewPrivileges=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
LockPersonality=yes
"""
# It never gives up: a plan that is mended, and a database that is back, are met by the next start. The watchdog is
# patient, for a look at a database that is out of reach takes its time.
_DAEMON = """\
[Unit]
Description=Haechi: serve
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
User={user}
ExecStart={command}
Restart=on-failure
RestartSec=15
TimeoutStartSec=300
TimeoutStopSec=90
KillMode=mixed
WatchdogSec=600
UMask=0077
{state}{hardened}
[Install]
WantedBy={target}
"""
_SERVICE = """\
[Unit]
Description=Haechi: {title}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={user}
{condition}ExecStart={command}
{hardened}"""
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
            hardened=_HARDENED,
        )
        files[f"haechi-{name}.timer"] = _TIMER.format(
            title=title, calendar="\n".join(f"OnCalendar={one.when}" for one in fires)
        )
    return files


def daemon(about: About, state: Path, *, of_user: bool = False) -> Mapping[str, str]:
    """Makes systemd keep the state directory, where it lies where systemd has such."""
    kept = state.parent == Path("/var/lib") and not of_user
    return {
        DAEMON: _DAEMON.format(
            user=about.user,
            command=_escaped([about.program, "--plan", about.plan, "serve"]),
            state=f"StateDirectory={state.name}\nStateDirectoryMode=0700\n" if kept else "",
            hardened=_HARDENED,
            target="default.target" if of_user else "multi-user.target",
        )
    }


def _escaped(argv: Sequence[str]) -> str:
    """systemd reads % and $ itself."""
    return shlex.join(argv).replace("%", "%%").replace("$", "$$")
