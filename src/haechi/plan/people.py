"""The tables of a plan that concern people: who is told, who is called, what is looked at by hand."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from haechi.credentials import SecretSource, Value
from haechi.plan.fields import Duration, Hours, Names, OneOrMany, Section, Short, When
from haechi.plan.sections import Named

Event = Literal[
    "success",
    "failure",
    "partial",
    "recovered",
    "overdue",
    "promise-broken",
    "drill",
    "drill-failed",
    "copy-behind",
    "disk",
    "anomaly",
    "checklist",
    "worker",
]


class Mail(Section):
    """The mail server through which e-mail is sent."""

    server: Value = Field(description="Its name: { env = “SMTP_SERVER” }.")
    port: int = Field(587, ge=1, le=65535, description="Its port; 465 means TLS from the first byte.")
    username: Value | None = Field(None, description="The user there.")
    password: SecretSource | None = Field(None, description="Its password.")
    sender: Value | None = Field(None, description="The address mails come from; else the user's.")
    tls: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection is protected."
    )


class Notify(Named):
    """[notify.NAME]: one way by which people or programs are told."""

    via: Literal["slack", "email", "webhook", "ping", "apprise"] = Field(
        description="Slack's webhook, e-mail, a webhook of your own, a health-check ping, or any address of Apprise."
    )
    url: SecretSource | None = Field(None, description="The webhook or address; for all but e-mail.")
    mail: Mail | None = Field(None, description="The mail server; for e-mail.")
    to: Annotated[tuple[Value, ...], OneOrMany] = Field((), description="Who gets the e-mail.")
    on: Annotated[tuple[Event, ...], OneOrMany] = Field(
        ("failure", "partial", "recovered", "overdue", "promise-broken", "drill-failed", "worker"),
        description="What is told.",
    )
    services: Names = Field((), description="Only about these services.")
    hours: Hours | None = Field(
        None, description="Only within these hours; what comes outside waits for them."
    )
    repeat: Duration | None = Field(
        None,
        description="Told again after this time, then after twice that and so on, until somebody has taken note.",
    )
    escalate: Duration | None = Field(
        None, description="Each time it stands so long and nobody has taken note, one more contact is called."
    )
    digest: When | None = Field(None, description="One summary at these times, with the table of promises.")
    heartbeat: When | None = Field(
        None,
        description="For pings: sent at these times, when the alarms were looked at; silence is an alarm.",
    )
    language: Literal["en", "ko"] | None = Field(None, description="Else the plan's language.")

    @model_validator(mode="before")
    @classmethod
    def _as_the_environment_says(cls, said: Any) -> Any:
        """What the plan leaves out is taken from the names that everybody uses, where they are set."""
        return {**_usual(said), **said} if isinstance(said, Mapping) else said


# For each key of `mail` the variables that are in use for it.
_SMTP = {
    "server": ("SMTP_SERVER", "SMTP_HOST"),
    "username": ("SMTP_USERNAME", "SMTP_USER"),
    "password": ("SMTP_PASSWORD", "SMTP_PASS"),
    "sender": ("SMTP_FROM", "SMTP_SENDER"),
}


def _usual(said: Mapping[str, Any]) -> dict[str, Any]:
    if said.get("via") == "slack" and os.environ.get("SLACK_WEBHOOK_URL"):
        return {"url": {"env": "SLACK_WEBHOOK_URL"}}
    if said.get("via") != "email":
        return {}
    found: dict[str, Any] = {"to": {"env": "ADMIN_EMAIL"}} if os.environ.get("ADMIN_EMAIL") else {}
    set_here = {key: next((n for n in names if os.environ.get(n)), None) for key, names in _SMTP.items()}
    mail: dict[str, Any] = {key: {"env": name} for key, name in set_here.items() if name}
    if "server" in mail:
        port = os.environ.get("SMTP_PORT", "")
        found["mail"] = {**mail, **({"port": int(port)} if port.isdigit() else {})}
        if port == "465":
            found["mail"]["tls"] = "tls"
    return found


class Contact(Section):
    """[[contact]]: somebody who is called when things are bad."""

    name: str = Field(description="A person, or a company's support.")
    role: str = Field("", description="What they are responsible for.")
    phone: str = Field("", description="Their number.")
    email: str = Field("", description="Their address.")
    note: str = Field("", description="What else one should know.")
    call: int | None = Field(None, ge=1, description="Who is called first, second, ...")
    external: bool = Field(False, description="Not of the house: a provider, a consultant.")
    services: Names = Field((), description="Only for these services.")


class Item(Short):
    """One line of a checklist. A machine ticks it off if it can; else a person is asked."""

    item: str = Field(description="What is to be looked at or done.")
    auto: (
        Literal[
            "backups", "disk", "verified", "drilled", "offsite", "promises", "alerts", "updates", "scenario"
        ]
        | None
    ) = Field(None, description="What Haechi can look at by itself for this.")
    scenario: str | None = Field(None, description="The scenario that this line rehearses.")
    show: tuple[str, ...] = Field((), description="Commands that help the person who does it.")


class Checklist(Named):
    """[checklist.daily], weekly, monthly, quarterly, yearly, or disaster: what is gone through, and when."""

    title: str = Field("", description="What it is called.")
    when: When | None = Field(None, description="When it is due; the one for disasters never is.")
    who: str = Field("", description="The role that goes through it.")
    items: tuple[Item, ...] = Field(min_length=1, description="Its lines.")


CHECKLISTS = ("daily", "weekly", "monthly", "quarterly", "yearly", "disaster")
