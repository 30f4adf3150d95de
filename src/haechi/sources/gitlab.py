"""A GitLab: its own archive together with its secrets and settings, without which it does not come back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from haechi import clock
from haechi.errors import UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.places._base import Place
from haechi.places._open import open_place
from haechi.sources import _throwaway
from haechi.sources._base import (
    Address,
    Capture,
    Foretold,
    PartReader,
    Probe,
    Rehearsed,
    Restored,
    Source,
    Wanted,
)
from haechi.sources._files.there import There
from haechi.sources._gitlab.capturing import GitLabCapture
from haechi.sources._gitlab.options import Options, Target
from haechi.sources._gitlab.returning import GitLabReturn, installed_version, into_directory
from haechi.sources._gitlab.talking import GitLab

__all__ = ["Options", "Target", "build", "main_form"]

_LONGEST = 24 * 3600.0
_SETTINGS = "gitlab.rb"


def build(name: str, options: Options, place: Place) -> Source:
    return GitLabService(name, options, place)


def main_form(_options: Options) -> str:
    """What archives must be able to hold."""
    return "tar"


class GitLabService:
    """One GitLab, at its place."""

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    def probe(self) -> Probe:
        self.place.probe()
        there = There(self.place, self.options.run_as)
        (program,) = self._gitlab(self.place).program()
        version = installed_version(there, self.options.rails)
        warnings = [
            _("{path} is not there, and without it a GitLab does not come back.").format(path=path)
            for path in self.options.files
            if not there.exists(path)
        ]
        if not there.exists(self.options.backups):
            warnings.append(
                _("GitLab's directory for archives is not at {path}: correct `backups` in the plan.").format(
                    path=self.options.backups
                )
            )
        return Probe(version, details={"program": program}, warnings=tuple(warnings))

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        with GitLabCapture(self._gitlab(self.place), self.options, reporter).taken() as capture:
            yield capture

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        target = Target.read(wanted.target)
        if wanted.only:
            raise UsageMistake(
                _("A GitLab comes back whole."),
                hint=_("For single projects: restore it into a second GitLab and export them there."),
            )
        if target.directory is not None:
            return into_directory(target.directory, point, parts, reporter)
        if not (wanted.in_place or target.at):
            raise UsageMistake(
                _("GitLab's own restore replaces all that is there."),
                hint=_(
                    "Ask for that with --in-place, name a second GitLab with --to at=docker:NAME, or lay the "
                    "archive into a directory: --to directory=PATH"
                ),
            )
        place = open_place(target.at) if target.at else self.place
        return GitLabReturn(self._gitlab(place), self.options, point, parts, reporter).run()

    def foretell(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Foretold:
        """Over another GitLab there is no safety point."""
        target = Target.read(wanted.target)
        if not target.at or target.directory is not None:
            return Foretold()
        place = open_place(target.at)
        version = installed_version(There(place, self.options.run_as), self.options.rails)
        line = _("The whole contents of the GitLab at {place} ({version}) are replaced.").format(
            place=place.name, version=version
        )
        return Foretold((line,), destructive=True)

    def rehearse(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> AbstractContextManager[Rehearsed]:
        """Over a second GitLab that is there for this (`docker:gitlab-drill`), which keeps its own gitlab.rb: it must
        not take itself for the first. Without one the archive is laid out and compared, and not more."""
        if into and ":" in into:
            place = open_place(into)
            if place.name == self.place.name:
                raise UsageMistake(
                    _("A rehearsal must not replace the GitLab that is in use."),
                    hint=_("Name a second one that is there for drills."),
                )
            without = {name: part for name, part in parts.items() if name != _SETTINGS}
            return _over_another(
                GitLabReturn(self._gitlab(place), self.options, point, without, reporter), place
            )
        return _throwaway.rehearse(
            self,
            point,
            parts,
            wanted,
            into,
            reporter,
            lambda place: {"directory": place / "restored"},
            lambda _restored, place: (Address(path=str(place / "restored")), None),
        )

    def _gitlab(self, place: Place) -> GitLab:
        return GitLab(place, self.options.run_as, _LONGEST)


@contextmanager
def _over_another(under_way: GitLabReturn, place: Place) -> Iterator[Rehearsed]:
    """It is there for drills, and stays: the next one replaces what this one leaves."""
    began = clock.monotonic()
    restored = under_way.run()
    yield Rehearsed(restored, place.name, clock.monotonic() - began)
