"""Errors become a message, a next step and a documented status; nothing else ever comes out."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pytest
from typer import Argument, Option

from haechi.cli import frame
from haechi.cli.screen import screen
from haechi.credentials import Secret
from haechi.errors import PromiseBroken, Status, VaultLocked, every_error
from tests.unit.cli.conftest import Ended

Haechi = Callable[..., Ended]
Plant = Callable[[Callable[..., None]], None]


def test_an_error_is_a_message_with_a_next_step(haechi: Haechi, verb: Plant) -> None:
    def command() -> None:
        raise VaultLocked("Somebody is at it.", hint="Wait.", detail="pid 7")

    verb(command)
    ended = haechi("trial")
    assert (ended.status, ended.out) == (Status.LOCKED, "")
    assert ended.err.splitlines()[:2] == ["Error: Somebody is at it.", "  Wait."]
    assert "pid 7" not in ended.err
    assert "pid 7" in haechi("trial", "-v").err
    assert "\033" not in ended.err


def test_an_error_for_programs_is_json(haechi: Haechi, verb: Plant) -> None:
    def command() -> None:
        raise VaultLocked("Somebody is at it.", hint="Wait.")

    verb(command)
    ended = haechi("trial", "--json")
    said = json.loads(ended.out)
    assert (said["error"]["code"], said["error"]["hint"], said["status"]) == ("locked", "Wait.", 11)
    assert said["error"]["retryable"] is True


def test_an_answer_before_an_error_stays_the_only_document(haechi: Haechi, verb: Plant) -> None:
    def command() -> None:
        screen().answer({"held": False}, text="not held")
        raise PromiseBroken("postgres is too old.")

    verb(command)
    ended = haechi("--json", "trial")
    assert ended.status == 21
    assert json.loads(ended.out) == {"held": False}
    assert json.loads(ended.err)["error"]["code"] == "promise-broken"
    assert haechi("trial").out == "not held\n"


def test_a_defect_is_told_shortly_and_kept_privately(haechi: Haechi, verb: Plant, tmp_path: Path) -> None:
    def command() -> None:
        token = Secret("tooth")
        raise ZeroDivisionError(f"with {token}")

    verb(command)
    ended = haechi("trial", "--password-of-mine") and haechi("trial")
    assert ended.status == Status.FAILURE
    assert "Traceback" not in ended.err
    [kept] = (tmp_path / "state" / "defects").iterdir()
    assert str(kept) in ended.err
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    story = kept.read_text()
    assert "ZeroDivisionError" in story and "test_main.py" in story and "tooth" not in story
    assert "Traceback" in haechi("trial", "-v").err


def test_ctrl_c_is_an_outcome_of_its_own(haechi: Haechi, verb: Plant) -> None:
    def command() -> None:
        raise KeyboardInterrupt

    verb(command)
    assert haechi("trial").status == Status.INTERRUPTED
    assert json.loads(haechi("trial", "--json").out)["error"]["code"] == "interrupted"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("versoin",), "Did you mean “version”?"),
        (("forget",), "Did you mean “prune”?"),
        (("xyzzy",), "`haechi --help` lists them all."),
        (("version", "--jsno"), "Did you mean “--json”?"),
        (("version", "loud"), "more on the line than fits: loud"),
        (("journal",), "A command is missing."),
        (("journal", "lits"), "Did you mean “list”?"),
        (("journal", "show"), "RUN is missing."),
        (("journal", "list", "--limit", "many"), "--limit wants a number of at least 1."),
        (("journal", "list", "--limit", "0"), "--limit wants a number of at least 1."),
        (("completion", "show", "csh"), "SHELL wants one of bash, zsh, fish."),
        (("--quiet",), "A command is missing."),
        (("journal", "list", "--limit"), "The option --limit wants a value."),
        (("--lang", "tlh", "version"), "The language “tlh” is not known here."),
    ],
)
def test_what_was_mistyped_is_answered_with_what_was_meant(
    haechi: Haechi, words: tuple[str, ...], expected: str
) -> None:
    ended = haechi(*words)
    assert (ended.status, ended.out) == (Status.USAGE, "")
    assert expected in ended.err


def test_help_may_be_asked_for_in_words(haechi: Haechi) -> None:
    assert haechi("help").out == haechi("--help").out == haechi("-h").out == haechi().out
    assert haechi("help", "journal", "list").out == haechi("journal", "list", "--help").out


def test_what_other_tools_call_it_leads_to_a_command_of_ours() -> None:
    for ours in frame.ELSEWHERE.values():
        verb, *rest = ours.split()
        assert not rest or rest[0] in frame.load(verb).commands


def test_options_of_every_command_stand_before_and_after_the_verb(haechi: Haechi, verb: Plant) -> None:
    seen = []

    def command(
        names: Annotated[list[str] | None, Argument()] = None, tag: Annotated[str, Option("--tag")] = ""
    ) -> None:
        view = screen()
        seen.append((view.plan, view.json, view.quiet, view.verbose, view.yes, view.color, names, tag))

    verb(command)
    expected = (Path("x.toml"), True, True, True, True, False, ["a", "b"], "t")
    haechi("-p", "x.toml", "--json", "-q", "-v", "-y", "--no-color", "trial", "a", "b", "--tag", "t")
    haechi("trial", "a", "--plan=x.toml", "--json", "-qvy", "b", "--no-color", "--tag=t")
    assert seen == [expected, expected]


def test_the_plan_may_come_from_the_environment(
    haechi: Haechi, verb: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    verb(lambda: seen.append(screen().plan))
    monkeypatch.setenv("HAECHI_PLAN", "/etc/here.toml")
    haechi("trial")
    haechi("trial", "-p", "there.toml")
    assert seen == [Path("/etc/here.toml"), Path("there.toml")]


def test_statuses_and_codes_are_unique() -> None:
    ours = [error for error in set(every_error()) if error.__module__.startswith("haechi.")]
    codes = [error.code for error in ours]
    assert sorted(codes) == sorted(set(codes))
    assert all(error.status in set(Status) for error in ours)
    assert all(status.meaning.endswith(".") for status in Status)


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_cleans_up_and_ends_with_130(which: signal.Signals, tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom contextlib import contextmanager\nfrom haechi.cli import frame, main\n"
        "def dispatch(argv):\n"
        "    try:\n        print('up', flush=True); time.sleep(30)\n"
        "    finally:\n        print('cleaned', flush=True)\n"
        "frame.dispatch = dispatch\nsys.exit(main.run([]))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout and child.stdout.readline() == "up\n"
    child.send_signal(which)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out) == (130, "cleaned\n")
    assert err.startswith("Error: Stopped before the end")


def test_work_goes_on_when_nobody_reads_any_more(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom haechi.cli import frame, main\n"
        "from haechi.cli.screen import screen\n"
        "def dispatch(argv):\n"
        "    with screen().progress() as reporter:\n"
        "        for number in range(3):\n"
        "            with reporter.step('reading'):\n"
        "                reporter.warn('careful')\n"
        "            screen().note('noted')\n"
        "            screen().show('said')\n"
        f"    Path({str(tmp_path / 'done')!r}).touch()\n    return 0\n"
        "frame.dispatch = dispatch\nsys.exit(main.run([]))"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", code], stdout=writing, stderr=writing, check=False)
    os.close(writing)
    assert (done.returncode, (tmp_path / "done").exists()) == (0, True)


def test_a_reader_that_leaves_early_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "haechi", "version"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
