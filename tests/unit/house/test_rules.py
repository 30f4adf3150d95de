"""The rules of the house hold, and a planted violation of each is caught."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CODE = [
    path for folder in ("src", "tests", "bench", "tools") for path in sorted((ROOT / folder).rglob("*.py"))
]
BIN = Path(sys.executable).parent


def test_no_file_is_too_long_to_read() -> None:
    assert len(CODE) > 50
    assert [
        str(path.relative_to(ROOT)) for path in CODE if len(path.read_text("utf-8").splitlines()) > 600
    ] == []


def test_no_room_for_what_has_no_name() -> None:
    assert [path.name for path in CODE if path.stem in {"utils", "util", "helpers", "misc", "common"}] == []
    assert [
        path.name for path in CODE if re.search(r"^class \w*Manager\b", path.read_text("utf-8"), re.M)
    ] == []


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the house in which something may be broken."""
    shutil.copytree(
        ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.po", "*.mo")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(house: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "lint-imports", "--no-cache"],
        cwd=house,
        env={"PYTHONPATH": str(house / "src"), "PATH": str(BIN)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("room", "statement", "said"),
    [
        ("fileio.py", "import haechi.vault", "haechi.fileio -> haechi.vault"),
        ("journal/schema.py", "import haechi.sources", "haechi.journal.schema -> haechi.sources"),
        ("operations/backup.py", "import haechi.plan", "haechi.operations.backup -> haechi.plan"),
        ("vault/__init__.py", "import rich", "haechi.vault -> rich"),
        ("stores/local.py", "def late() -> None:\n    import tomllib", "haechi.stores.local -> tomllib"),
    ],
)
def test_an_import_that_runs_upward_is_caught(house: Path, room: str, statement: str, said: str) -> None:
    file = house / "src" / "haechi" / room
    file.write_text(file.read_text("utf-8") + f"\n{statement}\n")
    done = lint_imports(house)
    assert done.returncode != 0
    assert said in done.stdout


def test_the_house_as_it_stands_is_in_order(house: Path) -> None:
    done = lint_imports(house)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess",
        "from subprocess import run",
        "import time\n\ntime.sleep(1)",
        "import time\n\nmoment = time.monotonic()",
        "import time\n\nmoment = time.time()",
        "from datetime import datetime\n\nmoment = datetime.now()",
        "import os\n\nos.system('ls')",
        "import os\n\nos.popen('ls')",
    ],
)
def test_what_is_banned_outside_its_room_is_caught(code: str) -> None:
    def check(name: str) -> subprocess.CompletedProcess[str]:
        argv = [BIN / "ruff", "check", "--no-cache", "--select", "TID251", "--stdin-filename", name, "-"]
        return subprocess.run(argv, cwd=ROOT, input=code + "\n", capture_output=True, text=True, check=False)

    done = check("src/haechi/operations/backup.py")
    assert (done.returncode, "TID251" in done.stdout) == (1, True)
    room = "clock.py" if "time" in code else "process/spawning.py"
    assert check(f"src/haechi/{room}").returncode == 0
    assert check("tests/unit/test_x.py").returncode == 0
