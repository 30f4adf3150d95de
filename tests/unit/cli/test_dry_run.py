"""Whatever takes something away, or moves what is in use, can be asked first what it would do."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.cli import frame
from tests.unit.cli.conftest import Ended

Haechi = Callable[..., Ended]

# Looks, adds, or can be taken back as easily as it was done. All others have a dry run.
TAKES_NOTHING_AWAY = {
    "alarms", "beside list", "checklist", "completion install", "completion show", "demo", "doctor", "drill", "hold",
    "init", "journal list", "journal rebuild", "journal show", "key add", "key list", "key recovery", "list", "locks",
    "metrics", "notify send", "notify test", "plan check", "plan schema", "plan show", "report list", "report show",
    "schedule due", "schedule export", "schedule list", "schedule pause", "schedule resume", "set audit",
    "set list", "set thaw", "status", "vault check", "vault copy", "vault files", "vault init", "vault snapshots",
    "vault tamper-test", "vault try", "verify", "version",
}  # fmt: skip
# Run for as long as they may, and do only what the plan says: `haechi schedule list` tells beforehand what that is.
STAND = {"serve", "worker"}


def every_command() -> Iterator[tuple[str, Any]]:
    for verb in frame.every_verb():
        loaded = frame.load(verb)
        below = getattr(loaded, "commands", None)
        yield from ((f"{verb} {name}", one) for name, one in below.items()) if below else [(verb, loaded)]


COMMANDS = dict(every_command())


@pytest.mark.parametrize("name", COMMANDS)
def test_what_takes_away_has_a_dry_run(name: str) -> None:
    command = COMMANDS[name]
    options = {option for parameter in command.params for option in parameter.opts}
    assert "--dry-run" in options or name in TAKES_NOTHING_AWAY | STAND, (
        "give it --dry-run, or say that it needs none"
    )
    # Who asks to be confirmed says by that, that there is something to lose.
    if "view.confirm(" in inspect.getsource(inspect.unwrap(command.callback)):
        assert "--dry-run" in options


def test_what_is_said_to_need_none_has_none() -> None:
    for name in TAKES_NOTHING_AWAY & COMMANDS.keys():
        assert "--dry-run" not in {option for parameter in COMMANDS[name].params for option in parameter.opts}


@pytest.fixture
def plan(haechi: Haechi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A vault with a backup of two files, and a second vault that is not there yet."""
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "letter").write_text("dear")
    path = tmp_path / "haechi.toml"
    path.write_text(f"""
[plan]
name = "office"
[server]
state = "{tmp_path}/state"
[vault.main]
url = "{tmp_path}/main"
key = {{ env = "OFFICE_KEY" }}
[vault.new]
url = "{tmp_path}/new"
key = {{ env = "OFFICE_KEY" }}
[service.papers]
source = "files"
paths = ["{tmp_path}/papers"]
to = ["vault.main"]
""")
    monkeypatch.setenv("HAECHI_PLAN", str(path))
    monkeypatch.setenv("OFFICE_KEY", "correct horse battery staple")
    assert haechi("vault", "init", "main").status == 0
    assert haechi("backup", "--quiet").status == 0
    return tmp_path


def kept(root: Path) -> dict[str, bytes]:
    """Every file of the vaults and of what is protected; locks come and go."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for place in ("main", "new", "papers")
        for path in sorted((root / place).rglob("*"))
        if path.is_file() and "locks" not in path.parts
    }


@pytest.mark.parametrize(
    "words",
    [
        "backup",
        "beside finish papers",
        "beside swap papers",
        "beside undo papers",
        "journal prune --older-than 0s",
        "key change main",
        "prune",
        "restore papers",
        "restore papers --swap",
        "restore papers --in-place",
        "vault heal main --from main",
        "vault prune main",
        "vault rekey main new",
        "vault repair main",
        "vault unlock main --all",
    ],
)
def test_a_dry_run_changes_nothing_and_asks_nothing(haechi: Haechi, plan: Path, words: str) -> None:
    before = kept(plan)
    ended = haechi(*words.split(), "--dry-run", "--json")
    assert ended.status == 0, ended.err
    json.loads(ended.out)
    assert kept(plan) == before
    assert not (plan / "new").exists()


def test_a_dry_run_of_a_swap_says_what_becomes_of_the_old_one(haechi: Haechi, plan: Path) -> None:
    shown = haechi("restore", "papers", "--swap", "--dry-run").out
    assert ".before_2" in shown
    assert "before_" not in haechi("restore", "papers", "--dry-run").out
    data = json.loads(haechi("restore", "papers", "--swap", "--dry-run", "--json").out)
    assert data["swap"] and data["kept_as"].startswith(".before_2")


@pytest.mark.parametrize(
    "words", ["vault rekey main nwe", "vault heal main --from nwe", "vault tamper-test nwe"]
)
def test_a_vault_that_the_plan_does_not_name_is_said_to_be_unknown(
    haechi: Haechi, plan: Path, words: str
) -> None:
    ended = haechi(*words.split(), "--yes")
    assert (ended.status, "nwe" in ended.err, "main" in ended.err) == (1, True, True), ended.err


def test_a_key_that_is_not_the_one_in_use_stays_after_a_dry_run(haechi: Haechi, plan: Path) -> None:
    (plan / "second").write_text("another passphrase of some length")
    (plan / "second").chmod(0o600)
    added = json.loads(haechi("key", "add", "main", "--key-file", str(plan / "second"), "--json").out)["id"]
    before = kept(plan)
    answer = json.loads(haechi("key", "remove", "main", added[:8], "--dry-run", "--json").out)
    assert answer == {"removed": added, "done": False}
    assert kept(plan) == before


def test_the_key_in_use_is_named_by_a_dry_run_and_replaced_without(haechi: Haechi, plan: Path) -> None:
    answer = json.loads(haechi("key", "change", "main", "--dry-run", "--json").out)
    assert answer["done"] is False
    (plan / "next").write_text("another passphrase of some length")
    (plan / "next").chmod(0o600)
    words = ("key", "change", "main", "--key-file", str(plan / "next"), "--yes", "--json")
    changed = json.loads(haechi(*words).out)
    assert (changed["removed"], changed["done"]) == (answer["removed"], True)
    assert [path.name for path in (plan / "main" / "keys").iterdir()] == [changed["id"]]
