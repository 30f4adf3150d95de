"""What a plan may say about an etcd service, and about where one is to be restored."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from haechi.credentials import SecretSource
from haechi.sources import _target


def _argv(value: object) -> object:
    """A line becomes words as a shell would cut it; it is never given to one."""
    return shlex.split(value) if isinstance(value, str) else value


CommandLine = Annotated[
    tuple[str, ...],
    BeforeValidator(_argv),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class Options(BaseModel):
    """One member of a cluster, and how it is reached."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = Field(
        None, description="Address to speak HTTP with from this host; nothing needs to be installed"
    )
    endpoint: str = Field(
        "http://127.0.0.1:2379", description="Without `url`: where etcdctl, in the place, finds the member"
    )
    user: str | None = None
    password: SecretSource | None = None
    ca: str | None = Field(None, description="File with the authority that signed the server's certificate")
    cert: str | None = Field(None, description="File with a client certificate")
    key: str | None = Field(None, description="File with its key")
    data_dir: str | None = Field(
        None, description="etcd's data directory in the place; what comes back lies in it, beside `member`"
    )
    host_dir: Path | None = Field(
        None, description="The same directory as this host sees it, where the place is a container"
    )
    stop: CommandLine | None = Field(
        None, description="Command on this host that stops etcd, for an exchange"
    )
    start: CommandLine | None = Field(None, description="Command on this host that starts it again")
    staging: str = Field(
        "/tmp", description="Where etcdctl's snapshot lies while it is read; with room for all of it"
    )
    run_as: str | None = Field(None, description="System user in the place")

    @model_validator(mode="after")
    def _pairs(self) -> Options:
        for one, other in (("stop", "start"), ("cert", "key"), ("user", "password")):
            if bool(getattr(self, one)) != bool(getattr(self, other)):
                raise ValueError(f"{one} and {other} belong together")
        if self.url and "endpoint" in self.model_fields_set:
            raise ValueError("give either url or endpoint")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("url begins with http:// or https://")
        return self


class Target(_target.Target):
    """Where a restore goes, if not into the service's own data directory, beside what is in use."""

    directory: str | None = Field(None, description="A new data directory")
    file: Path | None = Field(None, description="A new file for the snapshot, as etcdctl takes it")
    at: str | None = Field(None, description="Place of the programs and the directory, as in the plan")
    name: str | None = Field(None, description="Name of the new member; by default that of the one saved")
    peer_url: str | None = Field(None, description="Its peer address; by default that of the one saved")
