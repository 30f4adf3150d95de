"""`haechi demo`, whole: as whoever runs the tests, and as a user who may do little."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from haechi.sources._postgresql import embedded

pytestmark = pytest.mark.server
_DEMO = ("demo", "--scale", "0.05")


# Where this Python lies in root's home, nobody must be able to pass through to it; all else is as for any user.
_NOBODY = (
    "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--",
)  # fmt: skip


def _haechi(
    *argv: str, home: Path, become: tuple[str, ...] = (), **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*become, sys.executable, "-m", "haechi", *argv],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8", **env},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def _prove(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["nothing_lost"] is True
    hurt = {table["name"] for table in told["tables"] if table["hurt"]}
    assert hurt == {"sales.orders", "sales.customers", "ledger.entries"}
    assert all(table["identical"] for table in told["tables"])
    assert 0 < told["rto_seconds"] < told["seconds"]
    assert 0 < told["rpo_seconds"] < told["seconds"]
    assert told["second_vault_bytes"] < told["vault_bytes"]


def test_nothing_is_lost_and_nothing_stays(open_directory: Path) -> None:
    _prove(_haechi(*_DEMO, "--json", home=open_directory))
    assert not list(open_directory.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_normal_user_runs_it_too(open_directory: Path) -> None:
    if not all(parent.stat().st_mode & 0o001 for parent in embedded.programs(embedded.WHEEL).parents):
        pytest.skip("this checkout lies where no other user may pass through")
    open_directory.chmod(0o777)
    _prove(_haechi(*_DEMO, "--json", home=open_directory, become=_NOBODY))


def test_what_is_kept_can_be_played_with(open_directory: Path) -> None:
    done = _haechi(*_DEMO, "--keep", home=open_directory, HAECHI_LANG="en")
    assert done.returncode == 0, done.stderr
    assert "all of it came back" in done.stdout
    plan = re.search(r"HAECHI_PLAN=(\S+)", done.stdout)
    stop = re.search(r"^  (.* stop) && rm -rf (\S+)$", done.stdout, re.MULTILINE)
    assert plan and stop
    try:
        listed = _haechi("list", "--json", home=open_directory, HAECHI_PLAN=plan[1])
        assert len(json.loads(listed.stdout)) == 2
        again = _haechi("backup", "erp", home=open_directory, HAECHI_PLAN=plan[1])
        assert again.returncode == 0, again.stderr
    finally:
        subprocess.run(f"{stop[1]} && rm -rf {stop[2]}", shell=True, check=True, capture_output=True)
