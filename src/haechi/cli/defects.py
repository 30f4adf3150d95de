"""A mistake of ours: the person gets one sentence, we get the traceback, in a file that only they can read."""

from __future__ import annotations

import platform
import traceback
from collections.abc import Sequence
from contextlib import suppress

from haechi import __version__, clock, fileio
from haechi.errors import HaechiError
from haechi.i18n import _


class Defect(HaechiError):
    """Haechi met a situation that its authors did not think of."""

    code = "defect"


def report(surprise: Exception, argv: Sequence[str]) -> Defect:
    """The error to show for an exception that nobody caught; its traceback goes to a private file."""
    # Only the verb is kept of the command line. A traceback shows code and no values, so no secret is in it
    # unless a library put one into its message: therefore 0600, and never sent anywhere.
    verb = next((word for word in argv if not word.startswith("-")), "")
    story = "".join(traceback.format_exception(surprise))
    about = f"haechi {__version__}, Python {platform.python_version()}, {platform.platform()}"
    text = f"{about}\nhaechi {verb}\n\n{story}"
    where = ""
    with suppress(OSError):
        directory = fileio.private_directory(fileio.state_directory() / "defects")
        path = directory / f"{clock.now():%Y%m%dT%H%M%S%f}.txt"
        fileio.write_atomic(path, text.encode(errors="replace"))
        where = str(path)
    return Defect(
        _("This is a defect of ours, not a mistake of yours: {kind}.").format(kind=type(surprise).__name__),
        hint=_("Please send us {path}; look through it first.").format(path=where)
        if where
        else _("Run it again with --verbose, and please send us what it shows."),
        detail=story,
    )
