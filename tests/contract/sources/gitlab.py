"""GitLab, by a stand-in for its commands."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.sources import gitlab
from haechi.sources._base import PartReader, Restored, Source, Wanted
from tests.servers.gitlab import GitLab


@contextmanager
def ground(tmp_path: Path) -> Iterator[GitLabGround]:
    yield GitLabGround(tmp_path)


class GitLabGround:
    kind = "gitlab"

    def __init__(self, directory: Path):
        self._gitlab = GitLab(directory / "gitlab")
        self._spare = directory / "spare"
        self._away = directory / "away"

    def source(self, **options: object) -> Source:
        return _source(self._gitlab, **options)

    def fill(self, amount: int) -> None:
        self._gitlab.fill(4 * amount)

    def state(self) -> object:
        return self._gitlab.contents()

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        shutil.rmtree(self._spare, ignore_errors=True)
        other = GitLab(self._spare)
        for name in ("gitlab-secrets.json", "gitlab.rb"):
            (other.root / "etc/gitlab" / name).unlink()
        restored = _source(other).restore(point, parts, Wanted(in_place=True), SILENT)
        return restored, other.contents()

    def into(self, directory: Path) -> str:
        return str(directory)

    def break_off(self) -> None:
        """Its programs are gone, and its disk gives half of an archive."""
        self._gitlab.bin.rename(self._away)
        for archive in self._gitlab.backups.glob("*.tar"):
            os.truncate(archive, archive.stat().st_size // 2)

    def mend(self) -> None:
        self._away.rename(self._gitlab.bin)

    def leftovers(self) -> list[str]:
        return [path.name for path in self._gitlab.backups.iterdir() if path.name != "tmp"]


def _source(it: GitLab, **options: object) -> Source:
    return gitlab.build("git", gitlab.Options.model_validate(it.options(**options)), it.place)
