"""Any of our values as JSON: times in ISO 8601, durations in seconds, secrets as stars."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Set
from datetime import date, timedelta
from enum import Enum
from typing import Any


def as_json(value: Any) -> str:
    return _writable(json.dumps(value, default=_plain, ensure_ascii=False, indent=2))


def as_line(value: Any) -> str:
    return _writable(json.dumps(value, default=_plain, ensure_ascii=False))


def _writable(text: str) -> str:
    """A name that is not UTF-8 is written in JSON's own way, \\udcff, and comes back as the same name."""
    return text.encode("utf-8", "backslashreplace").decode()


def _plain(value: Any) -> Any:
    """One of our values as something that JSON knows; what is inside it comes here by itself."""
    match value:
        case date():  # and datetime
            made: Any = value.isoformat()
        case timedelta():
            made = value.total_seconds()
        case Enum():
            made = value.value
        case bytes() | bytearray():
            made = value.hex()
        case Mapping():
            made = {str(key): item for key, item in value.items()}
        case Set():
            made = sorted(value)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            made = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        case _ if hasattr(value, "model_dump"):
            made = value.model_dump(mode="json")
        case _:
            made = str(value)
    return made
