"""What a plan may say about a MongoDB service, and about where one is to be restored."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from haechi.credentials import SecretSource
from haechi.sources import _target
from haechi.sources._databases import Databases, OneOrSeveral, demand_none_of
from haechi.sources._mongodb.address import Address, from_parts, from_url


class _Server(BaseModel):
    """How a server is reached: by a URL, or by its parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretSource | None = Field(
        None, description="Address of the server: mongodb://user:password@host:27017"
    )
    host: str | None = Field(None, description="Host name; without one, the place itself")
    port: int | None = Field(None, ge=1, le=65535)
    user: str | None = Field(
        None, description="User; it needs the role “backup”, and “restore” to bring back"
    )
    password: SecretSource | None = None
    auth_database: str = Field("admin", description="Database in which the user is defined")
    tls: bool = Field(False, description="Encrypt the connection")
    tls_ca: Path | None = Field(None, description="Certificate that the server's must be signed by")
    tools: Literal["auto", "native", "mongodump"] = Field(
        "auto",
        description="By mongodump and mongorestore of the place where it has them, or by Haechi itself",
    )
    bindir: str | None = Field(None, description="Where mongodump is, if it is not found by itself")
    run_as: str | None = Field(None, description="System user in the place")

    @field_validator("tls_ca")
    @classmethod
    def _beside_the_plan(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        base = (info.context or {}).get("base")
        return file if file is None or base is None else (base / file.expanduser()).absolute()

    @model_validator(mode="after")
    def _one_way(self) -> _Server:
        if self.url and (self.host or self.port or self.user or self.password or self.tls or self.tls_ca):
            raise ValueError("give either url, or host, port, user and password")
        return self

    def address(self) -> Address:
        """Fetches the secrets: called when they are used, not before."""
        if self.url:
            return from_url(self.url.fetch())
        password = self.password.fetch() if self.password else None
        return from_parts(
            self.host,
            self.port,
            self.user,
            password,
            self.auth_database,
            self.tls or bool(self.tls_ca),
            self.tls_ca,
        )


class Options(_Server, OneOrSeveral):
    """A MongoDB server or replica set, and what of it is captured."""

    databases: Databases = Field(
        None, description='"all", one name or a list; without it the database of the URL, or else all'
    )
    exclude_databases: tuple[str, ...] = Field((), description="Shell patterns of databases to leave out")
    collections: tuple[str, ...] = Field(
        (), description="Shell patterns `database.collection` of those to take"
    )
    exclude_collections: tuple[str, ...] = Field((), description="Shell patterns of those to leave out")
    users: bool | None = Field(None, description="Users and roles too; by default with all databases")
    oplog: bool | None = Field(
        None,
        description="What is written meanwhile too, so that all is of one moment; by default in a replica set",
    )
    parallel: int = Field(4, ge=1, le=32, description="Collections that are read at once")
    facts: Literal["full", "counts", "none"] = Field(
        "full", description="What is summed up as it passes, to compare with after a restore"
    )
    dump_options: tuple[str, ...] = Field((), description="Further options for mongodump")

    @field_validator("dump_options")
    @classmethod
    def _no_clash(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return demand_none_of(_OURS, given, "mongodump")


class Target(_Server, _target.Target):
    """Where a restore goes, if not beside the service's own databases on its own server."""

    at: str | None = Field(
        None, description="Place of the target's programs, as in the plan; by default the same"
    )
    database: str | None = Field(None, description="Name of the new database")
    collection: str | None = Field(None, description="Name of the new collection, if one comes back")
    users: bool = Field(
        True, description="Users and roles that are missing there, if the whole point comes back"
    )

    @property
    def elsewhere(self) -> bool:
        """Whether it names a server of its own."""
        return bool(self.url or self.host or self.port or self.at)


# These decide what the stream is, or where it comes from.
_OURS = {
    "--archive", "--gzip", "--out", "--db", "--collection", "--query", "--queryFile", "--oplog", "--uri", "--host",
    "--port", "--username", "--password", "--authenticationDatabase", "--config", "--dumpDbUsersAndRoles",
    "--help", "--version", "--viewsAsCollections",
}  # fmt: skip
