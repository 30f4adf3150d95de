"""Promises as a picture: a bar for each that shows how much of it is used up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_ROW = 28
_LEFT, _BAR, _RIGHT = 220, 320, 100
_LETTERS = 30  # of a name; the rest is cut


@dataclass(frozen=True)
class Bar:
    """One promise. `share` of it is used up; None where nothing is known, which holds nothing."""

    name: str
    share: float | None

    @property
    def color(self) -> str:
        if self.share is None or self.share > 1:
            return "#b3261e"
        return "#b7791f" if self.share > 0.8 else "#1a7f4b"


def picture(bars: Sequence[Bar]) -> str:
    """SVG that needs nothing else; empty without any promise."""
    if not bars:
        return ""
    width, height = _LEFT + _BAR + _RIGHT, _ROW * len(bars) + 12
    rows = "".join(_row(bar, number * _ROW + 8) for number, bar in enumerate(bars))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" style="font: 13px system-ui, sans-serif">'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>{rows}</svg>'
    )


def _row(bar: Bar, top: int) -> str:
    name = bar.name if len(bar.name) <= _LETTERS else bar.name[: _LETTERS - 1] + "…"
    filled = _BAR if bar.share is None else max(2.0, min(bar.share, 1.0) * _BAR)
    said = "?" if bar.share is None else f"{bar.share:.0%}"
    return (
        f'<text x="8" y="{top + 14}" fill="#1d2530">{escape(name)}<title>{escape(bar.name)}</title></text>'
        f'<rect x="{_LEFT}" y="{top}" width="{_BAR}" height="18" rx="3" fill="#e3e7ec"/>'
        f'<rect x="{_LEFT}" y="{top}" width="{filled:.1f}" height="18" rx="3" fill="{bar.color}"/>'
        f'<text x="{_LEFT + _BAR + 8}" y="{top + 14}" fill="#5b6675">{said}</text>'
    )
