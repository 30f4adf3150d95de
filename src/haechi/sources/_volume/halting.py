"""Containers halted for a while, and going again afterwards: after an error, after Ctrl-C, and after a kill.

One shell, in a session of its own, halts them, waits for the end of its input and sets them going again. The input is
a pipe from here: it ends when we close it, and when we die, however we do. So there is one way back and no other, and
it is walked at every backup. A note on the disk, written before, says what was halted. Should the shell die as well
(the machine fails, or a supervisor kills everything), the next backup, restore or `haechi doctor` reads the note.
"""

from __future__ import annotations

import json
import os
import select
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from haechi import clock, process
from haechi.errors import HaechiError, ProgramFailed, UsageMistake, VaultLocked
from haechi.events import Reporter
from haechi.fileio import held_lock, private_directory, state_directory, write_atomic
from haechi.i18n import _
from haechi.process import Running
from haechi.sources._volume.docker import Container

_RESUMING = 180.0  # seconds for all of them to go again
_SETTINGS = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY")

# A client that still halts something must not be there when the way back begins: so both are done here, in turn.
# What docker says goes to a file: a pipe to a process that died would kill who writes to it.
_KEEPER = r"""
note=$1 lock=$2 log=$3 how=$4 seconds=$5 tries=$6
shift 6
trap '' HUP INT TERM PIPE
exec 9>"$lock"
flock -n 9 || { echo busy; exit 1; }
is() { [ "$(docker inspect --type=container --format "{{.State.$2}}" "$1" 2>/dev/null)" = true ]; }
gone() { docker version >/dev/null 2>&1 && ! docker inspect --type=container "$1" >/dev/null 2>&1; }
halt() {
    if [ "$how" = pause ]; then docker pause "$@"; else docker stop -t "$seconds" "$@"; fi
}
resume() {
    failed=0
    for id; do
        if gone "$id"; then
            continue
        elif [ "$how" = pause ]; then
            if is "$id" Paused; then docker unpause "$id" || failed=1; fi
            ! is "$id" Paused || failed=1
        else
            is "$id" Running || docker start "$id" || failed=1
            is "$id" Running || failed=1
        fi
    done
    return $failed
}
if [ "$seconds" != - ]; then
    halt "$@" >>"$log" 2>&1 </dev/null 9>&-
    echo "halted $?"
fi
while read -r line; do :; done
until resume "$@" >>"$log" 2>&1 </dev/null 9>&-; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { echo "resumed 1"; exit 1; }
    sleep 2
done
rm -f "$note" "$log"
echo "resumed 0"
"""


@contextmanager
def halted(service: str, containers: Sequence[Container], how: str, seconds: float) -> Iterator[None]:
    """These containers stand still inside the block. Raises ProgramFailed if they could not be halted, or do not go
    again."""
    running = [c for c in containers if c.state == "running"]
    if not running:
        yield
        return
    _demand_able(running, how)
    papers = _Papers(service)
    papers.await_nobody(seconds + _RESUMING)
    papers.write(running, how)
    with ExitStack() as stack:
        argv = papers.command(how, str(round(seconds)), [c.id for c in running], tries=60)
        with process.spared():
            keeping = stack.enter_context(process.start(["setsid", *argv], feed=True))
        try:
            if _hear(keeping, seconds + _RESUMING) != "halted 0":
                raise _not_halted(running, papers.said())
            yield
        finally:
            with suppress(OSError):
                keeping.stdin.close()
            last = _hear_last(keeping, seconds + _RESUMING)
    if last != "resumed 0":
        raise _still_halted(running, papers.said())


def set_going(reporter: Reporter | None = None) -> list[str]:
    """What killed runs have left halted goes again; the names of those containers. Raises ProgramFailed."""
    gone: list[str] = []
    directory = _directory()
    for note in sorted(directory.glob("*.json")) if directory.is_dir() else ():
        papers = _Papers.of(note)
        with held_lock(papers.lock) as nobody_is_at_it:
            if not nobody_is_at_it:
                continue
        try:
            told = json.loads(note.read_text("utf-8"))
        except FileNotFoundError:
            continue
        env = {key: value for key, value in told["settings"].items() if value}
        names, ids = list(told["containers"].values()), list(told["containers"])
        with process.spared():
            argv = papers.command(told["how"], "-", ids, tries=10)
            done = process.run(argv, env=env, deadline=_RESUMING, check=False)
        if done.stdout.startswith(b"busy"):
            continue  # somebody came at this very moment
        if done.stdout.split(b"\n")[-2:-1] != [b"resumed 0"]:
            raise _still_halted_by_name(names, papers.said())
        if reporter is not None:
            reporter.warn(
                _("A run that was killed had left these containers halted; they go again: {names}").format(
                    names=", ".join(names)
                )
            )
        gone += names
    return gone


