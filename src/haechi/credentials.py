"""Secrets: a type that never shows itself, and the ways by which one is fetched.

A secret travels by environment, file or descriptor; never by argv, log, journal or page. The plan says
where it is (`{ env = "X" }`, `{ file = "/etc/x" }`, ...), and it is fetched when it is used, not before.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

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


_WAYS = ("env", "file", "command", "credential", "container_secret")


class Origin(BaseModel):
    """Where a value is kept: exactly one of these ways."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    env: str | None = Field(default=None, description="The environment variable of this name.")
    file: Path | None = Field(
        default=None, description="The content of this file, without its last line end."
    )
    command: tuple[str, ...] | None = Field(
        default=None, description="What this program and its arguments write to standard output."
    )
    credential: str | None = Field(default=None, description="systemd's LoadCredential= of this name.")
    container_secret: str | None = Field(default=None, description="The container secret /run/secrets/NAME.")
    default: str | None = Field(
        default=None,
        description="With `env` only: the value when it is not set, for what is not really secret.",
    )

    @field_validator("file")
    @classmethod
    def _beside_the_plan(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        """A relative path is relative to the file that says it, wherever haechi happens to be started."""
        base = (info.context or {}).get("base")
        return file if file is None or base is None else base / file.expanduser()

    @model_validator(mode="after")
    def _one_way(self) -> Origin:
        given = [way for way in _WAYS if getattr(self, way) is not None]
        if len(given) != 1:
            raise ValueError(_("exactly one of {ways}").format(ways=", ".join(_WAYS)))
        if self.default is not None and self.env is None:
            raise ValueError(_("`default` together with `env` only"))
        if self.command == ():
            raise ValueError(_("a program and its arguments"))
        return self

    def read(self) -> str:
        """Look there now. Raises SecretMissing, or what the program came to."""
        return _read(self)

    def shown(self) -> dict[str, Any]:
        """The way and the name, without the value."""
        return self.model_dump(exclude_none=True, exclude={"default"}, mode="json")


@dataclass(frozen=True)
class _Sourced:
    """A value that the plan gives itself, or says where to fetch."""

    origin: Origin | Secret

    @classmethod
    def literal(cls, value: str) -> Self:
        return cls(Secret(value))

    @classmethod
    def _validate(cls, value: Any, as_origin: ValidatorFunctionWrapHandler) -> Self:
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls.literal(value)
        if not isinstance(value, Mapping):
            raise PydanticCustomError("sourced", "text, or where it is kept")
        return cls(as_origin(value))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            cls._validate,
            handler.generate_schema(Origin),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda s: s.as_plan()),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(schema["schema"])]}


class SecretSource(_Sourced):
    """A secret as the plan names it; `fetch()` reads it now. A literal in the plan is kept masked too."""

    def fetch(self) -> Secret:
        return self.origin if isinstance(self.origin, Secret) else Secret(self.origin.read())

    def __str__(self) -> str:
        if isinstance(self.origin, Secret):
            return MASK
        return " ".join(f"{way}:{where}" for way, where in self.origin.shown().items())

    @property
    def file(self) -> Path | None:
        """The file in which it is kept, if it is kept in one."""
        return (
            None if isinstance(self.origin, Secret) or not self.origin.file else self.origin.file.expanduser()
        )

    def as_plan(self) -> Any:
        """As it may be shown: the place where it is kept, or stars."""
        return MASK if isinstance(self.origin, Secret) else self.origin.shown()


class Value(_Sourced):
    """An ordinary text that may be kept elsewhere like a secret; `fetch()` reads it now."""

    def fetch(self) -> str:
        return self.origin.reveal() if isinstance(self.origin, Secret) else self.origin.read()

    def __str__(self) -> str:
        return str(self.as_plan())

    def as_plan(self) -> Any:
        return self.origin.reveal() if isinstance(self.origin, Secret) else self.origin.shown()


def _read(origin: Origin) -> str:
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


def _file_of(origin: Origin) -> Path:
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
