"""What a plan may say of a GitLab."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from haechi.sources import _target

ARCHIVE = "gitlab_backup.tar"
Skip = Literal[
    "db", "repositories", "uploads", "builds", "artifacts", "pages", "lfs", "terraform_state", "registry",
    "packages", "ci_secure_files", "external_diffs", "remote",
]  # fmt: skip


class Options(BaseModel):
    """How a GitLab is dumped, and which files go with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strategy: Literal["stream", "copy"] = Field(
        "stream",
        description="“copy” copies files before it packs them: more room, no trouble with files that change",
    )
    skip: tuple[Skip, ...] = Field((), description="Parts that are left out, in GitLab's own words")
    rsyncable: bool = Field(True, description="Pack so that what has not changed is kept once by a vault")
    files: tuple[str, ...] = Field(
        ("/etc/gitlab/gitlab-secrets.json", "/etc/gitlab/gitlab.rb"),
        description="What GitLab leaves out and does not come back without",
    )
    backups: str = Field("/var/opt/gitlab/backups", description="GitLab's own directory for archives")
    rails: str = Field(
        "/opt/gitlab/embedded/service/gitlab-rails",
        description="Where its program lies, with the file VERSION",
    )
    stop: tuple[str, ...] = Field(
        ("puma", "sidekiq"), description="Its services that must not run while it is restored"
    )
    tasks: tuple[str, ...] = Field(
        ("gitlab:check SANITIZE=true", "gitlab:doctor:secrets"),
        description="Its own tasks that look it over after a restore",
    )
    variables: dict[str, str] = Field(
        default_factory=dict, description="More for `gitlab-backup create`: GITLAB_BACKUP_MAX_CONCURRENCY, …"
    )
    run_as: str | None = Field(None, description="System user in the place; root, if not")

    @field_validator("files")
    @classmethod
    def _differ(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        if len({PurePosixPath(path).name for path in files}) < len(files):
            raise ValueError("files with different names")
        return files

    @field_validator("variables")
    @classmethod
    def _not_ours(cls, variables: dict[str, str]) -> dict[str, str]:
        ours = {"BACKUP", "SKIP", "STRATEGY", "INCREMENTAL", "PREVIOUS_BACKUP", "CRON"} & set(variables)
        if ours:
            raise ValueError(f"not {', '.join(sorted(ours))}: the plan has words for it, or haechi sets it")
        return variables

    @property
    def parts(self) -> dict[str, str]:
        """The files by their parts' names."""
        return {PurePosixPath(path).name: path for path in self.files}

    @property
    def for_create(self) -> dict[str, str]:
        given = {"STRATEGY": "copy"} if self.strategy == "copy" else {}
        if self.skip:
            given["SKIP"] = ",".join(self.skip)
        if self.rsyncable:
            given["GZIP_RSYNCABLE"] = "yes"
        return {**given, **self.variables}


class Target(_target.Target):
    """Where it comes back, if not over the GitLab of the plan."""

    directory: Path | None = Field(
        None, description="A new directory for the archive and the files beside it"
    )
    at: str | None = Field(
        None, description="Another GitLab, whose contents are replaced: its place, as in the plan"
    )
