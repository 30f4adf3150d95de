"""What every place must do, whatever kind it is.

A kind of place subclasses `PlaceContract` in its own tests and gives it a fixture `place`. At the other end there
must be Linux with a shell, coreutils and grep. `LARGE` is how much is streamed each way.
"""

from __future__ import annotations

import contextlib
import io
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from haechi.errors import DeadlinePassed, ProgramFailed, ProgramMissing
from haechi.places._base import Place
from haechi.process import BUFFER, Output, Running

_LOOK = (
    'for file in /proc/[0-9]*/cmdline; do grep -q "$MARK" "$file" && echo "$file"; done 2>/dev/null; exit 0'
)
_NUMBER = "exec 2>/dev/null; read -r line </proc/$1/stat && set -- ${line##*) } && [ $1 != Z ]"
_MEMORY = 48 << 20  # what carrying a stream of any length may cost


def sh(script: str, *words: str) -> list[str]:
    return ["sh", "-c", script, "sh", *words]


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    limit = time.monotonic() + seconds  # noqa: TID251 - a test lives in real time
    while not condition():
        assert time.monotonic() < limit, "waited in vain"  # noqa: TID251
        time.sleep(0.05)  # noqa: TID251


def alive(place: Place, pid: int) -> bool:
    """Whether this process lives there. Zombies do not count."""
    return place.run(sh(_NUMBER, str(pid)), check=False).status == 0


