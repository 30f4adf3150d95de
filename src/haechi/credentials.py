"""Secrets: a type that never shows itself, and the ways by which one is fetched.

A secret travels by environment, file or descriptor; never by argv, log, journal or page. The plan says
where it is (`{ env = "X" }`, `{ file = "/etc/x" }`, ...), and it is fetched when it is used, not before.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from haechi import process
from haechi.errors import SecretMissing
from haechi.i18n import _

MASK = "********"


class Secret:
    """A value that prints as stars. Only `reveal()` gives it, where it is handed to the thing that needs it."""

    __slots__ = ("_value",)

    def __init__(self, value: str):
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not to be pickled")


class _Origin(BaseModel):
    """Where a secret is kept: exactly one of these."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str | None = None
    file: Path | None = None
    command: tuple[str, ...] | None = None
    credential: str | None = None  # systemd's LoadCredential=
    container_secret: str | None = None  # /run/secrets/NAME
    default: str | None = None  # for `env` only, and only for what is not really secret

    @model_validator(mode="after")
    def _one_origin(self) -> _Origin:
        given = [n for n in ("env", "file", "command", "credential", "container_secret") if getattr(self, n)]
        if len(given) != 1:
            raise ValueError("name exactly one of env, file, command, credential, container_secret")
        return self


@dataclass(frozen=True)
class SecretSource:
    """A secret as the plan names it; `fetch()` reads it now. A literal in the plan is kept masked too."""

    origin: _Origin | Secret

    def fetch(self) -> Secret:
        if isinstance(self.origin, Secret):
            return self.origin
        return Secret(_read(self.origin))

    def __str__(self) -> str:
        if isinstance(self.origin, Secret):
            return MASK
        kept = self.origin.model_dump(exclude_none=True, exclude={"default"}, mode="json")
        return " ".join(f"{kind}:{where}" for kind, where in kept.items())

    def as_plan(self) -> Any:
        """As it may be shown: the place where it is kept, or stars."""
        if isinstance(self.origin, Secret):
            return MASK
        return self.origin.model_dump(exclude_none=True, exclude={"default"}, mode="json")

    @classmethod
    def literal(cls, value: str) -> SecretSource:
        return cls(Secret(value))

    @classmethod
    def _validate(cls, value: Any) -> SecretSource:
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls.literal(value)
        return cls(_Origin.model_validate(value))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda s: s.as_plan()),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        origin = handler(_Origin.__pydantic_core_schema__)
        return {"anyOf": [{"type": "string"}, origin]}


def _read(origin: _Origin) -> str:
    if origin.env is not None:
        value = os.environ.get(origin.env, origin.default)
        if value is None:
            raise SecretMissing(
                _("The environment variable {name} is not set.").format(name=origin.env),
                hint=_('Set it for the user who runs haechi, or name a file instead: { file = "…" }.'),
            )
        return value
    if origin.command is not None:
        done = process.run(list(origin.command), deadline=60)
        return done.stdout.decode().rstrip("\r\n")
    return _read_file(_file_of(origin))


def _file_of(origin: _Origin) -> Path:
    if origin.file is not None:
        return origin.file.expanduser()
    if origin.container_secret is not None:
        return Path("/run/secrets") / origin.container_secret
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory is None:
        raise SecretMissing(
            _("systemd gave this process no credentials, so “{name}” cannot be read.").format(
                name=origin.credential
            ),
            hint=_("Run it as a systemd unit with LoadCredential={name}:/path.").format(
                name=origin.credential
            ),
        )
    return Path(directory) / str(origin.credential)


def _read_file(path: Path) -> str:
    try:
        return path.read_text().rstrip("\r\n")
    except OSError as problem:
        raise SecretMissing(
            _("The secret in {path} cannot be read: {reason}.").format(path=path, reason=problem.strerror),
            hint=_("Create the file with mode 0600, owned by the user who runs haechi."),
        ) from None
