"""Single things that are done or asked: checks, hooks, and the steps of a scenario."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from haechi.credentials import SecretSource
from haechi.i18n import _
from haechi.plan.fields import Command, Duration, Names, OneOrMany, Section, Short, expected


class _OneOf(Section):
    """A table that says one thing, by exactly one of its verbs."""

    verbs: ClassVar[tuple[str, ...]]

    @model_validator(mode="after")
    def _one_verb(self) -> Self:
        given = [verb for verb in self.verbs if getattr(self, verb) not in (None, ())]
        if len(given) != 1:
            raise expected(_("exactly one of {names}").format(names=", ".join(self.verbs)))
        return self


class Check(_OneOf):
    """Something that must hold: an SQL query, an answer over HTTP, or a command that ends well."""

    verbs: ClassVar[tuple[str, ...]] = ("sql", "http", "run")

    sql: str | None = Field(None, description="A query; its first value is compared.")
    http: str | None = Field(None, description="An address that must answer.")
    run: Command | None = Field(None, description="A command that must end with status 0.")
    expect: str | int | float | bool | None = Field(None, description="What comes out: “> 0”, 200, “done”.")
    contains: str | None = Field(None, description="A text that the answer must contain.")
    database: str | None = Field(None, description="Where the query is asked.")
    of: str | None = Field(None, description="The service it is asked of, where that is not plain.")
    at: str | None = Field(None, description="Where the command runs.")
    title: str = Field("", description="What it shows, for people.")
    deadline: Duration | None = Field(None, description="How long it may take.")


class Hook(_OneOf):
    """Something done before or after: a command, an HTTP call, an SQL statement, a service stopped or started."""

    verbs: ClassVar[tuple[str, ...]] = ("run", "http", "sql", "stop", "start")

    run: Command | None = Field(None, description="A command, without a shell.")
    http: SecretSource | None = Field(None, description="An address that is called.")
    sql: str | None = Field(None, description="A statement for the service's database.")
    stop: Names = Field((), description="What is stopped: “compose:web”, “docker:app”, “systemd:gunicorn”.")
    start: Names = Field((), description="What is started.")
    at: str | None = Field(None, description="Where the command runs; else where the service is.")
    method: str = Field("POST", description="Of the HTTP call.")
    deadline: Duration | None = Field(None, description="How long it may take.")


Many = Annotated[tuple[Hook, ...], OneOrMany]


class Hooks(Section):
    """What is done around the steps of an operation. “after” is done in any case, also when the step failed."""

    before_backup: Many = Field((), description="Before a backup; if it fails, there is none.")
    after_backup: Many = Field((), description="After a backup, however it ended.")
    before_restore: Many = Field((), description="Before a restore.")
    after_restore: Many = Field((), description="After a restore, however it ended.")
    before_verify: Many = Field((), description="Before copies are read back.")
    after_verify: Many = Field((), description="After copies were read back, whatever came out.")
    before_drill: Many = Field((), description="Before a drill.")
    after_drill: Many = Field((), description="After a drill, however it ended.")
    on_failure: Many = Field((), description="When any of these failed.")


class Step(_OneOf, Short):
    """One step of a scenario, done by Haechi or by a person."""

    verbs: ClassVar[tuple[str, ...]] = ("do", "run", "backup", "restore", "stop", "start", "check", "notify")

    do: str | None = Field(None, description="Something that a person does.")
    run: Command | None = Field(None, description="A command, without a shell.")
    backup: Names = Field((), description="Services whose present state is saved first.")
    restore: Names = Field(
        (), description="Services or sets that are restored, those of one step side by side."
    )
    stop: Names = Field((), description="What is stopped: “compose:web”, “docker:app”, “systemd:gunicorn”.")
    start: Names = Field((), description="What is started.")
    check: Check | None = Field(None, description="What must hold before it goes on.")
    notify: str | None = Field(None, description="What is told to people.")
    title: str = Field("", description="What the step is called.")
    show: tuple[str, ...] = Field((), description="Commands that help the person who does it.")
    at: str | None = Field(None, description="Where the command runs.")
    point: str = Field("latest", description="Which restore point: “latest”, an id or a time.")
    who: str = Field("", description="The role that does it.")
    takes: Duration | None = Field(None, description="How long it is expected to take.")
    deadline: Duration | None = Field(None, description="How long it may take.")
