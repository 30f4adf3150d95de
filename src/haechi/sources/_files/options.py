"""What a plan may say of directories and files, and a restore of where they go."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from haechi.sources import _target
from haechi.sources._snapshots.options import SnapshotField

_MODE = re.compile(r"0?[0-7]{3,4}")


def _told_mode(mode: str | None) -> str | None:
    if mode is not None and not _MODE.fullmatch(mode):
        raise ValueError("an octal mode such as 755")
    return mode


class Options(BaseModel):
    """What is kept, and how it is to come back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    paths: tuple[Path, ...] = Field(
        min_length=1, description="Directories and files; relative ones are relative to the plan"
    )
    exclude: tuple[str, ...] = Field(
        (), description="What to leave out, as .gitignore says it: “*.tmp”, “cache/”, “!keep.tmp”"
    )
    owner: str | None = Field(
        None, description="Who owns what comes back: “www-data:www-data”; else as it was"
    )
    mode: str | None = Field(
        None, description="The mode of everything that comes back: “755”; else as it was"
    )

    @field_validator("paths", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("paths")
    @classmethod
    def _beside_the_plan(cls, paths: tuple[Path, ...], info: ValidationInfo) -> tuple[Path, ...]:
        base = (info.context or {}).get("base") or Path()
        return tuple((base / path.expanduser()).absolute() for path in paths)

    snapshot: SnapshotField | None = Field(
        None,
        description="Read from a snapshot: “btrfs”, “lvm”, “zfs”, or a table with commands; see its own page",
    )
    hands: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes that save it at the same time, each some of the files; vaults only",
    )
    run_as: str | None = Field(None, description="System user who reads and writes them at another place")

    _octal = field_validator("mode")(_told_mode)


class Target(_target.Target):
    """Where a restore goes, if not beside what is there."""

    directory: Path | None = Field(
        None, description="A new directory for what comes back; several paths lie in it as below /"
    )
    at: str | None = Field(None, description="Another place for what comes back, as in the plan")
    owner: str | None = Field(None, description="As in the plan, for this time")
    mode: str | None = Field(None, description="As in the plan, for this time")

    _octal = field_validator("mode")(_told_mode)
