"""Keeps secrets out of what is shown and stored: those in the plan itself, and those that the environment put in."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from haechi.credentials import MASK, Secret, SecretSource

_USERINFO = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]+(?=@)")
_SECRET_NAME = re.compile(
    r"PASS|SECRET|TOKEN|KEY|CREDENTIAL|WEBHOOK|DSN|PRIVATE|_URL$|^DATABASE_", re.IGNORECASE
)


def sounds_secret(variable: str) -> bool:
    """Whether an environment variable of this name had better not be shown."""
    return _SECRET_NAME.search(variable) is not None


def masked(value: Any, hidden: Mapping[str, str]) -> Any:
    """The same with passwords in addresses starred and hidden texts replaced by where they came from."""
    if isinstance(value, str):
        for secret in sorted(hidden, key=len, reverse=True):
            value = value.replace(secret, hidden[secret])
        return _USERINFO.sub(rf"\1:{MASK}", value)
    if isinstance(value, Mapping):
        return {k: masked(v, hidden) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [masked(v, hidden) for v in value]
    return value


def literals(value: Any) -> Iterator[str]:
    """Every secret that stands in the plan itself."""
    if isinstance(value, SecretSource):
        if isinstance(value.origin, Secret):
            yield value.origin.reveal()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from literals(getattr(value, name))
        yield from literals(getattr(value, "options", None))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from literals(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from literals(one)


def sources(value: Any, at: str = "") -> Iterator[tuple[str, SecretSource]]:
    """Every secret that the plan names, with the key under which it does."""
    if isinstance(value, SecretSource):
        yield at, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from sources(getattr(value, name), f"{at}.{name.rstrip('_')}" if at else name)
        yield from sources(getattr(value, "options", None), at)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from sources(one, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from sources(one, at)


def without(text: str, secrets: Iterable[str]) -> str:
    """A plan's text with these secrets starred, wherever they stand between quotes."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        escaped = secret.replace("\\", "\\\\").replace('"', '\\"')
        text = text.replace(f'"{escaped}"', f'"{MASK}"').replace(f"'{secret}'", f"'{MASK}'")
        if len(secret) >= 8:  # long enough not to be a word of its own
            text = text.replace(secret, MASK)
    return text


def holds_any(data: Any, secrets: set[str]) -> bool:
    """Whether one of these secrets is still a value in there."""
    if isinstance(data, str):
        return data in secrets
    inside = data.values() if isinstance(data, Mapping) else data if isinstance(data, list) else ()
    return any(holds_any(one, secrets) for one in inside)
