"""What a plan may say about a Milvus service, and about where one is to be restored."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from haechi.credentials import SecretSource
from haechi.sources import _target

DEFAULT = "default"  # the database that every server has


class _Server(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = Field(None, description="Address of the server: http://host:19530, or https://…")
    user: str | None = None
    password: SecretSource | None = None
    token: SecretSource | None = Field(None, description="Instead of user and password")
    ca: str | None = Field(None, description="File with the authority that signed the server's certificate")

    @model_validator(mode="after")
    def _pairs(self) -> _Server:
        if bool(self.user) != bool(self.password):
            raise ValueError("user and password belong together")
        if self.user and self.token:
            raise ValueError("give either user and password, or token")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("url begins with http:// or https://")
        return self


class Options(_Server):
    """A Milvus server, and which of its collections are captured."""

    url: str = Field(
        "http://127.0.0.1:19530", description="Address of the server: http://host:19530, or https://…"
    )
    databases: Literal["all"] | tuple[str, ...] = Field("all", description='"all", one name or a list')
    collections: Literal["all"] | tuple[str, ...] = Field(
        "all", description="“docs” or “database.docs”, also with * and ?; everything else is left out"
    )
    exclude: tuple[str, ...] = Field((), description="Collections to leave out, named like those")
    load: bool = Field(
        True, description="Load a collection that is not, for as long as it is read; else that is an error"
    )
    facts: Literal["full", "counts"] = Field(
        "full", description="After a restore, compare a digest of every row, or the counts and searches alone"
    )
    searches: int = Field(5, ge=0, le=100, description="Vectors of each collection that are searched for")

    @field_validator("databases", "collections", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) and value != "all" else value

    @field_validator("exclude", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class Target(_target.Target, _Server):
    """Where a restore goes, if not beside the service's own collections on its own server."""

    database: str | None = Field(
        None, description="A database for all that comes back; made if it is not there"
    )
    ids: Literal["keep", "new"] = Field(
        "keep",
        description="Primary keys that the server made itself: as they were, or anew as it makes them now",
    )

    @property
    def elsewhere(self) -> bool:
        return bool(self.url or self.database)
