"""A listener that remembers what people were told."""

from __future__ import annotations

from haechi.events import Event, Said


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def hear(self, event: Event) -> None:
        self.events.append(event)

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Said)]

    @property
    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Said) and event.level == "warning"]
