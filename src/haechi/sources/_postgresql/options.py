"""What a plan may say about a PostgreSQL service, and about where one is to be restored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from haechi.credentials import SecretSource
from haechi.sources import _target
from haechi.sources._databases import Databases, OneOrSeveral, demand_none_of
from haechi.sources._postgresql.address import Address, from_url
from haechi.sources._postgresql.checks import Check


class _Server(BaseModel):
    """How a server is reached: by a URL, or by its parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretSource | None = Field(None, description="Address of the server, as DATABASE_URL holds it")
    host: str | None = Field(None, description="Host name, or the directory of the socket")
    port: int | None = Field(None, ge=1, le=65535)
    user: str | None = Field(None, description="Database user; a superuser sees everything")
    password: SecretSource | None = None
    run_as: str | None = Field(None, description="System user in the place, for peer authentication")
    bindir: str | None = Field(
        None, description="Where pg_dump and psql are, if they are not found by themselves"
    )
    maintenance: str = Field("postgres", description="Database to connect to for work on the others")

    @model_validator(mode="after")
    def _one_way(self) -> _Server:
        if self.url and (self.host or self.port or self.user or self.password):
            raise ValueError("give either url, or host, port, user and password")
        return self

    def address(self) -> Address:
        """Fetches the secrets: called when they are used, not before."""
        if self.url:
            return from_url(self.url.fetch())
        settings = {"PGHOST": self.host, "PGPORT": self.port and str(self.port), "PGUSER": self.user}
        return Address(
            {name: value for name, value in settings.items() if value},
            self.password.fetch() if self.password else None,
        )


class Options(_Server, OneOrSeveral):
    """A PostgreSQL server, and what of it is captured."""

    databases: Databases = Field(
        None, description='"all", one name or a list; without it the database of the URL, or else all'
    )
    exclude_databases: tuple[str, ...] = Field(
        (), description="With all: shell patterns of those to leave out"
    )
    globals: bool | None = Field(None, description="Roles and tablespaces too; by default with all databases")
    role_passwords: bool = Field(True, description="Passwords of the roles too; wants a superuser")
    format: Literal["custom", "plain"] = Field("custom", description="pg_restore's format, or SQL text")
    what: Literal["all", "schema", "data"] = "all"
    tables: tuple[str, ...] = Field((), description="pg_dump's patterns of tables to take, and no others")
    exclude_tables: tuple[str, ...] = ()
    exclude_table_data: tuple[str, ...] = Field((), description="Tables whose rows are left out")
    schemas: tuple[str, ...] = ()
    exclude_schemas: tuple[str, ...] = ()
    dump_options: tuple[str, ...] = Field(
        (), description="Further options for pg_dump, such as --no-comments"
    )
    facts: Literal["sampled", "full", "counts", "none"] = Field(
        "sampled", description="What is counted under the dump's snapshot, to compare with after a restore"
    )

    @field_validator("dump_options")
    @classmethod
    def _no_clash(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return demand_none_of(_OURS, given, "pg_dump")

    @property
    def filtered(self) -> bool:
        return bool(self.tables or self.exclude_tables or self.schemas or self.exclude_schemas)


class Target(_Server):
    """Where a restore goes, if not beside the service's own databases on its own server."""

    at: str | None = Field(
        None, description="Place of the target's programs, as in the plan; by default the same"
    )
    database: str | None = Field(None, description="Name of the new database; it must not exist yet")
    roles: dict[str, str] = Field(default_factory=dict, description="Owners by new names: { old = 'new' }")
    checks: tuple[Check, ...] = Field((), description="Queries that must hold in what came back")
    owners: bool = Field(
        True, description="Keep owners and privileges; without, all belongs to the user who restores"
    )

    scratch: bool = Field(
        False, description="Beside what is there, under a name and a mark of its own, also on another server"
    )

    @field_validator("checks", mode="before")
    @classmethod
    def _ours(cls, given: object) -> object:
        """A plan's checks may also be calls and commands, which are others' to carry out."""
        if not isinstance(given, list | tuple):
            return given
        return [check for check in given if not isinstance(check, dict) or check.get("sql")]

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Target:
        """Raises UsageMistake."""
        return _target.read(cls, given)

    @property
    def elsewhere(self) -> bool:
        """Whether it names a server of its own."""
        return bool(self.url or self.host or self.port or self.at)


# These decide what the stream is, or where it goes.
_OURS = {
    "--file", "--format", "--compress", "--snapshot", "--jobs", "--dbname", "--host", "--port", "--username",
    "--password", "--no-password", "--create", "--clean", "--if-exists", "--encoding", "--no-sync", "--data-only",
    "--schema-only", "--table", "--schema", "--exclude-table", "--exclude-schema", "--exclude-table-data",
    "--version", "--help", "--no-data", "--no-schema", "--section",
}  # fmt: skip
