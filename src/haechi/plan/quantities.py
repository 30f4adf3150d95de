"""How much of something the plan means: of a line, of a file, of all that there is."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from haechi.i18n import _
from haechi.plan.fields import expected

_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMG]?)(i?)(B|b|bit)(?:/s|ps)", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3}


def _bandwidth(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    found = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        raise expected(_("so much a second, such as “20 MB/s” or “100 Mbit/s”"))
    number, power, binary, unit = found.groups()
    amount = float(number) * (1024 if binary else 1000) ** _POWERS[power.lower()]
    amount = amount if unit == "B" else amount / 8
    if amount < 1024:
        raise expected(_("at least 1 kB/s"))
    return int(amount)


Bandwidth = Annotated[
    int,
    PlainValidator(_bandwidth),
    PlainSerializer(lambda rate: f"{rate / 1000:.10g} kB/s"),
    WithJsonSchema({"type": "string", "examples": ["20 MB/s", "100 Mbit/s"]}),
]


_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}


def _size(value: Any) -> int:
    found = re.fullmatch(r"(\d+) ?([kmg]?)b?", value.strip().lower()) if isinstance(value, str) else None
    if found is None or not int(found[1]):
        raise expected(_("a size such as “10 MB”"))
    return int(found[1]) * _UNITS[found[2]]


Size = Annotated[
    int,
    PlainValidator(_size),
    PlainSerializer(lambda size: f"{size} B"),
    WithJsonSchema({"type": "string", "examples": ["10 MB"]}),
]


def _percent(value: Any) -> int:
    text = value.strip().removesuffix("%").strip() if isinstance(value, str) else str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100:
        raise expected(_("a share from 1 to 100, such as “10%”"))
    return int(text)


Percent = Annotated[
    int,
    PlainValidator(_percent),
    PlainSerializer(lambda share: share),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 100},
                {"type": "string", "examples": ["10%"]},
            ]
        }
    ),
]