class PlaceContract:
    LARGE = 1 << 30

    # -- running to the end ----------------------------------------------------------------------

    def test_it_says_that_it_is_well(self, place: Place) -> None:
        place.probe()

    def test_output_status_and_words(self, place: Place) -> None:
        done = place.run(sh("echo out; echo err >&2; exit 3"), check=False)
        assert (done.stdout, done.stderr, done.status) == (b"out\n", "err", 3)

    @pytest.mark.parametrize("status", [1, 2, 125, 126, 127, 130, 137, 254, 255])
    def test_an_exit_status_is_what_the_program_said(self, place: Place, status: int) -> None:
        assert place.run(sh(f"exit {status}"), check=False).status == status

    def test_a_failure_carries_its_last_words(self, place: Place) -> None:
        with pytest.raises(ProgramFailed, match="the disk is full") as problem:
            place.run(sh("echo first >&2; printf 'the disk is full' >&2; exit 7"))
        assert problem.value.detail == "first\nthe disk is full"

    def test_a_program_ended_by_a_signal_has_failed(self, place: Place) -> None:
        with pytest.raises(ProgramFailed):
            place.run(sh("kill -KILL $$"))

    def test_a_missing_program_is_named(self, place: Place) -> None:
        with pytest.raises(ProgramMissing, match="no-such-program"):
            place.run(["no-such-program", "--help"])
        with pytest.raises(ProgramMissing):
            place.run(["no-such-program"], check=False)

    def test_it_knows_what_is_installed(self, place: Place) -> None:
        assert place.has("sh")
        assert not place.has("no-such-program")

    def test_arguments_arrive_as_they_are(self, place: Place) -> None:
        words = [
            "",
            " ",
            "a b",
            "it's",
            '"',
            "$HOME",
            "`id`",
            "*",
            "\\",
            "-n",
            "line\nbreak",
            "한글",
            ";",
            "#",
        ]
        done = place.run(["printf", "%s|", *words])
        assert done.stdout.decode() == "|".join(words) + "|"

    def test_nothing_to_read_is_an_end_at_once(self, place: Place) -> None:
        assert place.run(["cat"], deadline=20).stdout == b""

    # -- the environment -------------------------------------------------------------------------

    def test_the_environment_arrives_as_it_is(self, place: Place) -> None:
        env = {
            "ONE": "plain",
            "TWO": "two\nlines\n",
            "THREE": " 'quoted' \"twice\" $HOME \\ %s `id` ",
            "FOUR": "한글",
            "FIVE": "",
        }
        script = 'printf "%s|" "$ONE" "$TWO" "$THREE" "$FOUR" "${FIVE-unset}"'
        assert place.run(sh(script), env=env).stdout.decode() == "|".join(env.values()) + "|"
        assert place.run(sh(script + "; cat"), env=env, stdin=b"rest").stdout.decode().endswith("||rest")

    def test_a_secret_is_in_nobodys_arguments(self, place: Place) -> None:
        secret = secrets.token_hex(16)
        with place.start(sh("echo ready; sleep 60"), env={"PGPASSWORD": secret}) as running:
            assert running.stdout.readline() == b"ready\n"
            assert secret not in repr(running.argv)
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    assert secret.encode() not in file.read_bytes()
            assert place.run(sh(_LOOK), env={"MARK": secret}).stdout == b""

    # -- streams ---------------------------------------------------------------------------------

    def test_both_pipes_are_drained_at_once(self, place: Place) -> None:
        script = "head -c 3000000 /dev/zero | tr '\\0' '\\n' >&2; head -c 3000000 /dev/zero; echo last >&2"
        done = place.run(sh(script), deadline=60)
        assert len(done.stdout) == 3_000_000
        assert done.stderr.endswith("last")

    def test_input_and_output_flow_at_the_same_time(self, place: Place) -> None:
        data = secrets.token_bytes(1 << 20) * 8
        assert place.run(["cat"], stdin=data, deadline=60).stdout == data

    def test_a_stream_and_a_file_are_carried_in(self, place: Place, tmp_path: Path) -> None:
        path = tmp_path / "input"
        path.write_bytes(b"from a file")
        with path.open("rb") as file:
            assert self._catted(place, file) == b"from a file"
        assert self._catted(place, io.BytesIO(b"from a stream")) == b"from a stream"

    def _catted(self, place: Place, stream: BinaryIO) -> bytes:
        with place.start(["cat"], stdin=stream) as running:
            data = running.stdout.read()
            running.check()
        return data

    def test_a_stream_that_breaks_ends_the_program_that_reads_it(self, place: Place) -> None:
        with (
            place.start(sh("printf half; exit 9")) as first,
            place.start(sh("cat >/dev/null; sleep 60"), stdin=cast(BinaryIO, Output(first))) as second,
        ):
            second.stdout.read()
            with pytest.raises(ProgramFailed, match="status 9"):
                second.check()

    def test_a_half_stream_never_passes_for_a_whole_one(self, place: Place) -> None:
        with place.start(sh("printf half; exit 1")) as running:
            output = Output(running)
            with pytest.raises(ProgramFailed):
                while output.read(4):
                    pass

    def test_much_comes_out_in_constant_memory(self, place: Place) -> None:
        with place.start(["head", "-c", str(self.LARGE), "/dev/zero"]) as running:
            source, memory, received = Output(running), _Memory(), 0
            buffer = bytearray(BUFFER)
            while count := source.readinto(buffer):
                received += count
                memory.look()
        assert received == self.LARGE

    def test_much_goes_in_in_constant_memory(self, place: Place) -> None:
        with place.start(["wc", "-c"], feed=True) as running:
            memory, left, buffer = _Memory(), self.LARGE, bytes(BUFFER)
            while left:
                left -= running.stdin.write(buffer[: min(left, BUFFER)])
                memory.look()
            running.stdin.close()
            assert int(running.stdout.read()) == self.LARGE
            running.check()

    # -- ending it -------------------------------------------------------------------------------

    def test_leaving_the_block_ends_the_whole_group_there(self, place: Place) -> None:
        with place.start(sh("sleep 300 & echo $$ $!; wait")) as running:
            pids = self._pids(running, 2)
            assert all(alive(place, pid) for pid in pids)
        until(lambda: not any(alive(place, pid) for pid in pids))

    def test_leaving_the_block_ends_a_program_that_is_being_fed(self, place: Place) -> None:
        with place.start(sh("echo $$; cat >/dev/null; sleep 300"), feed=True) as running:
            (pid,) = self._pids(running, 1)
            running.stdin.write(b"something")
        until(lambda: not alive(place, pid))

    def test_a_deadline_ends_it_here_and_there(self, place: Place) -> None:
        with place.start(sh("echo $$; exec sleep 300"), deadline=1.5) as running:
            (pid,) = self._pids(running, 1)
            assert running.stdout.read() == b""
            with pytest.raises(DeadlinePassed):
                running.check()
        until(lambda: not alive(place, pid))

    def test_whoever_ignores_the_polite_signal_is_killed(self, place: Place) -> None:
        with place.start(sh("trap '' TERM; echo $$; while :; do sleep 1; done")) as running:
            (pid,) = self._pids(running, 1)
        until(lambda: not alive(place, pid))

    def _pids(self, running: Running, count: int) -> list[int]:
        pids = [int(word) for word in running.stdout.readline().split()]
        assert len(pids) == count
        return pids


class _Memory:
    """Looks at what this process holds, now and then."""

    def __init__(self) -> None:
        self.before = self._held()
        self.looked = 0

    def look(self) -> None:
        self.looked += 1
        if self.looked % 64 == 0:
            assert self._held() - self.before < _MEMORY

    def _held(self) -> int:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
        return 0
