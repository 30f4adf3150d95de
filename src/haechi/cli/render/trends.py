"""Where the promises are going: a small curve, and a word for it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from haechi.i18n import N_, _
from haechi.operations.proving.trend import Going, Trend
from haechi.operations.status import Standing

_BARS = "▁▂▃▄▅▆▇█"
_WORDS = {
    Going.BETTER: (N_("getting better"), "green"),
    Going.STEADY: (N_("steady"), ""),
    Going.WORSE: (N_("getting worse"), "yellow"),
}


def lines(standing: Standing) -> list[Text]:
    """One for each promise of which enough is known: over 30 days, or over 90 if there is too little in these."""
    found = []
    for name, trends in (("RPO", standing.rpo_trend), ("RTO", standing.rto_trend)):
        days = next((days for days, trend in sorted(trends.items()) if trend.going is not None), None)
        if days is None:
            continue
        going = trends[days].going
        assert going is not None
        word, style = _WORDS[going]
        said = _("{service}: {promise} {curve} {word} ({days} days)").format(
            service=standing.service, promise=name, curve=curve(trends[days].curve), word=_(word), days=days
        )
        found.append(Text(said, style=style or "dim"))
    return found


def curve(values: Sequence[float | None]) -> str:
    """Higher is worse; a dot where nothing is known."""
    highest = max((value for value in values if value is not None), default=0.0) or 1.0
    return "".join(
        "·" if value is None else _BARS[min(len(_BARS) - 1, int(value / highest * len(_BARS)))]
        for value in values
    )


def as_data(standing: Standing) -> dict[str, dict[str, object]]:
    """By promise and days, in seconds."""
    return {
        name: {str(days): _data(trend) for days, trend in trends.items()}
        for name, trends in (("rpo", standing.rpo_trend), ("rto", standing.rto_trend))
    }


def _data(trend: Trend) -> dict[str, object]:
    return {"going": trend.going, "curve": [None if v is None else round(v, 1) for v in trend.curve]}
