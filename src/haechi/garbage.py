"""How often Python looks for things that hold nothing but each other."""

from __future__ import annotations

import gc


def collect_seldom() -> None:
    """For each process of ours, before its work: of the many things that a backup makes hardly any hold each other,
    and looking for such rings after every 700 of them would take a tenth of its time."""
    gc.set_threshold(50_000, 20, 20)
