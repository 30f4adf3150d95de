"""What a plan may say of a snapshot."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from haechi.schedule.duration import parse_duration
from haechi.sources.command import CommandLine

Kind = Literal["btrfs", "lvm", "zfs", "command"]


def _length(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Length = Annotated[timedelta, BeforeValidator(_length), WithJsonSchema({"type": "string"})]


class Keeping(BaseModel):
    """Snapshots that stay when the backup is done."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    every: Length | None = Field(
        None, description="One stays only if the newest is older than this: “7 days”"
    )
    age: Length | None = Field(None, alias="for", description="How long they stay: “90 days”")
    last: int | None = Field(None, ge=1, description="How many stay at most")

    @model_validator(mode="after")
    def _ends(self) -> Keeping:
        if self.age is None and self.last is None:
            raise ValueError("how long (“for”) or how many (“last”) of them stay")
        return self


def _keeping(value: object) -> object:
    if isinstance(value, str):
        return {"for": value}
    return {"last": value} if isinstance(value, int) else value


class Snapshot(BaseModel):
    """How a snapshot is taken, and whether it stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind = Field("command", description="“btrfs”, “lvm” or “zfs”; a pair of commands, if not said")
    size: str = Field(
        "20%ORIGIN",
        description="lvm without thin pools: room for what changes meanwhile, “5G” or “20%ORIGIN”",
    )
    create: CommandLine | None = Field(None, description="Takes the snapshot {name}")
    remove: CommandLine | None = Field(None, description="Removes it; may be asked twice")
    path: str | None = Field(
        None, description="Where its files are: “/mnt/nas/.snapshot/{name}”; else only taken"
    )
    of: str | None = Field(
        None, description="The directory of which it is; the only one of `paths`, if not said"
    )
    keep: Annotated[Keeping, BeforeValidator(_keeping)] | None = Field(
        None, description="Keep some: “90 days”, 12, or a table with every, for and last"
    )
    timeout: float = Field(600, gt=0, description="Seconds that each of its commands may take")

    @model_validator(mode="after")
    def _whole(self) -> Snapshot:
        pair = self.create is not None and self.remove is not None
        if self.kind == "command" and not pair:
            raise ValueError("“btrfs”, “lvm”, “zfs”, or a table with create and remove")
        if self.kind != "command" and (self.create or self.remove or self.path or self.of):
            raise ValueError("create, remove, path and of are for snapshots by commands alone")
        if self.kind == "command" and self.path is None and self.keep is None:
            raise ValueError("path, where its files are read; or keep, if it is only to be taken")
        if pair and not any("{name}" in word for word in self.create or ()):
            raise ValueError("create needs {name}: by its name it is found and removed again")
        return self


def _by_name(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


SnapshotField = Annotated[
    Snapshot,
    BeforeValidator(_by_name),
    WithJsonSchema({"anyOf": [{"enum": ["btrfs", "lvm", "zfs"]}, {"type": "object"}]}),
]
