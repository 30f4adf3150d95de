"""Where a file of an archive lies: a template becomes a name, and a name tells its time again.

    postgres/{tier}/erp_backup_{time:%Y%m%d_%H%M%S}.sql.gz

A layout that ends with /{object} is a mirror: each thing of a bucket is a file of its own below that directory.

The ending says how the file is made. {part} and {database} are a part's name without its own ending, where the
layout's ending says what is inside. A layout with neither of them names one file for all parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from functools import cached_property
from string import Formatter

from haechi.archive.endings import Ending, ending_of
from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.model import PartInfo

FIELDS = ("service", "part", "database", "tier", "time", "point", "host", "object")
_EACH = "/{object}"
HIDDEN = ".haechi"
_TIME = "%Y%m%d_%H%M%S"
_DIGITS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "j": 3}
_AGAIN = r"(?:-(?P<again>\d+))?"  # a second file of one name gets -2


@dataclass(frozen=True)
class Found:
    """What a file's name tells."""

    time: datetime
    service: str
    part: str
    tier: str
    ending: Ending
    part_is_whole: bool = False  # with its own ending, rather than without


@dataclass(frozen=True)
class Layout:
    """A template with the zone in which its times are written. `suffix` is what encryption adds."""

    template: str
    zone: tzinfo
    host: str = ""
    suffix: str = ""
    tiers: tuple[str, ...] = ("daily", "weekly", "monthly")
    lasting: bool = False  # names one file that is replaced again and again, so it needs no time

    def __post_init__(self) -> None:
        mistake = _mistake(self.template, self.fields, self.lasting) or self._mistake_of_mirrors()
        if mistake:
            raise UsageMistake(
                _("The layout “{layout}” cannot be used: {reason}").format(
                    layout=self.template, reason=mistake
                ),
                hint=_(
                    "For example: postgres/{{tier}}/backup_{{time:%Y%m%d_%H%M%S}}.sql.gz; known are {names}."
                ).format(names=", ".join(f"{{{name}}}" for name in FIELDS)),
            )

    def _mistake_of_mirrors(self) -> str:
        if "object" not in self.fields:
            return ""
        if not self.mirrors or self.fields.count("object") > 1:
            return _("{object} stands once, at the end and after a slash.")
        if self.suffix or self.lasting or {"part", "database", "tier", "point"} & set(self.fields):
            return _("with {object} there is no encryption, no `latest`, and no {part}, {tier} or {point}.")
        return ""

    @cached_property
    def _pieces(self) -> tuple[tuple[str, str | None, str], ...]:
        try:
            return tuple(
                (text, field, spec or "") for text, field, spec, _how in Formatter().parse(self._bare)
            )
        except ValueError:
            return ((self._bare, "", ""),)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(field for _text, field, _spec in self._pieces if field is not None)

    @property
    def _bare(self) -> str:
        return self.template.removesuffix(self.suffix)

    @property
    def ending(self) -> Ending:
        return ending_of(self._bare)

    @property
    def prefix(self) -> str:
        """What every name begins with, as far as it is a directory."""
        text, field, _spec = self._pieces[0]
        return text[: text.rfind("/") + 1] if field is not None else ""

    @property
    def joins(self) -> bool:
        """Whether all parts of a point go into one file."""
        return "part" not in self.fields and "database" not in self.fields

    @property
    def mirrors(self) -> bool:
        """Whether each object is a file of its own, as it is; see `directory`."""
        return self.template.endswith(_EACH)

    def directory(self, *, service: str, time: datetime) -> str:
        """Below which a mirror keeps its objects."""
        above = replace(self, template=self.template.removesuffix(_EACH))
        return above.name(service=service, part=PartInfo("", ""), tier="", point="", time=time)

    @property
    def own_tiers(self) -> tuple[str, ...]:
        """The tiers that have directories of their own, finest first; one without a name where there are none."""
        return self.tiers if "tier" in self.fields else ("",)

    def ending_for(self, part: PartInfo) -> Ending:
        """How this part's file is made: roles beside databases in custom format are SQL text all the same."""
        if self.ending.fits(part.form):
            return self.ending
        if self.joins:
            raise UsageMistake(
                _("“{part}” has the form {form}, and the layout “{layout}” holds another.").format(
                    part=part.name, form=part.form, layout=self.template
                ),
                hint=_(
                    "Let the service's format and the layout's ending agree: plain with .sql.gz, custom with .dump."
                ),
            )
        return ending_of(part.name)

    def name(
        self, *, service: str, part: PartInfo, tier: str, point: str, time: datetime, again: int = 1
    ) -> str:
        """The key of this file. `again` counts up when another file has the name already."""
        values = {
            "service": _plain(service),
            "part": _plain(_stem(part.name) if self.ending.form else part.name),
            "database": _plain(_stem(part.name)),
            "tier": tier,
            "point": _plain(point),
            "host": _plain(self.host),
            "object": "",
        }
        local = time.astimezone(self.zone)
        made = "".join(
            text
            + ("" if field is None else local.strftime(spec or _TIME) if field == "time" else values[field])
            for text, field, spec in self._pieces
        )
        old = self.ending.text
        new = (self.ending if self.joins else self.ending_for(part)).text
        stem = made[: len(made) - len(old)] if old else made
        return f"{stem}-{again}{new}{self.suffix}" if again > 1 else f"{stem}{new}{self.suffix}"

    def named(self, template: str) -> Layout:
        """The layout of a file that always bears the newest backup."""
        return replace(self, template=template, lasting=True)

    def match(self, key: str, service: str = "") -> Found | None:
        """What this name tells, if it could have been made by this layout; `service` where the name does not say."""
        found = self._pattern.fullmatch(key) if self._pattern else None
        if not found:
            return None
        groups = found.groupdict()
        time = _moment(groups, self.zone)
        if time is None:
            return None
        return Found(
            time=time,
            service=groups.get("service") or service,
            part=groups.get("part") or groups.get("database") or "",
            tier=groups.get("tier") or "",
            ending=self.ending,
            part_is_whole="part" in groups and not self.ending.form,
        )

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        """Matches every name made by this layout; None where its times cannot be read back."""
        made, seen = "", set[str]()
        end = len(self._pieces) - 1
        for n, (text, field, spec) in enumerate(self._pieces):
            literal = text[: len(text) - len(self.ending.text)] if n == end and field is None else text
            made += re.escape(literal)
            if field == "time":
                timed = _time_pattern(spec or _TIME, seen)
                if timed is None:
                    return None
                made += timed
            elif field is not None:
                made += _field_pattern(field, self.tiers, seen)
        if not {"time_Y", "time_m", "time_d"} <= seen:
            return None
        return re.compile(made + _AGAIN + re.escape(self.ending.text + self.suffix))


