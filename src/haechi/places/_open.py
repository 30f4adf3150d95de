"""From the plan's `at` to a place."""

from __future__ import annotations

from typing import cast

from haechi import plugins
from haechi.places._base import Place


def open_place(at: str | None) -> Place:
    """The place of this name: `local` (or nothing), `docker:…`, `compose:…`, `ssh:…`, or a third party's kind.

    Looks at nothing yet. Raises UsageMistake for what cannot be the name of a place.
    """
    kind, _, rest = (at or "local").partition(":")
    return cast(Place, plugins.load("haechi.places", kind).build(rest))
