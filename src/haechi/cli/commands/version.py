"""`haechi version`."""

from __future__ import annotations

from haechi.cli.screen import screen
from haechi.i18n import N_, _

GROUP = "care"
SUMMARY = N_("Show which version this is and what it runs on")


def command() -> None:
    import platform

    from haechi import __version__

    python, system = platform.python_version(), platform.platform()
    screen().answer(
        {"version": __version__, "python": python, "platform": system},
        text=lambda: _("Haechi {version} (Python {python}, {system})").format(
            version=__version__, python=python, system=system
        ),
    )
