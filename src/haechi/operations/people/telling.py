"""Tells people what happened: by event, service and hour, grouped into one message a way, and kept when it fails.

Telling never delays or fails what it is about. What cannot be sent now lies in the outbox and goes with the next
message, or with `haechi notify send`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from haechi import clock
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.fileio import held_lock, private_directory, write_atomic
from haechi.i18n import _, plural, speaking
from haechi.notify._base import Line, Message, Mood, Notifier
from haechi.operations.people import reminding
from haechi.operations.people.reminding import Contact, Pace
from haechi.schedule import Window

_GIVES_UP = timedelta(days=7)
_DELIVERED = "delivered.json"


@dataclass(frozen=True)
class Channel:
    """One way of the plan, and what goes by it."""

    name: str
    notifier: Notifier
    on: Collection[str]
    services: Collection[str] = ()
    hours: Window | None = None
    pace: Pace = field(default_factory=Pace)
    beats: bool = False  # it hears each time that the alarms were looked at, and what stands
    language: str | None = None  # else that of the process

    def wants(self, line: Line) -> bool:
        return line.event in self.on and (not self.services or line.subject in self.services)


@dataclass(frozen=True)
class Teller:
    """All ways of the plan."""

    channels: Sequence[Channel]
    state: Path
    system: str
    host: str
    zone: tzinfo
    contacts: Sequence[Contact] = ()  # who is called, first to last

    def tell(self, lines: Sequence[Line], reporter: Reporter) -> None:
        """One message by each way that wants any of these. Never raises."""
        for channel in self.channels:
            wanted = [line for line in lines if channel.wants(line)]
            if wanted:
                self._give(channel, self._message(channel, wanted), reporter)

    def tell_alarms(self, lines: Sequence[Line], reporter: Reporter, *, whole: bool = True) -> None:
        """The same for what stands until it is mended: told once, and again at the way's pace until somebody has
        taken note. `whole`: these are all that stand."""
        for channel in self.channels:
            wanted = [line for line in lines if channel.wants(line)]
            if channel.beats and whole:
                self._beat(channel, wanted, reporter)
                continue
            due = reminding.due(self.state, channel.name, wanted, channel.pace, whole=whole)
            if due:
                calls = reminding.called(due, self.contacts) if channel.pace.escalate else ()
                message = self._message(channel, [one.line for one in due])
                self._give(channel, replace(message, calls=calls), reporter)
        if whole:
            reminding.forget(self.state, lines)

    def _beat(self, channel: Channel, lines: Sequence[Line], reporter: Reporter) -> None:
        """Never kept for later: an old heartbeat would say that somebody looks now."""
        well = Line("heartbeat", self.system, _("looked at; no alarm stands"), mood=Mood.GOOD)
        try:
            self._send(channel, self._message(channel, lines or [well]))
        except HaechiError as problem:
            reporter.warn(
                _("{name} could not be told: {reason}").format(name=channel.name, reason=problem.message)
            )
        else:
            self._delivered(channel)

    def summarize(
        self, name: str, lines: Sequence[Line], heading: str, picture: str, reporter: Reporter
    ) -> bool:
        """A summary by this way, whatever it wants else; whether it has been delivered, or waits."""
        (channel,) = [channel for channel in self.channels if channel.name == name]
        message = Message(heading, lines, self.system, self.host, self._now(), picture=picture)
        return self._give(channel, message, reporter)

    def test(self, names: Collection[str] = ()) -> Mapping[str, HaechiError | None]:
        """A message by each of these ways, or all; what became of it."""
        line = Line("test", self.system, _("This is a test: alerts from here arrive."), mood=Mood.GOOD)
        found: dict[str, HaechiError | None] = {}
        for channel in self.channels:
            if names and channel.name not in names:
                continue
            try:
                self._send(channel, self._message(channel, [line]))
                self._delivered(channel)
                found[channel.name] = None
            except HaechiError as problem:
                found[channel.name] = problem
        return found

    def send_waiting(self, reporter: Reporter) -> int:
        """Try again what is in the outbox; how many messages went."""
        box = self._outbox()
        sent = 0
        with held_lock(box / ".lock") as mine:
            for path in sorted(box.glob("*.json")) if mine else ():
                sent += self._try_again(path, reporter)
        return sent

    def waiting(self) -> int:
        """How many messages lie in the outbox."""
        return len(list(self._outbox().glob("*.json")))

    def delivered(self) -> Mapping[str, datetime]:
        """When something was last delivered, by way."""
        try:
            told = json.loads((self.state / _DELIVERED).read_bytes())
            return {name: datetime.fromisoformat(time) for name, time in told.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _delivered(self, channel: Channel) -> None:
        """That this cannot be noted is no reason to say that it was not delivered."""
        told = {name: time.isoformat() for name, time in self.delivered().items()}
        with suppress(OSError, HaechiError):
            path = private_directory(self.state) / _DELIVERED
            write_atomic(path, json.dumps({**told, channel.name: clock.now().isoformat()}).encode())

    def _give(self, channel: Channel, message: Message, reporter: Reporter) -> bool:
        if channel.hours is not None and not channel.hours.covers(clock.now(), self.zone):
            self._keep(channel, message)
            return False
        try:
            self._send(channel, message)
        except HaechiError as problem:
            reporter.warn(
                _("{name} could not be told: {reason}").format(name=channel.name, reason=problem.message)
            )
            self._keep(channel, message)
            return False
        self._delivered(channel)
        self.send_waiting(reporter)
        return True

    def _try_again(self, path: Path, reporter: Reporter) -> bool:
        kept = json.loads(path.read_text())
        message = Message.from_dict(kept["message"])
        channel = next((c for c in self.channels if c.name == kept["channel"]), None)
        if channel is None or message.time < clock.now() - _GIVES_UP:
            path.unlink(missing_ok=True)
            reporter.warn(_("An old message was never told: {title}").format(title=message.title))
            return False
        if channel.hours is not None and not channel.hours.covers(clock.now(), self.zone):
            return False
        try:
            self._send(channel, message)
        except HaechiError:
            return False
        self._delivered(channel)
        path.unlink(missing_ok=True)
        return True

    def _keep(self, channel: Channel, message: Message) -> None:
        name = f"{message.time:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.json"
        kept = {"channel": channel.name, "message": message.as_dict()}
        write_atomic(self._outbox() / name, json.dumps(kept, ensure_ascii=False).encode())

    def _outbox(self) -> Path:
        return private_directory(self.state / "outbox")

    def _message(self, channel: Channel, lines: Sequence[Line]) -> Message:
        """In the language of this way."""
        with speaking(channel.language):
            said = [line.anew() for line in lines]
            return Message(title(said), said, self.system, self.host, self._now())

    def _send(self, channel: Channel, message: Message) -> None:
        with speaking(channel.language):
            channel.notifier.send(message)

    def _now(self) -> datetime:
        return clock.now().astimezone(self.zone)


def title(lines: Sequence[Line]) -> str:
    """“12 of 14 are in order, 2 are not” rather than fourteen messages."""
    bad = [line for line in lines if line.mood is Mood.BAD]
    if len(lines) == 1:
        return f"{lines[0].subject}: {lines[0].text}"
    if not bad:
        return plural("{count} is in order", "{count} are in order", len(lines))
    if len(bad) == len(lines):
        return plural("{count} needs attention", "{count} need attention", len(bad))
    return _("{good} of {all} are in order, {bad} are not").format(
        good=len(lines) - len(bad), all=len(lines), bad=len(bad)
    )
