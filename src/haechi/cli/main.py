"""`haechi`: reads the command line, runs the one command it names, and ends with a documented status.

How a command is written (one verb, one file, `cli/commands/<verb>.py`; nothing else has to be touched):

    # (the module's docstring, as everywhere)
    from __future__ import annotations

    from typing import Annotated

    from typer import Argument

    from haechi.cli.home import at_home
    from haechi.cli.options import DryRun
    from haechi.i18n import N_, _

    GROUP = "care"  # protect, look, recover or care: where the help lists it
    SUMMARY = N_("Let go of restore points that the plan no longer keeps")


    def command(
        services: Annotated[list[str] | None, Argument(metavar="SERVICE", help=N_("…"))] = None,
        dry_run: DryRun = False,
    ) -> None:
        from haechi.operations import retain# late: `haechi --help` imports no command, a command's help no driver

        view, home = at_home()  # the plan and all it names; from here on its language and its time zone
        with view.progress() as reporter:  # bars, plain lines or JSON lines, as the person wants
            report = …
        view.answer(report, text=lambda: _("{count} points removed.").format(count=…))

- GROUP and SUMMARY stand on lines of their own: they are read without importing the file.
- Help texts are marked `N_("…")` (not `_`): they are looked up when they are shown. The function's docstring is not
  shown; an optional `HELP = N_("…")` gives paragraphs below the summary.
- A verb with verbs of its own (`haechi plan check`) has `commands = verbs()` (from haechi.cli.frame) instead of
  `command`, and marks its functions `@commands.command("check", help=N_("…"))`.
- `--plan`, `--lang`, `--json`, `--quiet`, `--verbose`, `--no-color` and `--yes` are understood everywhere, before and
  after the verb; their values are on `screen()`.
- Results: `view.answer(data, text=…)`, once. With --json standard output carries `data` and nothing else; all other
  words (progress, notes, warnings, errors) go to standard error.
- Before something destructive: `view.confirm(_("what will be lost"), word)`; it is `--yes` that skips it.
- Raise HaechiErrors and let them go: message, hint and exit status are seen to here. A promise broken, a
  verification failed or a part done is an error as well, raised after the answer has been given.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from haechi import signals
from haechi.cli.screen import Screen, screen, use_screen
from haechi.errors import HaechiError, Interrupted
from haechi.i18n import _


def run(argv: Sequence[str]) -> int:
    """Carry out this command line; the exit status. Never raises."""
    use_screen(Screen.for_arguments(argv))
    try:
        with _ended_politely():
            return int(_dispatch(argv))
    except KeyboardInterrupt:
        stopped = Interrupted(
            _("Stopped before the end; what was half-done does not count."),
            hint=_("Run the same command again: it begins where that is possible."),
        )
        return _fail(stopped)
    except HaechiError as problem:
        return _fail(problem)
    except Exception as surprise:  # the last door: nobody shall see a bare traceback
        from haechi.cli import defects

        return _fail(defects.report(surprise, argv))
    finally:
        with suppress(KeyboardInterrupt):
            screen().close()
        _flush()


def _dispatch(argv: Sequence[str]) -> int:
    from haechi.cli.frame import dispatch

    return dispatch(list(argv))


def _fail(problem: HaechiError) -> int:
    with suppress(KeyboardInterrupt):
        screen().fail(problem)
    return int(problem.status)


@contextmanager
def _ended_politely() -> Iterator[None]:
    """Ctrl-C, a termination signal or a lost terminal end every program and unwind every block, so that each cleans
    up on the way out; a second one does not wait for that."""

    def stop(number: int, _frame: FrameType | None) -> None:
        from haechi import process  # late: not every command runs programs

        process.interrupt(number)

    with signals.heard(stop, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield


def _flush() -> None:
    """Let go of standard output quietly: whoever read it may be gone (`haechi list | head -1`)."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
