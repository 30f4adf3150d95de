"""The shell is told what could come next."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Ended

Haechi = Callable[..., Ended]


def asked(words: str, **environment: str) -> str:
    """What bash is told for this line, of which the last word is being typed."""
    env = {
        **os.environ,
        "_HAECHI_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        **environment,
    }
    argv = [sys.executable, "-c", "import sys; from haechi.cli.main import run; sys.exit(run([]))"]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False).stdout


def test_verbs_options_and_services_are_completed(tmp_path: Path) -> None:
    plan = tmp_path / "haechi.toml"
    plan.write_text(
        '[plan]\nname = "x"\n[vault.main]\nurl = "/x"\nkey = { env = "K" }\n'
        '[service.shop]\nsource = "postgresql"\nto = ["vault.main"]\n'
        '[service.store]\nsource = "postgresql"\nto = ["vault.main"]\n'
    )
    assert asked("haechi vers").split() == ["version"]
    assert asked("haechi journal ").split() == ["list", "show", "prune", "rebuild"]
    assert "--dry-run" in asked("haechi backup --").split()
    assert asked("haechi backup sh", HAECHI_PLAN=str(plan)).split() == ["shop"]
    assert asked("haechi backup sh", HAECHI_PLAN=str(tmp_path / "none")).strip() == ""


@pytest.mark.parametrize(
    ("shell", "where"),
    [
        ("bash", ".local/share/bash-completion/completions/haechi"),
        ("zsh", ".zfunc/_haechi"),
        ("fish", ".config/fish/completions/haechi.fish"),
    ],
)
def test_the_script_is_written_where_the_shell_looks(
    haechi: Haechi, shell: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    assert haechi("completion", "install").status == 0
    script = (tmp_path / where).read_text()
    assert "_HAECHI_COMPLETE" in script
    assert haechi("completion", "show", shell).out == script
    monkeypatch.setenv("SHELL", "/bin/csh")
    assert haechi("completion", "install").status == 2


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="bash is not here")
def test_bash_understands_the_script(haechi: Haechi, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(haechi("completion", "show", "bash").out)
    done = subprocess.run(
        ["/bin/bash", "-c", f"source {script}; complete -p haechi"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("complete") and "_haechi_completion" in done.stdout
