"""Programs: how they end, how they are ended, and that nothing of them stays."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from haechi import process
from haechi.errors import DeadlinePassed, HaechiError, ProgramFailed, ProgramMissing
from haechi.process import ending


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Neither running nor stopped; a zombie is gone too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_output_status_and_the_tail_of_what_it_said() -> None:
    done = process.run(sh("echo out; echo err >&2; exit 3"), check=False)
    assert (done.stdout, done.stderr, done.status) == (b"out\n", "err", 3)


def test_a_failure_carries_the_last_line_and_the_tail() -> None:
    with pytest.raises(ProgramFailed, match="status 7: the disk is full") as problem:
        process.run(sh("echo first >&2; echo the disk is full >&2; exit 7"))
    assert problem.value.detail == "first\nthe disk is full"


def test_a_missing_program_is_told_from_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissing, match="no-such-program"):
        process.run(["no-such-program"])
    with pytest.raises(HaechiError, match="nowhere") as problem:
        process.run(["true"], cwd=str(tmp_path / "nowhere"))
    assert not isinstance(problem.value, ProgramMissing)


def test_a_file_that_is_no_program_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    with pytest.raises(ProgramFailed, match="cannot be run"):
        process.run([str(broken)])


def test_both_pipes_are_drained_while_it_is_fed() -> None:
    script = "tee /dev/stderr | wc -c"
    done = process.run(sh(script), stdin=b"x" * 5_000_000)
    assert int(done.stdout) == 5_000_000


def test_an_endless_line_of_complaints_is_cut() -> None:
    done = process.run(sh("head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo last >&2"))
    assert done.stderr.endswith("\nlast")
    assert len(done.stderr) < 10_000


def test_a_deadline_ends_the_whole_group(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with pytest.raises(DeadlinePassed):
        process.run(sh(f"sleep 60 & echo $! > {note}; wait"), deadline=0.3)
    until(lambda: gone(int(note.read_text())))


def test_a_deadline_is_raised_even_where_the_status_is_not_checked() -> None:
    with pytest.raises(DeadlinePassed):
        process.run(["sleep", "60"], deadline=0.2, check=False)


def test_leaving_the_block_ends_what_the_leader_left_behind() -> None:
    with process.start(sh("sleep 60 & echo $!")) as running:
        child = int(running.stdout.readline())
        running.wait()
        assert not gone(child)
    until(lambda: gone(child))


def test_whoever_ignores_the_polite_signal_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.process.running.GRACE", 0.2)
    with process.start(sh("trap '' TERM; echo ready; while :; do sleep 1; done")) as running:
        assert running.stdout.readline() == b"ready\n"
    assert gone(running.pid)


def test_ending_twice_and_closing_twice_is_harmless() -> None:
    with process.start(["sleep", "60"]) as running:
        running.end()
        running.end()
        assert running.wait() == -signal.SIGTERM
    running.close()


def test_a_half_stream_never_passes_for_a_whole_one() -> None:
    with process.start(sh("printf half; exit 1")) as running:
        output = process.Output(running)
        assert output.read(4) == b"half"
        with pytest.raises(ProgramFailed):
            output.read(1)


def test_a_whole_stream_ends_once() -> None:
    with process.start(sh("printf whole")) as running:
        output = process.Output(running)
        assert output.read() == b"whole"
        assert output.read() == b""


def test_a_file_is_handed_over_and_a_stream_is_carried(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"from a file")
    with path.open("rb") as file, process.start(["cat"], stdin=file) as running:
        assert running.stdout.read() == b"from a file"
    with process.start(["cat"], stdin=io.BytesIO(b"from a stream")) as running:
        assert running.stdout.read() == b"from a stream"
        running.check()


def test_one_program_feeds_another_and_its_failure_counts() -> None:
    with (
        process.start(sh("printf data; exit 5")) as first,
        process.start(sh("cat; sleep 60"), stdin=process.Output(first)) as second,
    ):
        second.stdout.read()
        with pytest.raises(ProgramFailed, match="status 5"):
            second.check()


def test_feeding_a_program_that_does_not_read_fails_with_its_own_reason() -> None:
    with pytest.raises(ProgramFailed, match="no appetite"):
        process.run(sh("echo no appetite >&2; exit 1"), stdin=b"x" * 5_000_000)


def test_the_environment_is_added_to_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "1")
    assert process.run(sh("echo $OURS$THEIRS"), env={"THEIRS": "2"}).stdout == b"12\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_from_root_it_becomes_the_other_user_whole() -> None:
    assert process.run(["id", "-un"], user="nobody").stdout == b"nobody\n"
    assert b"root" not in process.run(["id"], user="nobody").stdout
    with pytest.raises(ProgramFailed, match="no user"):
        process.run(["id"], user="no-such-user")


_LONG_WORK = """
import signal, sys
from haechi import process, signals
try:
    with (
        signals.heard(process.interrupt, signal.SIGINT, signal.SIGTERM),
        process.start(["sh", "-c", sys.argv[1]]) as running,
    ):
        print(running.stdout.readline().decode().strip(), flush=True)
        running.check()
except KeyboardInterrupt:
    print("cleaned up", flush=True)
    sys.exit(130)
"""


def _long_work(script: str) -> tuple[subprocess.Popen[str], int]:
    child = subprocess.Popen([sys.executable, "-c", _LONG_WORK, script], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    return child, int(child.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_programs_and_lets_everything_unwind(number: int) -> None:
    child, pid = _long_work("echo $$; exec sleep 60")
    child.send_signal(number)
    output, _ = child.communicate(timeout=20)
    assert (output, child.returncode) == ("cleaned up\n", 130)
    until(lambda: gone(pid))


def test_a_second_signal_does_not_wait() -> None:
    child, pid = _long_work("trap '' TERM; echo $$; while :; do sleep 0.1; done")
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=20)
    assert (output, child.returncode) == ("", 128 + signal.SIGINT)
    assert time.monotonic() - began < ending.GRACE
    until(lambda: gone(pid))
