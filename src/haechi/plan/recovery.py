"""The tables of a plan that concern coming back: sets, scenarios, guarded commands; and the hosts that work."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from haechi.credentials import SecretSource
from haechi.i18n import _
from haechi.plan.fields import (
    Command,
    Duration,
    Hours,
    KeepRule,
    Listen,
    Names,
    OneOrMany,
    Promised,
    Section,
    Short,
    When,
    expected,
)
from haechi.plan.quantities import Size
from haechi.plan.sections import Drilling, Named, Priority
from haechi.plan.steps import Check, Many, Step


class Audit(Section):
    """References that must hold after a set was restored: every value of the query is found in another service."""

    sql: str = Field(description="A query for the values, such as object keys.")
    of: str = Field(description="The service of the set that is asked.")
    exists_in: Names = Field(description="The services of the set in which each value must exist.")
    where: dict[str, str] = Field(
        default_factory=dict,
        description="Where in each of these: a column “db:schema.table.column”, a directory, a field.",
    )
    database: str = Field("", description="Where the query is asked, if that service has several databases.")
    title: str = Field("", description="What it shows, for people.")

    @model_validator(mode="after")
    def _where_it_is_looked_for(self) -> Self:
        if not set(self.where) <= set(self.exists_in):
            raise expected(_("in `where` only services that stand in `exists_in`"))
        return self


class Application(Short):
    """A command that serves over HTTP, started against what has come back."""

    run: Command = Field(min_length=1, description="The command, without a shell; it listens at {app.port}.")
    directory: str | None = Field(None, description="Where it runs; else in a new directory.")
    port: int | None = Field(None, ge=1, le=65535, description="Where it listens; else at a free port.")
    ready: str = Field("/", pattern="^/", description="The path that answers once it is ready.")
    deadline: Duration | None = Field(
        None, description="How long it may take until it answers; else a minute."
    )


class Rehearsal(Short):
    """[set.NAME.drill]: the whole stack into throwaways, the references between them, and an application on top."""

    when: When | None = Field(None, description="When; by hand only when there is none.")
    of: Names = Field((), description="From which copies, each time from each; else from the first of each.")
    into: dict[str, str] = Field(
        default_factory=dict, description="By service: its throwaway place; else what suits its kind."
    )
    order: tuple[Names, ...] = Field(
        (), description="Services in the order they come back; a list: side by side. Else by their `after`."
    )
    env: dict[str, str] = Field(
        default_factory=dict,
        description="What the application and the checks find in their environment: “{SERVICE.url}”, …",
    )
    app: Application | None = Field(None, description="Started when all has come back.")
    checks: tuple[Check, ...] = Field((), description="What must hold of what has come back.")


class Set(Named):
    """[set.NAME]: services of one application, taken as one point and restored together."""

    of: Names = Field(min_length=1, description="Its services, in the order in which they are taken.")
    about: str = Field("", description="What it is, for the documents.")
    backup: When | None = Field(None, description="When the set is taken as one.")
    keep: KeepRule | None = Field(None, description="How long its points stay.")
    freeze: Many = Field((), description="Done first, so that nothing is written meanwhile.")
    thaw: Many = Field((), description="Done last, in any case: it may be done twice.")
    audit: tuple[Audit, ...] = Field((), description="References between its services that must hold.")
    deadline: Duration | None = Field(None, description="How long it may take.")
    promise: Promised | None = Field(None, description="RTO of the whole, which its drill measures.")
    drill: Rehearsal | None = Field(None, description="How and when all of it is rehearsed together.")


class Scenario(Named):
    """[scenario.NAME]: what happened, and the steps that bring things back."""

    title: str = Field("", description="What it is called.")
    about: str = Field("", description="How one knows that this is what happened.")
    priority: Priority = Field("high", description="What comes first.")
    promise: Promised | None = Field(None, description="RPO and RTO of the whole.")
    takes: Annotated[tuple[Duration, ...], OneOrMany] = Field(
        (),
        max_length=2,
        description="How long it is expected to take, from and to; measured by drills later.",
    )
    order: tuple[Names, ...] = Field(
        (), description="Services in the order they come back; a list: side by side."
    )
    steps: tuple[Step, ...] = Field((), description="The steps. Without them: the order, then the checks.")
    checks: tuple[Check, ...] = Field((), description="What must hold at the end.")
    drill: Annotated[tuple[Drilling, ...], OneOrMany] = Field(
        (), description="When it is rehearsed as a whole."
    )


class Guard(Named):
    """[guard.NAME]: a command with a restore point before it and a way back, such as a deploy or a batch job."""

    run: Command = Field(min_length=1, description="The command, without a shell.")
    services: Names = Field(min_length=1, description="What is saved before it.")
    at: str = Field("local", description="Where the command runs.")
    about: str = Field("", description="What it does.")
    save_after: bool = Field(False, description="Save once more when it went well.")
    checks: tuple[Check, ...] = Field((), description="What must hold after it.")
    on_failure: Literal["offer", "restore", "leave"] = Field(
        "offer", description="Whether to go back by itself."
    )
    deadline: Duration | None = Field(None, description="How long it may take.")


class Log(Short):
    """Where what happens is written for people and for programs that gather logs."""

    to: str = Field(min_length=1, description="A file, “journald”, or “stdout”.")
    format: Literal["text", "json"] = Field("text", description="Lines for people, or JSON.")
    size: Size = Field(
        "10 MB", validate_default=True, description="A file is turned over when it is so large."
    )
    files: int = Field(5, ge=0, le=100, description="How many older files stay.")

    @field_validator("to")
    @classmethod
    def _beside_the_plan(cls, to: str, info: ValidationInfo) -> str:
        """A relative file is relative to the plan, wherever haechi happens to be started."""
        base = (info.context or {}).get("base")
        return to if to in ("journald", "stdout") or not base else str(base / to)


class Traces(Short):
    """Where traces of runs are sent."""

    to: str = Field(
        description="An OpenTelemetry collector that speaks OTLP over HTTP: “http://collector:4318”."
    )
    headers: dict[str, SecretSource] = Field(
        default_factory=dict, description="What goes with them, such as { authorization = { env = “…” } }."
    )

    @field_validator("to")
    @classmethod
    def _by_http(cls, to: str) -> str:
        parts = urlsplit(to)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise expected(_("the address of a collector, such as “http://collector:4318”"))
        return to


class Server(Section):
    """[server]: how the work is done on the hosts that do it."""

    parallel: int = Field(
        2, ge=1, description="How many services, and of these how many databases, are worked on at once."
    )
    together: int | None = Field(
        None, ge=1, description="How many services all hosts together work on at once; no limit if not said."
    )
    state: str = Field(
        "", description="The directory for the journal and locks; else the system's usual one."
    )
    journal: SecretSource | None = Field(None, description="The journal's address; else SQLite in `state`.")
    journal_keep: Duration | None = Field(None, description="How long history stays.")
    blackout: Annotated[tuple[Hours, ...], OneOrMany] = Field(
        (), description="Hours in which nothing begins."
    )
    spread: Duration | None = Field(None, description="Runs due at one moment begin spread over so long.")
    lease: Duration | None = Field(
        None, description="A worker that is silent for so long counts as dead; 60 s if not said."
    )
    disk_alarm: int = Field(
        80, ge=1, le=100, description="A disk that is fuller than so many percent is an alarm."
    )
    log: Log | None = Field(None, description="Where what happens is written, a line each.")
    traces: Traces | None = Field(
        None, description="The OpenTelemetry collector that traces of runs are sent to."
    )
    metrics: Listen | None = Field(
        None, description="Where the daemon gives figures to Prometheus: “127.0.0.1:9310”."
    )
    metrics_file: str = Field(
        "",
        pattern=r"\.prom$|^$",
        description="A file for node_exporter, written every five minutes: “/var/lib/…/haechi.prom”.",
    )

    @field_validator("metrics_file")
    @classmethod
    def _beside_the_plan(cls, path: str, info: ValidationInfo) -> str:
        base = (info.context or {}).get("base")
        return str(base / path) if base and path else path


class Host(Named):
    """[host.NAME]: a machine whose worker takes services."""

    about: str = Field("", description="Which machine it is.")
    labels: Names = Field((), description="What it is near to.")
    parallel: int | None = Field(None, ge=1, description="How many services it works on at once.")
