"""On a real terminal: bars while the work runs, lines after it, and the cursor as it was."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

from haechi.cli.render.width import width

WORK = """
import time
from haechi.cli.screen import Screen, screen, use_screen
use_screen(Screen.for_arguments([]))
with screen().progress() as reporter:
    with reporter.step("postgres 백업", 100_000_000) as step:
        inside = reporter.within(step)
        with inside.step("쇼핑몰 데이터베이스를 통째로 담은 아주 긴 이름의 덤프", 100_000_000) as part:
            for _ in range(10):
                part.advance(10_000_000)
                step.advance(10_000_000)
                time.sleep(0.06)
screen().answer({}, text="done")
"""
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(code: str, **environment: str) -> str:
    """What a person's terminal of 80 columns is sent."""
    leader, follower = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24", "HAECHI_LANG": "ko", **environment}
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=env,
        close_fds=True,
    )
    os.close(follower)
    said = b""
    try:
        while chunk := os.read(leader, 65536):
            said += chunk
    except OSError:  # how Linux says that the other side is gone
        pass
    os.close(leader)
    assert child.wait(timeout=20) == 0, said.decode()
    return said.decode()


def test_bars_move_and_lines_stay() -> None:
    said = on_a_terminal(WORK)
    assert said.count("━") > 14
    assert "남음" in said or "초" in said
    assert said.rstrip().endswith("done")
    assert said.count("\x1b[?25l") == said.count("\x1b[?25h") == 1
    plain = [ESCAPE.sub("", line) for line in re.split(r"[\r\n]+", said)]
    assert max(map(width, plain)) <= 80
    assert any(line.startswith("✓ postgres 백업: 100 MB") for line in plain)


def test_a_dumb_terminal_gets_plain_lines() -> None:
    said = on_a_terminal(WORK, TERM="dumb")
    assert "\x1b[" not in said and "━" not in said
    assert "postgres 백업: 100 MB" in said


def test_no_color_means_none() -> None:
    said = on_a_terminal(WORK, NO_COLOR="1")
    assert re.findall(r"\x1b\[[0-9;]*3[0-9]m", said) == []
    assert "✓ postgres 백업" in said
