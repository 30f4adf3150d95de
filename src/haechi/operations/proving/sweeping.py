"""Removes what killed drills have left, for whoever looks everything over; the next drill does it as well."""

from __future__ import annotations

import shutil

from haechi.i18n import _
from haechi.operations.doctor import Finding, Health, look_at
from haechi.sources import _container, _throwaway


def examine() -> list[Finding]:
    """What was there. Nothing to remove is not worth a line."""
    found = look_at(_("drills"), lambda: iter(_found([str(path) for path in _throwaway.sweep_usual()])))
    if shutil.which("docker"):
        # A daemon that does not answer is told where it matters.
        there = look_at(_("drills"), lambda: iter(_found(_container.sweep())))
        found += [one for one in there if one.health is not Health.BAD]
    return found


def _found(names: list[str]) -> list[Finding]:
    said = _("{name}, left by a drill that was killed, has been removed.")
    return [Finding(_("drills"), Health.WARNING, said.format(name=name)) for name in names]
