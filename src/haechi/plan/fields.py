"""The kinds of values a plan is made of, beyond text and numbers: schedules, lengths of time, retention, lists.

Each reads the short form that a person writes and gives the typed value that operations work with. What is wrong
is said as what was expected.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from haechi.i18n import N_, _
from haechi.legs import Rule
from haechi.model import Keep, Promise
from haechi.plan.masking import masked
from haechi.schedule import Schedule, Window, parse, parse_duration, say_duration
from haechi.schedule.words import WEEKDAYS


class Section(BaseModel):
    """A table of the plan. It takes only the keys it knows, and its complaints never show a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Addresses may hold passwords; no repr does."""
        for name, value in super().__repr_args__():
            yield name, masked(value, {}) if isinstance(value, str) else value


def expected(what: str, kind: str = "wrong-value", message: str = "") -> PydanticCustomError:
    """A complaint that says what should have stood there."""
    return PydanticCustomError("expected", "{what}", {"what": what, "kind": kind, "message": message})


class Through:
    """Reads a table by a model, then makes something else of it; `short` turns the short form into the table."""

    def __init__(
        self, model: type[BaseModel], make: Callable[[Any], Any], short: Callable[[Any], Any], text: str
    ):
        self.model = model
        self.make = make
        self.short = short
        self.text = text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        made = core_schema.no_info_after_validator_function(self.make, handler.generate_schema(self.model))
        return core_schema.no_info_before_validator_function(
            self.short, made, serialization=core_schema.plain_serializer_function_ser_schema(shown)
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        table = self.model.model_json_schema(by_alias=True)
        return {"anyOf": [{"type": "string", "description": self.text}, table]} if self.text else table


# -- lengths of time ---------------------------------------------------------------------------------


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise expected(_("a length of time such as “6h” or “30 days”, in quotes"), "wrong-type")
    try:
        return parse_duration(value)
    except ValueError as problem:
        raise expected(str(problem)) from None


Duration = Annotated[
    timedelta,
    PlainValidator(_duration),
    PlainSerializer(say_duration),
    WithJsonSchema({"type": "string", "examples": ["6h", "30 days", "1d 12h"]}),
]


# -- schedules ---------------------------------------------------------------------------------------


def _schedule(value: Any) -> Schedule:
    if isinstance(value, Schedule):
        return value
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise expected(_("a schedule such as “daily 02:00”, or a list of them"), "wrong-type")
    try:
        whole = parse(texts[0])
        for text in texts[1:]:
            whole |= parse(text)
    except ValueError as problem:
        raise expected(str(problem)) from None
    if whole.longest_gap() is None:
        raise expected(_("a schedule that comes round"), "never-fires", _("this never comes."))
    return whole


_EXAMPLES = ["daily 02:00", "sunday 03:00", "every 6h", "monthly 1st 04:00", "0 2 * * *"]
When = Annotated[
    Schedule,
    PlainValidator(_schedule),
    PlainSerializer(str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": _EXAMPLES},
                {"type": "array", "items": {"type": "string", "examples": _EXAMPLES}},
            ]
        }
    ),
]


def _parsed(kind: type[Window] | type[Rule], value: Any) -> Window | Rule:
    """What its own kind reads out of a text."""
    if isinstance(value, kind):
        return value
    try:
        return kind.parse(value if isinstance(value, str) else "")
    except ValueError as problem:
        raise expected(str(problem)) from None


Hours = Annotated[
    Window,
    PlainValidator(partial(_parsed, Window)),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["22:00-06:00", "weekdays 09:00-18:00"]}),
]


def _zone(value: Any) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise PydanticCustomError("zone", "a time zone") from None


Zone = Annotated[
    ZoneInfo,
    PlainValidator(_zone),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["Asia/Seoul", "Europe/Berlin", "UTC"]}),
]


def _listen(value: Any) -> tuple[str, int]:
    host, colon, port = value.strip().rpartition(":") if isinstance(value, str) else ("", "", "")
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise expected(_("an address and a port to listen on, such as “127.0.0.1:9310”"))
    return host.strip("[]") or "127.0.0.1", int(port)


Listen = Annotated[
    tuple[str, int],
    PlainValidator(_listen),
    PlainSerializer(
        lambda value: f"[{value[0]}]:{value[1]}" if ":" in value[0] else f"{value[0]}:{value[1]}"
    ),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.1:9310"]}),
]


# -- where copies lie ----------------------------------------------------------------------------------


CopyRule = Annotated[
    Rule,
    PlainValidator(partial(_parsed, Rule)),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["3-2-1", "3-2-1-1-0"]}),
]


# -- how long things stay, and what is promised ------------------------------------------------------

TIERS = ("hourly", "daily", "weekly", "monthly", "yearly")


def _tier(value: Any) -> Any:
    if isinstance(value, str):
        return _duration(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise expected(_("a number of points, or how long: “30 days”"), "wrong-type")


Tier = Annotated[
    int | timedelta,
    PlainValidator(_tier),
    PlainSerializer(lambda value: shown(value)),  # noqa: PLW0108 - defined further down
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "examples": ["30 days"]}]}
    ),
]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class KeepTable(Section):
    """How long restore points stay. Each rule keeps points; together they keep the union."""

    last: int | None = Field(None, ge=0, description="The newest so many, however old they are.")
    hourly: Tier | None = Field(None, description="One an hour: so many of them, or for so long.")
    daily: Tier | None = Field(None, description="One a day: so many of them, or for so long: “7 days”.")
    weekly: Tier | None = Field(None, description="One a week: so many of them, or for so long.")
    monthly: Tier | None = Field(None, description="One a month: so many of them, or for so long.")
    yearly: Tier | None = Field(None, description="One a year: so many of them, or for so long.")
    within: Duration | None = Field(None, description="Every point that is younger than this.")
    days: int | None = Field(None, ge=0, description="Every point of so many days: short for within.")
    at_most: int | None = Field(
        None, ge=0, description="Never more than so many in all: the newest of them stay."
    )
    tags: tuple[str, ...] = Field((), description="Points with one of these tags never expire.")
    weekly_on: Weekday = Field(
        "sunday", description="The day on which a week begins: its point stands for the week."
    )
    stands: Literal["first", "newest"] = Field(
        "first", description="Which point stands for an hour, a day, a week."
    )


def _keep(table: KeepTable) -> Keep:
    given = {name: getattr(table, name) for name in ("last", "within", *TIERS)}
    if table.days is not None:
        if table.within is not None:
            raise expected(_("either days or within"))
        given["within"] = timedelta(days=table.days)
    rules = [rule for rule in given.values() if rule is not None]
    if table.at_most == 0 or (rules and not any(rules)):
        raise expected(_("a retention that keeps something"), "keeps-nothing", _("this keeps nothing."))
    return Keep(
        **given,
        at_most=table.at_most,
        tags=table.tags,
        weekly_on=WEEKDAYS.index(table.weekly_on),
        stands=table.stands,
    )


def _short_keep(value: Any) -> Any:
    if isinstance(value, str):
        return {} if value in ("forever", "영구") else {"within": value}
    if not isinstance(value, dict):
        raise expected(_("how long, such as “30 days”, or a table of rules"), "wrong-type")
    return value


KeepRule = Annotated[
    Keep, Through(KeepTable, _keep, _short_keep, N_("How long every point stays: “30 days”, or “forever”."))
]


class PromiseTable(Section):
    """What is promised: how much may be lost (RPO), and how long it may take until it runs again (RTO)."""

    rpo: Duration | None = Field(None, description="Recovery point objective: at most this much may be lost.")
    rto: Duration | None = Field(None, description="Recovery time objective: it runs again within this time.")


def _promise(table: PromiseTable) -> Promise:
    return Promise(rpo=table.rpo, rto=table.rto)


def _short_promise(value: Any) -> Any:
    if not isinstance(value, dict):
        raise expected(_("a table such as { rpo = “6h”, rto = “2h” }"), "wrong-type")
    return value


Promised = Annotated[
    Promise, Through(PromiseTable, _promise, _short_promise, N_("A table with rpo and rto."))
]


# -- lists -------------------------------------------------------------------------------------------


class _OneOrMany:
    """A list, for which one thing may stand by itself."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_as_list, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(schema["schema"])
        return {"anyOf": [many.get("items", {}), many]}


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