def _mistake(template: str, fields: tuple[str, ...], lasting: bool) -> str:
    unknown = [field for field in fields if field not in FIELDS]
    if unknown:
        return _("{{{name}}} is not known.").format(name=unknown[0])
    if not lasting and "time" not in fields and "point" not in fields:
        return _("without {time} every backup would have the same name.")
    parts = template.split("/")
    if any(part in ("", ".", "..") for part in parts) or parts[0] == HIDDEN:
        return _("it must be a relative path below the archive's address.")
    return ""


def _plain(value: str) -> str:
    """A value as one part of a path: a database may be called `../x`."""
    clean = re.sub(r"[/\\\x00-\x1f\x7f]", "_", value)
    return "_" + clean[1:] if clean.startswith(".") else clean or "_"


def _stem(part: str) -> str:
    return part.removesuffix(ending_of(part).text) or part


def _field_pattern(field: str, tiers: tuple[str, ...], seen: set[str]) -> str:
    if field in seen:
        return f"(?P={field})"
    seen.add(field)
    inside = "|".join(map(re.escape, tiers)) if field == "tier" else "[^/]+?"
    return f"(?P<{field}>{inside})"


def _time_pattern(spec: str, seen: set[str]) -> str | None:
    made = ""
    for text, directive in re.findall(r"([^%]*)(?:%(.)|$)", spec):
        made += re.escape(text)
        if not directive:
            continue
        if directive not in _DIGITS:
            return None
        group = f"time_{directive}"
        made += f"(?P={group})" if group in seen else rf"(?P<{group}>\d{{{_DIGITS[directive]}}})"
        seen.add(group)
    return made


def _moment(groups: Mapping[str, str | None], zone: tzinfo) -> datetime | None:
    told = [int(groups.get(f"time_{d}") or 0) for d in "YmdHMS"]
    try:
        return datetime(*told, tzinfo=zone)  # type: ignore[misc, arg-type]
    except ValueError:
        return None
