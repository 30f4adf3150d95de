"""Steps over time as a picture: which of them the whole had to wait for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from haechi.i18n import again
from haechi.schedule.duration import spoken

_ROW = 26
_LEFT, _WIDTH = 300, 860  # where the bars begin; how wide the picture is
_RIGHT = 70
_LETTERS = 40  # of a title; the rest is cut


def picture(steps: Sequence[Mapping[str, Any]]) -> str:
    """SVG to be put into a page. Bars that the whole waited for are the critical path, and darker."""
    if not steps:
        return ""
    end = max(step["began"] + step["seconds"] for step in steps) or 1.0
    scale = (_WIDTH - _LEFT - _RIGHT) / end
    rows = "".join(_row(number, step, scale, _is_critical(step, steps)) for number, step in enumerate(steps))
    height = _ROW * len(steps) + 8
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="100%" role="img" '
        f'style="font: 13px system-ui, sans-serif">{rows}</svg>'
    )


def _row(number: int, step: Mapping[str, Any], scale: float, critical: bool) -> str:
    top = number * _ROW + 6
    left = _LEFT + step["began"] * scale
    width = max(step["seconds"] * scale, 2)
    color = "#b3261e" if step.get("error") else "#2457a6" if critical else "#9db4d6"
    title = again(str(step["title"]), step.get("made_of"))
    shown = title if len(title) <= _LETTERS else title[: _LETTERS - 1] + "…"
    beside, took = min(left + width + 6, _WIDTH - 60), escape(spoken(step["seconds"]))
    return (
        f'<text x="0" y="{top + 13}" fill="#1d2530">{escape(shown)}<title>{escape(title)}</title></text>'
        f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="17" rx="3" fill="{color}"/>'
        f'<text x="{beside:.1f}" y="{top + 13}" fill="#5b6675">{took}</text>'
    )


def _is_critical(step: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> bool:
    """As whoever knew the order has said, or else as it looks."""
    return bool(step["critical"]) if "critical" in step else _waited_for(step, steps)


def _waited_for(step: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it ended last of those that ran beside it."""
    end = step["began"] + step["seconds"]
    beside = [
        s for s in steps if s is not step and s["began"] < end and s["began"] + s["seconds"] > step["began"]
    ]
    return all(s["began"] + s["seconds"] <= end for s in beside)
