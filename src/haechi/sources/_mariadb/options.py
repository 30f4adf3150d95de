"""What a plan may say about a MariaDB or MySQL server, and about where one is to be restored."""

from __future__ import annotations

from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from haechi.credentials import Secret, SecretSource
from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.sources import _target
from haechi.sources._databases import Databases

SCHEMES = ("mysql", "mariadb")


class _Server(BaseModel):
    """How a server is reached: by a URL, or by its parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretSource | None = Field(None, description="Address of the server: mysql://user:password@host/db")
    host: str | None = Field(None, description="Host name; without it the local socket")
    port: int | None = Field(None, ge=1, le=65535)
    socket: str | None = Field(None, description="Path of the local socket, if it is not the usual one")
    user: str | None = Field(None, description="Database user")
    password: SecretSource | None = None
    run_as: str | None = Field(None, description="System user in the place, for unix_socket authentication")

    @model_validator(mode="after")
    def _one_way(self) -> _Server:
        if self.url and (self.host or self.port or self.socket or self.user or self.password):
            raise ValueError("give either url, or host, port, socket, user and password")
        return self

    def login(self) -> tuple[dict[str, str], Secret | None, str]:
        """For the client: its settings, the password, and the database that a URL names. Fetches the secrets."""
        if self.url:
            return _from_url(self.url.fetch())
        settings = {"host": self.host, "port": self.port, "socket": self.socket, "user": self.user}
        if self.host and not self.socket:
            settings["protocol"] = "tcp"
        told = {name: str(value) for name, value in settings.items() if value}
        return told, self.password.fetch() if self.password else None, ""


class Options(_Server):
    """A server, and what of it is captured."""

    databases: Databases = Field(
        None, description='"all", one name or a list; without it the database of the URL, or else all'
    )
    exclude_databases: tuple[str, ...] = Field(
        (), description="With all: shell patterns of those to leave out"
    )
    dump_options: tuple[str, ...] = Field((), description="Further options for mariadb-dump")
    facts: Literal["sampled", "full", "counts", "none"] = Field(
        "sampled", description="What is counted for comparison; by default digests of all but large tables"
    )

    @field_validator("dump_options")
    @classmethod
    def _not_ours(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for option in options:
            if option.split("=")[0] in _OURS or not option.startswith("--"):
                raise ValueError(f"{option} is Haechi's own to say")
        return options


class Target(_Server, _target.Target):
    """Where a restore goes, if not beside the databases."""

    at: str | None = Field(None, description="Another place for the client, as in the plan")
    database: str | None = Field(None, description="The name of the new database")

    @property
    def elsewhere(self) -> bool:
        return bool(self.url or self.host or self.port or self.socket or self.at)


def _from_url(url: Secret) -> tuple[dict[str, str], Secret | None, str]:
    """Errors never show it: a password may be inside."""
    try:
        parts = urlsplit(url.reveal().strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme.partition("+")[0] not in SCHEMES:
        raise UsageMistake(
            _("The database's URL cannot be read."),
            hint=_("It should look like mysql://user:password@host:3306/database."),
        )
    settings = {"protocol": "tcp"} if parts.hostname else {}
    for name, value in (("host", parts.hostname), ("port", port), ("user", parts.username)):
        if value:
            settings[name] = unquote(str(value))
    return settings, Secret(unquote(parts.password)) if parts.password else None, unquote(parts.path[1:])


# These decide what the stream is, or where it goes.
_OURS = {
    "--all-databases", "--databases", "--result-file", "--host", "--port", "--user", "--password", "--socket",
    "--defaults-file", "--defaults-extra-file", "--no-defaults", "--tab", "--xml", "--single-transaction", "--system",
    "--routines", "--events", "--triggers", "--skip-routines", "--skip-events", "--skip-triggers", "--lock-tables",
    "--lock-all-tables", "--force", "--help", "--version", "--no-data", "--no-create-info", "--where", "--tables",
}  # fmt: skip
