"""A signal is heard wherever the main thread waits, and what was there before is put back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from haechi import signals

# The system gives the signal to another thread, so that nothing disturbs the main one: as if it had come just before
# that began to wait.
_DEAF = """
import os, signal, subprocess, threading
from haechi import signals

def stop(number, _frame):
    raise KeyboardInterrupt

threading.Thread(target=threading.Event().wait, daemon=True).start()
program = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
try:
    with signals.heard(stop, signal.SIGTERM):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        print("waits", flush=True)
        WAIT
except KeyboardInterrupt:
    print("was heard", flush=True)
finally:
    program.kill()
"""
_WAITS = {
    "for a program": "os.waitid(os.P_PID, program.pid, os.WEXITED)",
    "for a lock": "threading.Event().wait()",
    "for a pipe": "os.read(os.pipe()[0], 1)",
}


@pytest.mark.parametrize("wait", _WAITS.values(), ids=_WAITS)
def test_what_comes_just_before_a_wait_is_heard(wait: str) -> None:
    argv = [sys.executable, "-c", _DEAF.replace("WAIT", wait)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "waits\n"
        time.sleep(0.3)  # until it does
        child.send_signal(signal.SIGTERM)
        try:
            assert child.communicate(timeout=20)[0] == "was heard\n"
        finally:
            child.kill()


def test_what_was_there_before_is_put_back_and_what_is_ignored_stays_so() -> None:
    heard: list[int] = []
    numbers = (signal.SIGUSR1, signal.SIGUSR2)
    ours = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    before = {number: signal.getsignal(number) for number in (*numbers, signal.SIGURG)}
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    try:
        with signals.heard(lambda number, _frame: heard.append(number), *numbers):
            for number in numbers:
                os.kill(os.getpid(), number)
            assert heard == [signal.SIGUSR2]
        assert {number: signal.getsignal(number) for number in before} == before
        for thread in threading.enumerate():
            if thread.name == "signals":
                thread.join(20)
        assert len(list(Path("/proc/self/fd").iterdir())) == open_before
    finally:
        signal.signal(signal.SIGUSR1, ours)


def test_another_thread_changes_nothing() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def elsewhere() -> None:
        with signals.heard(lambda _number, _frame: None, signal.SIGTERM):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [before]
