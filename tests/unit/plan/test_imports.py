"""Reading a plan imports the plugins that it uses, and no driver."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.unit.plan.test_load import PLAN

PROGRAM = """
import sys
from haechi.plan.load import load
load(sys.argv[1], {})
print("\\n".join(sys.modules))
"""
HEAVY = {"sqlalchemy", "rich", "typer", "obstore", "psycopg", "cryptography", "zstandard", "asyncio"}


def test_only_what_is_used(tmp_path: Path) -> None:
    path = tmp_path / "haechi.toml"
    path.write_text(PLAN)
    done = subprocess.run([sys.executable, "-c", PROGRAM, path], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "haechi.sources.postgresql" in loaded
    assert loaded & HEAVY == set()
    assert not loaded & {
        f"haechi.{room}" for room in ("app", "operations.backup", "cli", "vault", "journal.book")
    }
    assert not loaded & {f"haechi.stores.{kind}" for kind in ("rclone", "rest")}
    assert not loaded & {f"haechi.sources.{kind}" for kind in ("files", "command", "mongodb", "bucket")}
