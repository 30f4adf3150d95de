"""The plan that the daemon follows, for the commands that it starts: not the file as it is just now, which somebody
may be in the middle of changing.

It lies in the state directory, for its owner alone, and the commands find it by their environment, as do those that
they start in turn.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from haechi import clock
from haechi.errors import HaechiError
from haechi.fileio import private_directory, write_atomic
from haechi.plan.load import find, load, loads
from haechi.plan.model import Plan

if TYPE_CHECKING:
    from haechi.app.home import Home

_COPY, _OF = "HAECHI_ACCEPTED_PLAN", "HAECHI_ACCEPTED_PLAN_OF"
_KEPT = 30 * 86400.0  # seconds; longer than any command runs


def environment(home: Home) -> dict[str, str]:
    """With which a command follows this plan, and no other one that it may be given."""
    plans = private_directory(home.state / "accepted")
    copy = plans / f"{home.plan.digest[:16]}.toml"
    if not copy.exists():
        write_atomic(copy, home.plan.document.text.encode(), 0o600)
    os.utime(copy)
    for other in plans.glob("*.toml"):
        with suppress(OSError):
            if clock.now().timestamp() - other.stat().st_mtime > _KEPT:
                other.unlink()
    return {_COPY: str(copy.absolute()), _OF: str(home.plan.path.absolute())}


def plan(path: Path | None = None) -> Plan:
    """What a command goes by. Raises PlanMistake."""
    copy = os.environ.get(_COPY, "")
    if copy:
        asked = find(path)
        if str(asked.absolute()) == os.environ.get(_OF):
            with suppress(OSError, HaechiError):
                return loads(Path(copy).read_text(encoding="utf-8"), str(asked))
    return load(path)
