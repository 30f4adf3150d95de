"""Verbs are files; the help lists them without loading one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from haechi.cli import frame

HEAVY = {"rich", "sqlalchemy", "pydantic", "cryptography", "psycopg", "obstore", "httpx", "haechi.app"}


def loaded_by(*lines: str) -> set[str]:
    """The modules that these command lines import, all in one process."""
    code = (
        f"import sys\nfrom haechi.cli.main import run\nfor line in {lines!r}:\n    assert run(line.split()) == 0\n"
        "print('\\n' + ' '.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def test_the_help_loads_nothing_heavy() -> None:
    modules = loaded_by("--help")
    assert not modules & HEAVY
    assert not [name for name in modules if name.startswith("haechi.cli.commands.")]


def test_the_help_of_a_command_loads_no_driver() -> None:
    modules = loaded_by(*(f"{verb} --help" for verb in frame.every_verb()))
    assert not modules & (HEAVY - {"rich", "pydantic"})  # Typer itself wants these two


@pytest.mark.parametrize("verb", frame.every_verb())
def test_what_is_read_from_the_file_is_what_the_module_says(verb: str) -> None:
    command = frame.load(verb)
    module = sys.modules[f"haechi.cli.commands.{verb.replace('-', '_')}"]
    assert frame.every_verb()[verb] == frame.Verb(verb, module.GROUP, module.SUMMARY)
    assert module.GROUP in frame.GROUPS
    assert not module.SUMMARY.endswith(".")
    assert command.help == module.SUMMARY
