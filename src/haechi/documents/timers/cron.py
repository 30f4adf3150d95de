"""Lines of /etc/cron.d."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from haechi.documents.timers._base import About, Job
from haechi.i18n import _
from haechi.schedule import foreign

FILE = "haechi"


def written(jobs: Sequence[Job], about: About, *, user: bool = True) -> Mapping[str, str]:
    """One file. In a user's own crontab no user is named."""
    lines = [
        "# " + _("Made by `haechi schedule`; changes are lost when it is made again."),
        "# " + _("cron goes by the system's clock; these times are those of {zone}.").format(zone=about.zone),
        f"CRON_TZ={about.zone}",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]
    for job in jobs:
        lines.append(f"# {job.schedule}")
        for fires in foreign.cron(job.schedule, about.zone):
            command = about.command(job, exact=fires.exact).replace("%", r"\%")  # cron reads % as a line end
            lines.append(f"{fires.when} {about.user + ' ' if user else ''}{command}")
    return {FILE: "\n".join(lines) + "\n"}
