"""Slack, by an incoming webhook: one message with a block for each thing that is told."""

from __future__ import annotations

import json

from haechi.credentials import SecretSource
from haechi.notify import _http
from haechi.notify._base import Message, Mood

_COLORS = {Mood.GOOD: "#1a7f4b", Mood.WARNING: "#b7791f", Mood.BAD: "#b3261e"}
_BLOCKS = 40  # Slack takes 50
_LONGEST = 2900  # characters of a block; Slack takes 3000


class Slack:
    def __init__(self, url: SecretSource):
        self._url = url

    def send(self, message: Message) -> None:
        _http.call(self._url, json.dumps(payload(message), ensure_ascii=False).encode())


def payload(message: Message) -> dict[str, object]:
    blocks: list[dict[str, object]] = [
        {"type": "header", "text": {"type": "plain_text", "text": message.title[:150]}}
    ]
    for line in message.lines[:_BLOCKS]:
        text = f"*{_escaped(line.subject)}*  {_escaped(line.text)}"
        if line.mend:
            text += (
                f"\n`{_escaped(line.mend)}`"
                if line.mend.startswith("haechi ")
                else f"\n→ {_escaped(line.mend)}"
            )
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text[:_LONGEST]}})
    if message.calls:
        text = f"*{_escaped(message.turn)}*"
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text[:_LONGEST]}})
    rest = len(message.lines) - _BLOCKS
    foot = f"{_escaped(message.system)} · {_escaped(message.host)} · {message.time:%Y-%m-%d %H:%M %Z}"
    if rest > 0:
        foot = f"+{rest} · {foot}"
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": foot}]})
    return {"text": message.title, "attachments": [{"color": _COLORS[message.mood], "blocks": blocks}]}


def _escaped(text: str) -> str:
    """The three characters that mean something to Slack."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
