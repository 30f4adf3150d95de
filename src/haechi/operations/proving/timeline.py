"""Which step took how long, heard while it happens: the critical path of a report."""

from __future__ import annotations

from dataclasses import dataclass, field

from haechi import clock
from haechi.events import Event, StepEnded, StepStarted
from haechi.i18n import recipe


@dataclass(frozen=True)
class Span:
    """One step; times are seconds since the beginning."""

    title: str
    began: float
    seconds: float
    error: str = ""


@dataclass
class Timeline:
    """A listener."""

    began: float = field(default_factory=clock.monotonic)
    spans: list[Span] = field(default_factory=list)
    _open: dict[int, float] = field(default_factory=dict)

    def hear(self, event: Event) -> None:
        if isinstance(event, StepStarted):
            self._open[event.step] = clock.monotonic() - self.began
        elif isinstance(event, StepEnded):
            began = self._open.pop(event.step, 0.0)
            self.spans.append(Span(event.title, round(began, 3), round(event.seconds, 3), event.error))

    def as_data(self) -> list[dict[str, object]]:
        return [
            {
                "title": s.title,
                "made_of": recipe(s.title),
                "began": s.began,
                "seconds": s.seconds,
                "error": s.error,
            }
            for s in sorted(self.spans, key=lambda s: s.began)
        ]
