"""Puts the plan's jobs into this host's cron or systemd, and takes out what was put there, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from haechi import process
from haechi.documents.timers import cron, systemd
from haechi.documents.timers._base import About, Job
from haechi.errors import ProgramMissing, UsageMistake
from haechi.fileio import explain, write_atomic
from haechi.i18n import _
from haechi.places.local import LocalPlace

CRON_D = Path("/etc/cron.d")
UNITS = Path("/etc/systemd/system")
_RUNNING = Path("/run/systemd/system")  # there when systemd is what runs this host
_MARKS = ("# >>> haechi", "# <<< haechi")
_DEADLINE = 60.0


class Systemd:
    """Units of the system for root, of the user for others."""

    name = "systemd"

    @property
    def directory(self) -> Path:
        return UNITS if os.geteuid() == 0 else Path.home() / ".config/systemd/user"

    def files(self, jobs: Sequence[Job], about: About) -> Mapping[Path, str]:
        return self._placed(systemd.written(jobs, about), about)

    def daemon(self, about: About, state: Path) -> Mapping[Path, str]:
        """The unit of the daemon, which takes the place of those of the jobs."""
        return self._placed(systemd.daemon(about, state, of_user=os.geteuid() != 0), about)

    def _placed(self, written: Mapping[str, str], about: About) -> Mapping[Path, str]:
        if os.geteuid() != 0:  # a user's units run as that user and may not say so
            written = {n: text.replace(f"User={about.user}\n", "") for n, text in written.items()}
        return {self.directory / name: text for name, text in written.items()}

    def install(self, files: Mapping[Path, str]) -> None:
        self.remove(keep=set(files))
        _write(files)
        self._ctl("daemon-reload")
        if begun := _begun(files):
            self._ctl("enable", "--now", *begun)

    def remove(self, *, dry_run: bool = False, keep: set[Path] | None = None) -> list[Path]:
        gone = [
            p for p in sorted(self.directory.glob("haechi-*")) if _is_ours(p) and p not in (keep or set())
        ]
        if dry_run or not gone:
            return gone
        if begun := _begun(gone):
            self._ctl("disable", "--now", *begun)
        for path in gone:
            path.unlink(missing_ok=True)
        self._ctl("daemon-reload")
        return gone

    def installed(self) -> str:
        """The commands that are there now, as they are written."""
        found = [p for p in sorted(self.directory.glob("haechi-*.service")) if _is_ours(p)]
        return "\n".join(path.read_text() for path in found)

    def _ctl(self, *words: str) -> None:
        user = () if os.geteuid() == 0 else ("--user",)
        process.run(["systemctl", *user, *words], deadline=_DEADLINE)


class Cron:
    """A file of /etc/cron.d for root; for others a marked part of their own crontab."""

    name = "cron"

    @property
    def path(self) -> Path:
        return CRON_D / cron.FILE if os.geteuid() == 0 else Path("crontab")

    def files(self, jobs: Sequence[Job], about: About) -> Mapping[Path, str]:
        (text,) = cron.written(jobs, about, user=os.geteuid() == 0).values()
        return {self.path: text}

    def install(self, files: Mapping[Path, str]) -> None:
        (text,) = files.values()
        if os.geteuid() == 0:
            _write(files)
        else:
            self._replace(f"{_MARKS[0]}\n{text}{_MARKS[1]}\n")

    def remove(self, *, dry_run: bool = False) -> list[Path]:
        if os.geteuid() == 0:
            there = self.path.exists()
            if there and not dry_run:
                self.path.unlink()
        else:
            there = LocalPlace().has("crontab") and _MARKS[0] in self._crontab()
            if there and not dry_run:
                self._replace("")
        return [self.path] if there else []

    def installed(self) -> str:
        """The commands that are there now, as they are written."""
        if os.geteuid() == 0:
            return self.path.read_text() if self.path.exists() else ""
        if not LocalPlace().has("crontab"):
            return ""
        return self._crontab().partition(f"{_MARKS[0]}\n")[2].partition(f"{_MARKS[1]}\n")[0]

    def _crontab(self) -> str:
        done = process.run(["crontab", "-l"], deadline=_DEADLINE, check=False)
        return done.stdout.decode() if done.status == 0 else ""

    def _replace(self, ours: str) -> None:
        """All other lines stay as they are."""
        before, _begin, rest = self._crontab().partition(f"{_MARKS[0]}\n")
        after = rest.partition(f"{_MARKS[1]}\n")[2]
        process.run(["crontab", "-"], stdin=(before + after + ours).encode(), deadline=_DEADLINE)


def every() -> list[Systemd | Cron]:
    """Those of this host."""
    found: list[Systemd | Cron] = [Cron()]
    return [Systemd(), *found] if LocalPlace().has("systemctl") and _RUNNING.is_dir() else found


def scheduler(kind: str | None) -> Systemd | Cron:
    """The one of this name, or whichever this host has. Raises UsageMistake, ProgramMissing."""
    if kind not in (None, "cron", "systemd"):
        raise UsageMistake(
            _("“{kind}” is not on this host.").format(kind=kind),
            hint=_(
                "Known are cron and systemd; `haechi schedule export {kind}` writes it for elsewhere."
            ).format(kind=kind),
        )
    runs = _RUNNING.is_dir()
    if kind == "systemd" and not runs:
        raise ProgramMissing(
            _("systemd does not run this host."), hint=_("Use: haechi schedule install cron")
        )
    if kind == "systemd" or (kind is None and runs):
        return Systemd()
    there = CRON_D.is_dir() if os.geteuid() == 0 else LocalPlace().has("crontab")
    if not there:
        raise ProgramMissing(
            _("There is no cron on this host."),
            hint=_(
                "Install it (Debian: apt-get install cron), or export the jobs: haechi schedule export KIND"
            ),
        )
    return Cron()


def _begun(files: Iterable[Path]) -> list[str]:
    """The units that systemd starts by itself; the others are started by these."""
    return [path.name for path in files if path.suffix == ".timer" or path.name == systemd.DAEMON]


def _write(files: Mapping[Path, str]) -> None:
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, text.encode(), 0o644)
        except OSError as problem:
            raise explain(problem, path) from None


def _is_ours(path: Path) -> bool:
    return path.suffix in (".service", ".timer") and path.read_text().startswith(
        "[Unit]\nDescription=Haechi: "
    )