OneOrMany = _OneOrMany()
Names = Annotated[tuple[str, ...], OneOrMany]


class Short(Section):
    """A table that may be written as its first key alone."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        first = next(iter(cls.model_fields))
        return {first: value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        field = next(iter(cls.model_fields.values()))
        return {"anyOf": [{"type": "string", "description": field.description}, handler(schema)]}


def _argv(value: Any) -> Any:
    """A command line as it is typed, without a shell: quotes are understood, pipes and variables are not."""
    if not isinstance(value, str):
        return value
    import shlex

    try:
        return shlex.split(value)
    except ValueError:
        raise expected(_("a command whose quotes are closed")) from None


Command = Annotated[
    tuple[str, ...],
    BeforeValidator(_argv),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


def shown(value: Any) -> Any:
    """A typed value as the plan would write it."""
    if isinstance(value, timedelta):
        return say_duration(value)
    if isinstance(value, Promise):
        return {k: say_duration(v) for k, v in (("rpo", value.rpo), ("rto", value.rto)) if v is not None}
    if isinstance(value, Keep):
        said = {
            f: shown(getattr(value, f)) for f in ("last", *TIERS, "within", "at_most") if getattr(value, f)
        }
        if value.tags:
            said["tags"] = list(value.tags)
        if value.weekly:
            said["weekly_on"] = WEEKDAYS[value.weekly_on]
        if value.stands != "first":
            said["stands"] = value.stands
        return said or "forever"
    return value