class _Papers:
    """The note of one service, the lock of whoever sees to it, and what docker said."""

    def __init__(self, service: str):
        self._stem = _directory() / quote(service, safe="")
        self.note, self.lock, self.log = (Path(f"{self._stem}{end}") for end in (".json", ".lock", ".log"))

    @classmethod
    def of(cls, note: Path) -> _Papers:
        made = cls("")
        made.note, made.lock, made.log = note, note.with_suffix(".lock"), note.with_suffix(".log")
        return made

    def write(self, containers: Sequence[Container], how: str) -> None:
        """On the disk before anything is halted."""
        told = {
            "how": how,
            "containers": {c.id: c.name for c in containers},
            "settings": {name: os.environ.get(name, "") for name in _SETTINGS},
        }
        write_atomic(self.note, json.dumps(told).encode())

    def await_nobody(self, seconds: float) -> None:
        """The keeper of a run that was killed may still be at work. Raises VaultLocked."""
        private_directory(self.note.parent)
        until = clock.monotonic() + seconds
        while True:
            with held_lock(self.lock) as nobody_is_at_it:
                if nobody_is_at_it:
                    return
            if clock.monotonic() > until:
                raise VaultLocked(
                    _("Containers of a run that was killed are still being started again."),
                    hint=_("Wait until `docker ps` shows them, then try again."),
                )
            clock.sleep(0.2)

    def command(self, how: str, seconds: str, ids: Sequence[str], *, tries: int) -> list[str]:
        paths = [str(path) for path in (self.note, self.lock, self.log)]
        return ["sh", "-c", _KEEPER, "haechi", *paths, how, seconds, str(tries), *ids]

    def said(self) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
        except FileNotFoundError:
            return ""


def _directory() -> Path:
    return state_directory() / "halted"


def _hear(keeping: Running, seconds: float) -> str:
    """The next line; empty at the end, or when it takes too long."""
    line, until = b"", clock.monotonic() + seconds
    pipe = keeping.stdout.fileno()
    while not line.endswith(b"\n"):
        left = until - clock.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            return ""
        piece = os.read(pipe, 1)
        if not piece:
            return ""
        line += piece
    return line.decode().strip()


def _hear_last(keeping: Running, seconds: float) -> str:
    """Nothing may interrupt this: whoever waits is told how it ended, and the keeper goes on in any case."""
    last = ""
    while line := _hear(keeping, seconds):
        last = line
        if line.startswith("resumed"):
            break
    return last


def _demand_able(containers: Sequence[Container], how: str) -> None:
    for container in containers:
        if how == "stop" and (container.is_removed_when_stopped or container.is_managed):
            raise UsageMistake(
                _("The container “{name}” would be removed or replaced when it is stopped.").format(
                    name=container.name
                ),
                hint=_(
                    'Write quiesce = "pause" in the plan, or start it without --rm and outside of a swarm.'
                ),
            )


def _not_halted(containers: Sequence[Container], said: str) -> HaechiError:
    return ProgramFailed(
        _("The containers could not be halted: {names}").format(names=", ".join(c.name for c in containers)),
        hint=_("They go again. Give them more time with `stop_timeout`, or look in their logs."),
        detail=said,
    )


def _still_halted(containers: Sequence[Container], said: str) -> HaechiError:
    return _still_halted_by_name([c.name for c in containers], said)


def _still_halted_by_name(names: Sequence[str], said: str) -> HaechiError:
    return ProgramFailed(
        _("Containers that were halted do not go again: {names}").format(names=", ".join(names)),
        hint=_("Look why with `docker logs`, and start them: docker start {names}").format(
            names=" ".join(names)
        ),
        detail=said,
    )
