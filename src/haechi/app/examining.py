"""The whole installation looked over for `haechi doctor`: every part of the plan, and what holds them together."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from haechi import plugins
from haechi.app import copies, jobs, timers, traces, workers
from haechi.events import Reporter
from haechi.i18n import _, plural
from haechi.legs import USUAL
from haechi.operations import doctor, status
from haechi.operations.doctor import Finding, Health
from haechi.operations.proving import sweeping
from haechi.operations.sets import freezing
from haechi.operations.watching import filling, looks
from haechi.operations.watching import workers as watched
from haechi.places._open import open_place
from haechi.plan.masking import literals, sources

if TYPE_CHECKING:
    from haechi.app.home import Home
    from haechi.plan.sections import Service

_SOCKET = "haechi.sock"  # of a daemon that runs the schedules itself


def examine(home: Home, reporter: Reporter) -> list[Finding]:
    """One thing that is broken does not keep the others from being looked at."""
    found = [
        Finding(_("plan"), Health.WARNING, str(advice))
        for advice in home.plan.advice
        if advice.kind != str(USUAL)  # looked at below, with how the last drill went
    ]
    found += doctor.look_at(_("copies"), lambda: copies.examined(home))
    found += looks.journal(home.desk)
    found += _disks(home)
    for name in home.plan.kept:
        found += doctor.destination(lambda name=name: home.destination(name), name)  # type: ignore[misc]
        found += doctor.look_at(name, lambda name=name: copies.lock_found(home, name))  # type: ignore[misc]
    found += _secrets(home)
    for name in home.plan.sets:
        found += freezing.examine(name, home.state)
    found += sweeping.examine()
    for name in home.plan.services:
        with reporter.step(name, unit=""):
            found += doctor.service(lambda name=name: home.service(name), name)  # type: ignore[misc]
            found += _drills(name, home.plan.services[name])
    for at in dict.fromkeys(entry.at for entry in home.plan.services.values()):
        if at.partition(":")[0] not in ("local", "docker", "compose"):  # these share this host's clock
            found += looks.clock_of(lambda at=at: open_place(at), at)  # type: ignore[misc]
    found += _schedules(home)
    found += doctor.look_at(_("workers"), lambda: watched.findings(workers.standings(home), home.zone))
    found += looks.alerts(home.teller)
    found += doctor.look_at(_("traces"), lambda: traces.examined(home))
    found += doctor.look_at(_("promises"), lambda: iter(_promises(home, reporter)))
    return found


def _disks(home: Home) -> list[Finding]:
    """Those of local directories, each with the day on which it will be full."""
    full = home.plan.server.disk_alarm / 100
    usage = {str(disk.path): filling.Room.under(disk.path) for disk in home.disks}
    notes = filling.note(home.state, {path: one.used for path, one in usage.items()})
    found: list[Finding] = []
    for disk in home.disks:
        day: datetime | None = filling.full_at(notes[str(disk.path)], usage[str(disk.path)].total)
        found += doctor.directory(disk.path, disk.name, full, day)
    return found


def _secrets(home: Home) -> list[Finding]:
    """Whether each is where the plan says, and closed to others; and the plan itself, if a secret stands in it."""
    found: list[Finding] = []
    plan = home.plan
    tables = {
        "vault": plan.vaults,
        "archive": plan.archives,
        "service": plan.services,
        "notify": plan.notifiers,
    }
    for table, entries in tables.items():
        for name, entry in entries.items():
            for key, source in sources(entry):
                subject = f"{table}.{name}.{key}"
                if source.file is not None:
                    found += doctor.secret_file(source.file, subject)
                else:
                    found += doctor.secret(source, subject)
    for name, archive in plan.archives.items():
        encryption = archive.encryption
        if encryption and not encryption.opens:
            text = _(
                "its files are sealed, and no key that opens them is here: they are verified by checksum alone"
            )
            mend = _("To look inside and to restore from here, name it: encrypt.identity in the plan")
            found.append(Finding(f"archive.{name}", Health.WARNING, text, mend))
    if any(True for entries in tables.values() for _secret in literals(entries)) and plan.path.exists():
        found += doctor.secret_file(plan.path, _("plan"))
    return found


def _drills(name: str, service: Service) -> list[Finding]:
    """Whether the throwaway places of its drills could be made now, as far as its kind can tell."""
    ready = getattr(plugins.load("haechi.sources", service.source), "place_of_drill", None)

    def look(into: str) -> Iterator[Finding]:
        if said := ready(into) if ready else "":
            yield Finding(name, Health.WARNING, _("drill in {place}: {said}").format(place=into, said=said))

    return [
        finding
        for drilling in service.drill
        if drilling.into is not None
        for finding in doctor.look_at(name, lambda into=drilling.into: look(into))  # type: ignore[misc]
    ]


def _schedules(home: Home) -> list[Finding]:
    """Whether they are installed on this host, and whether what they start fits."""
    found = doctor.look_at(_("schedules"), lambda: _installed(home))
    for name, entry in home.plan.services.items():
        if entry.paused:
            continue
        limits = [entry.deadline] if entry.deadline else []
        for when in home.plan.schedules(name):
            found += looks.schedule(name, "backup", when, limits, home.desk, home.zone)
        for drilling in entry.drill:
            found += looks.schedule(name, "drill", drilling.when, (), home.desk, home.zone)
        for verifying in entry.verify:
            found += looks.schedule(name, "verify", verifying.when, (), home.desk, home.zone)
        for copying in entry.copies:
            hours = [timedelta(hours=_length(copying.hours))] if copying.hours else []
            for when in [copying.when] if copying.when else home.plan.schedules(name) if hours else ():
                found += looks.schedule(name, "copy", when, hours, home.desk, home.zone)
    return found


def _installed(home: Home) -> Iterator[Finding]:
    wanted = jobs.every(home)
    if not wanted:
        return
    subject = _("schedules")
    if (home.state / _SOCKET).is_socket():
        yield Finding(subject, Health.GOOD, _("haechi serve runs them"))
        return
    there = "\n".join(where.installed() for where in timers.every())
    missing = [job for job in wanted if shlex.join(job.words) not in there.replace(r"\%", "%")]
    count = len(missing)
    if not missing:
        text = plural(
            "{count} job is installed on this host", "{count} jobs are installed on this host", len(wanted)
        )
        yield Finding(subject, Health.GOOD, text)
    elif count == len(wanted):
        yield Finding(
            subject,
            Health.WARNING,
            _("none is installed on this host, so nothing runs by itself here"),
            _("Install them: haechi schedule install; or run them elsewhere: haechi schedule export KIND"),
        )
    else:
        yield Finding(
            subject,
            Health.BAD,
            plural(
                "{count} job of the plan is not among the installed ones, such as “{job}”",
                "{count} jobs of the plan are not among the installed ones, such as “{job}”",
                count,
                job=shlex.join(missing[0].words),
            ),
            _("Install them anew: haechi schedule install"),
        )


def _promises(home: Home, reporter: Reporter) -> list[Finding]:
    schedules = {name: home.plan.schedules(name) for name in home.plan.services}
    return looks.promises(status.standings(home.services(), home.desk, reporter), schedules, home.desk)


def _length(hours: object) -> float:
    """How long a day's hours are."""
    begin, end = getattr(hours, "begin", None), getattr(hours, "end", None)
    if begin is None or end is None:
        return 24.0
    minutes = (end.hour * 60 + end.minute - begin.hour * 60 - begin.minute) % (24 * 60)
    return minutes / 60 or 24.0
