"""GitLab's own programs: how they are called, and what their words and exit statuses mean.

The exit status alone does not tell: older versions end with 0 when a part could not be dumped, newer ones with 1 when
the archive is there all the same. So what was begun must also be said to be done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from haechi.errors import ProgramFailed, ProgramMissing, VaultLocked
from haechi.i18n import _
from haechi.places._base import Place
from haechi.process import Completed

_ENGLISH = {"LC_ALL": "C"}
_BEGUN = re.compile(r"-- Dumping (?P<what>[\w ]+?) \.\.\.\s*(?P<rest>.*)$")
_FAILED = re.compile(r"Dumping (?P<what>[\w ]+?) failed: (?P<why>.*)$")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_IN_PROGRESS = "backup and restore task in progress"
_MISMATCH = "GitLab version mismatch"
_FAILURES = re.compile(r"- (?P<model>[\w:]+) failures: (?P<count>\d+)")


@dataclass
class Told:
    """What `gitlab-backup create` said of each part."""

    done: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    archive: str = ""


class GitLab:
    """One installation, at its place."""

    def __init__(self, place: Place, user: str | None, deadline: float | None):
        self.place = place
        self.user = user
        self.deadline = deadline

    def program(self) -> list[str]:
        """The one for backups: of today, or the older task. Raises ProgramMissing."""
        for argv in (["gitlab-backup"], ["gitlab-rake"]):
            if self.place.has(argv[0]):
                return argv
        raise ProgramMissing(
            _("There is no GitLab at {place}: neither gitlab-backup nor gitlab-rake is there.").format(
                place=self.place.name
            ),
            hint=_("Correct `at` in the plan: it is the container or host in which GitLab runs."),
        )

    def command(self, verb: str) -> list[str]:
        (program,) = self.program()
        return [program, verb] if program == "gitlab-backup" else [program, f"gitlab:backup:{verb}"]

    def run(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, *, check: bool = True
    ) -> Completed:
        return self.place.run(
            argv, env={**_ENGLISH, **(env or {})}, user=self.user, deadline=self.deadline, check=check
        )

    def control(self, *words: str, check: bool = True) -> Completed:
        return self.run(["gitlab-ctl", *words], check=check)

    def create(self, variables: Mapping[str, str]) -> Told:
        """Make the archive. Raises unless all that was not left out is in it."""
        done = self.run([*self.command("create"), *(f"{k}={v}" for k, v in variables.items())], check=False)
        said = _plain(done)
        refuse_in_progress(said)
        told = read_created(said)
        if told.failed:
            raise ProgramFailed(
                _("GitLab could not dump {parts}.").format(
                    parts=", ".join(f"{what} ({why})" for what, why in told.failed.items())
                ),
                hint=_(
                    'Files that change meanwhile are no trouble with strategy = "copy"; others leave out with `skip`.'
                ),
                detail=_tail(said),
            )
        if done.status or not told.archive:
            raise ProgramFailed(
                _("“{program}” ended with status {status}: {reason}").format(
                    program=" ".join(done.argv[:2]), status=done.status, reason=_last(said)
                ),
                hint=_(
                    "Look whether the disk of its backup directory is full, and whether GitLab is running."
                ),
                detail=_tail(said),
            )
        return told

    def restore(self, backup: str) -> None:
        """Put an archive that lies in its backup directory in place of what is there; every question is answered."""
        argv = [*self.command("restore"), f"BACKUP={backup}"]
        done = self.run(argv, {"GITLAB_ASSUME_YES": "1"}, check=False)
        said = _plain(done)
        refuse_in_progress(said)
        if done.status:
            reason = next((line for line in said.splitlines() if _MISMATCH in line), _last(said))
            raise ProgramFailed(
                _("GitLab did not take its archive back: {reason}").format(reason=reason),
                hint=_(
                    "What was there before is in the point that was taken just before, with the tag “safety”."
                ),
                detail=_tail(said),
            )

    def rake(self, task: str) -> tuple[bool, str]:
        """A check of GitLab's own: whether it passed, and what it complained of."""
        done = self.run(["gitlab-rake", *task.split()], check=False)
        said = _plain(done)
        bad = [f"{m['model']}: {m['count']}" for m in _FAILURES.finditer(said) if int(m["count"])]
        bad += [line.strip() for line in said.splitlines() if line.rstrip().endswith("... no")]
        return done.status == 0 and not bad, "; ".join(bad) or (_last(said) if done.status else "")


def read_created(said: str) -> Told:
    told, open_parts = Told(), dict[str, str]()
    for line in said.splitlines():
        if match := _FAILED.search(line):
            told.failed[match["what"]] = match["why"].strip()
            open_parts.pop(match["what"], None)
        elif match := _BEGUN.search(line):
            what, rest = match["what"], match["rest"]
            if "[SKIPPED]" in rest or "[DISABLED]" in rest:
                told.left_out.append(what)
                open_parts.pop(what, None)
            elif "done" in rest:
                told.done.append(what)
                open_parts.pop(what, None)
            else:
                open_parts[what] = ""
        elif match := re.search(r"Creating backup archive: (\S+) \.\.\. done", line):
            told.archive = match[1]
        elif open_parts:
            what = next(reversed(open_parts))
            if line.strip().startswith(("[DONE]", "done")):
                told.done.append(what)
                del open_parts[what]
            elif line.strip():
                open_parts[what] = line.strip()
    for what, last in open_parts.items():
        told.failed[what] = last or _("it did not say that it was done")
    return told


def refuse_in_progress(said: str) -> None:
    if _IN_PROGRESS in said:
        line = next(line for line in said.splitlines() if _IN_PROGRESS in line)
        raise VaultLocked(
            _("Another backup or restore of this GitLab is at work: {reason}").format(reason=line.strip()),
            hint=_("Wait until it has ended. GitLab takes a note of one that was killed for over by itself."),
        )


def _plain(done: Completed) -> str:
    return _COLOURS.sub("", done.stdout.decode(errors="replace") + "\n" + done.stderr)


def _tail(said: str) -> str:
    return "\n".join(said.splitlines()[-30:])


def _last(said: str) -> str:
    return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "-")
