"""What the person asked of this run (JSON, quiet, which language) and the way back to them.

Results go to standard output, all other words to standard error. There is one screen in a process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, tzinfo
from itertools import pairwise
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TextIO

from haechi import i18n
from haechi.cli.render.width import folded, printable
from haechi.errors import HaechiError, NotConfirmed, UsageMistake
from haechi.events import Listener, Reporter
from haechi.i18n import _

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from haechi.app.logs import Log
    from haechi.app.traces import Traces


class Screen:
    """The way to the person before this run of the program."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None):
        self._out, self._err = out, err
        self.json = False
        self.quiet = False
        self.verbose = False
        self.yes = False
        self.color: bool | None = None  # None: as the terminal can
        self.plan: Path | None = None  # as given by --plan or HAECHI_PLAN
        self.zone: tzinfo | None = None  # None: the host's
        self.log: Log | None = None  # where the plan wants it
        self.traces: Traces | None = None  # the same
        self.at_end = ExitStack()  # what is let go of when the program is about to end
        self._answered = False

    @classmethod
    def for_arguments(cls, argv: Sequence[str]) -> Screen:
        """As these arguments ask, as far as it must be known before they are parsed: errors need a language too."""
        made = cls()
        words = list(argv)[: argv.index("--")] if "--" in argv else list(argv)
        language = os.environ.get("HAECHI_LANG") or ""
        for word, following in pairwise([*words, ""]):
            if word == "--lang":
                language = following
            elif word.startswith("--lang="):
                language = word.removeprefix("--lang=")
        i18n.use(
            language if language in i18n.LANGUAGES else i18n.from_environment(),
            chosen=bool(language),
        )
        made.json = "--json" in words
        made.verbose = "--verbose" in words or "-v" in words
        if "--no-color" in words or os.environ.get("NO_COLOR"):
            made.color = False
        if os.environ.get("HAECHI_PLAN"):
            made.plan = Path(os.environ["HAECHI_PLAN"])
        return made

    # -- what was asked ---------------------------------------------------------------------------

    def show_times(self, timezone: str) -> None:
        """As they are in this zone."""
        from zoneinfo import ZoneInfo

        self.zone = ZoneInfo(timezone)

    @property
    def out(self) -> TextIO:
        return self._out or sys.stdout

    @property
    def err(self) -> TextIO:
        return self._err or sys.stderr

    @property
    def interactive(self) -> bool:
        """Whether somebody sits there who can be asked."""
        return not self.json and sys.stdin is not None and sys.stdin.isatty() and self.err.isatty()

    # -- results ----------------------------------------------------------------------------------

    def answer(
        self, data: Any, text: str | RenderableType | Callable[[], str | RenderableType] | None = None
    ) -> None:
        """What was asked for: `data` with --json, else `text` (made only then). Once in a run."""
        self._answered = True
        if self.json:
            from haechi.cli.render.jsontext import as_json

            self._write(self.out, as_json(data) + "\n")
        elif text is not None:
            self.show(text)

    def show(self, text: str | RenderableType | Callable[[], str | RenderableType]) -> None:
        """A part of the answer for people; nothing with --json."""
        if self.json:
            return
        shown = text() if callable(text) else text
        if isinstance(shown, str):
            self._write(self.out, shown + "\n")
        elif self.out.isatty():
            self.console().print(shown)
        else:  # a table is padded to its width; in a file that is only noise
            console = self.console()
            with console.capture() as captured:
                console.print(shown)
            lines = captured.get().splitlines()
            self._write(self.out, "".join(line.rstrip() + "\n" for line in lines))

    def console(self, errors: bool = False) -> Console:
        """Rich's way to standard output, or to standard error."""
        from haechi.cli.render.terminal import console

        return console(self.err if errors else self.out, self.color)

    # -- other words ------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        if not self.quiet:
            self._tell("note", text)

    def warn(self, text: str) -> None:
        self._tell("warning", text)

    def fail(self, problem: HaechiError) -> None:
        """Show this error; the program is about to end with its status."""
        if self.log is not None:
            self.log.failed(problem)
        if self.json:
            from haechi.cli.render.jsontext import as_json, as_line

            body = {"error": problem.as_dict(), "status": int(problem.status)}
            if self._answered:  # standard output carries one document, and it has been written
                self._write(self.err, as_line(body) + "\n")
            else:
                self._write(self.out, as_json(body) + "\n")
            return
        word = _("Error:")
        said = f"{word} {printable(problem.message)}"
        if self.err.isatty():  # a hint stays as it is: it may be a command to copy
            said = folded(said, get_terminal_size().columns)
        lines = [self._paint("31;1", word) + said.removeprefix(word)]
        if problem.hint:
            lines += ["  " + line for line in printable(problem.hint).splitlines()]
        if problem.detail and self.verbose:
            lines += ["", *("  | " + line for line in printable(problem.detail).rstrip().splitlines())]
        elif problem.detail:
            lines += ["  " + _("(--verbose shows more)")]
        self._write(self.err, "\n".join(lines) + "\n")

    def _tell(self, level: str, text: str) -> None:
        if self.json:
            from haechi.cli.render.jsontext import as_line

            self._write(self.err, as_line({"event": level, "text": text}) + "\n")
        elif level == "warning":
            self._write(self.err, self._paint("33;1", _("Warning:")) + f" {text}\n")
        else:
            self._write(self.err, text + "\n")

    # -- long work --------------------------------------------------------------------------------

    @contextmanager
    def progress(self, *others: Listener, asking: bool = False) -> Iterator[Reporter]:
        """A reporter whose steps are shown as they run; `others` (the journal) hear the same. `asking`: somebody
        types meanwhile, and bars would be in their way."""
        from haechi.cli.render import progress

        with progress.listener(self, asking=asking) as shown:
            kept: list[Listener] = [one for one in (self.log, self.traces) if one is not None]
            yield Reporter(shown, *kept, *others)

    def close(self) -> None:
        """The program is about to end."""
        self.at_end.close()

    # -- questions --------------------------------------------------------------------------------

    def confirm(self, loss: str, word: str) -> None:
        """Have `word` typed before something is lost for good. Raises NotConfirmed; --yes is an answer."""
        if self.yes:
            return
        if not self.interactive:
            raise NotConfirmed(
                _("This needs a confirmation, and nobody is here to give it: {loss}").format(loss=loss),
                hint=_("Look at it with --dry-run, if it has that, then add --yes."),
            )
        self._write(self.err, self._paint("33;1", loss) + "\n")
        typed = self.ask(_("Type “{word}” to go on, anything else to stop:").format(word=word))
        if typed != word:
            raise NotConfirmed(_("Not confirmed. Nothing was done."))

    def ask(self, question: str, default: str = "", *, below: bool = False) -> str:
        """A line from the person, or the default where nobody can be asked or --yes was given. `below`: they type
        on a line of its own."""
        if default and (self.yes or not self.interactive):
            return default
        if not self.interactive:
            raise UsageMistake(
                _("Nobody is here to answer: {question}").format(question=question),
                hint=_("Run it in a terminal."),
            )
        likely = f" [{default}]" if default else ""
        asked = folded(f"{question}{likely}", get_terminal_size().columns - 1)
        self._write(self.err, asked + ("\n  > " if below else " "))
        line = sys.stdin.readline()
        if not line:
            raise NotConfirmed(_("Not confirmed. Nothing was done."))
        return line.strip() or default

    # -- the wire ---------------------------------------------------------------------------------

    def _paint(self, code: str, text: str) -> str:
        colored = self.err.isatty() if self.color is None else self.color
        return f"\033[{code}m{text}\033[0m" if colored else text

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            try:
                stream.write(text)
            except UnicodeEncodeError:  # LANG=C in an old cron: better question marks than no answer
                encoding = stream.encoding or "ascii"
                stream.write(text.encode(encoding, "replace").decode(encoding))
            stream.flush()
        except BrokenPipeError:
            # `haechi backup | head` loses its reader; the backup goes on all the same.
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, stream.fileno())
            os.close(devnull)


_screen = Screen()


def screen() -> Screen:
    return _screen


def use_screen(other: Screen) -> Screen:
    """Make this the screen of the process; the one it replaces."""
    global _screen
    before, _screen = _screen, other
    return before


def local_zone() -> tzinfo:
    """The host's zone, with its rules: a fixed offset would be wrong across a change of summer time."""
    from zoneinfo import ZoneInfo

    try:
        name = os.environ.get("TZ") or str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return UTC
