"""The interface of a way by which people or programs are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from haechi.i18n import _, anew

DEADLINE = 15.0  # seconds: an alert never delays a backup by more, and not by so much twice


class Mood(StrEnum):
    """How bad it is, worst last."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True)
class Line:
    """One thing that is told. `mend` is what to do about it."""

    event: str
    subject: str
    text: str
    mend: str = ""
    mood: Mood = Mood.BAD

    def anew(self) -> Line:
        """In the language that is spoken now."""
        return replace(self, text=anew(self.text), mend=anew(self.mend))


@dataclass(frozen=True)
class Call:
    """Somebody whose turn it is."""

    name: str
    role: str = ""
    phone: str = ""
    email: str = ""

    def __str__(self) -> str:
        role = f" ({self.role})" if self.role else ""
        return " ".join(filter(None, (self.name + role, self.phone, self.email)))


@dataclass(frozen=True)
class Message:
    """What is told at once: however many services, one message."""

    title: str
    lines: Sequence[Line]
    system: str  # the plan's title
    host: str
    time: datetime
    calls: Sequence[Call] = ()  # who is to see to it, first to last
    picture: str = ""  # SVG, for those who can show one

    @property
    def mood(self) -> Mood:
        order = list(Mood)
        return max((line.mood for line in self.lines), key=order.index, default=Mood.GOOD)

    @property
    def turn(self) -> str:
        """Whose turn it is, as a line; empty where nobody is called."""
        return _("To be called: {names}").format(names=" → ".join(map(str, self.calls))) if self.calls else ""

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "mood": self.mood, "time": self.time.isoformat()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Message:
        lines = tuple(Line(**{**line, "mood": Mood(line["mood"])}) for line in values["lines"])
        time = datetime.fromisoformat(values["time"])
        calls = tuple(Call(**call) for call in values.get("calls", ()))
        head = (values["title"], lines, values["system"], values["host"], time)
        return cls(*head, calls, values.get("picture", ""))

    def as_text(self) -> str:
        """For people, without markup."""
        said = [self.title, ""]
        for line in self.lines:
            said.append(f"- {line.subject}: {line.text}")
            if line.mend:
                said.append(f"    → {line.mend}")
        if self.calls:
            said += ["", self.turn]
        return "\n".join([*said, "", f"{self.system} · {self.host} · {self.time:%Y-%m-%d %H:%M %Z}"])


class Notifier(Protocol):
    """One way. No secret ever stands in what it raises."""

    def send(self, message: Message) -> None:
        """Tell it within DEADLINE seconds. Raises NotTold, retryable where a later try may help."""
