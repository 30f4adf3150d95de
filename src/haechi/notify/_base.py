"""The interface of a way by which people or programs are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

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


@dataclass(frozen=True)
class Message:
    """What is told at once: however many services, one message."""

    title: str
    lines: Sequence[Line]
    system: str  # the plan's title
    host: str
    time: datetime

    @property
    def mood(self) -> Mood:
        order = list(Mood)
        return max((line.mood for line in self.lines), key=order.index, default=Mood.GOOD)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "mood": self.mood, "time": self.time.isoformat()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Message:
        lines = tuple(Line(**{**line, "mood": Mood(line["mood"])}) for line in values["lines"])
        time = datetime.fromisoformat(values["time"])
        return cls(values["title"], lines, values["system"], values["host"], time)

    def as_text(self) -> str:
        """For people, without markup."""
        said = [self.title, ""]
        for line in self.lines:
            said.append(f"- {line.subject}: {line.text}")
            if line.mend:
                said.append(f"    → {line.mend}")
        return "\n".join([*said, "", f"{self.system} · {self.host} · {self.time:%Y-%m-%d %H:%M %Z}"])


class Notifier(Protocol):
    """One way. No secret ever stands in what it raises."""

    def send(self, message: Message) -> None:
        """Tell it within DEADLINE seconds. Raises NotTold, retryable where a later try may help."""
