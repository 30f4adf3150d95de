"""The house has burnt down: what is left is the copy in a bucket elsewhere, and a drill proves that it is enough."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from haechi.cli.main import run
from tests.servers.seaweedfs import SeaweedFS

pytestmark = pytest.mark.server

PLAN = """
[plan]
name = "office"
language = "en"
[server]
state = "{root}/state"
disk_alarm = 100
[vault.main]
url = "{root}/main"
key = {{ env = "OFFICE_KEY" }}
[vault.offsite]
url = "s3://{bucket}/vault"
endpoint = "{endpoint}"
region = "us-east-1"
access_key = {{ env = "OFFSITE_ACCESS" }}
secret_key = {{ env = "OFFSITE_SECRET" }}
key = {{ env = "OFFSITE_KEY" }}
[defaults]
to = "vault.main"
copy = "vault.offsite"
[service.papers]
source = "files"
paths = "{root}/papers"
[service.letters]
source = "files"
paths = "{root}/letters"
[scenario.fire]
order = ["papers", "letters"]
drill = {{ when = "monthly 1st 05:00", of = "vault.offsite" }}
"""


def test_a_drill_from_off_site_needs_nothing_of_the_vault_here(
    tmp_path: Path, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def haechi(*words: str, status: int = 0) -> Any:
        capsys.readouterr()
        ended = run([*words, "--json"])
        said = capsys.readouterr()
        assert ended == status, said.out + said.err
        return json.loads(said.out)

    for name in ("papers", "letters"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one").write_text(f"dear {name}" * 1000)
    bucket = seaweedfs.bucket()
    plan = PLAN.format(root=tmp_path, bucket=bucket, endpoint=seaweedfs.endpoint)
    (tmp_path / "haechi.toml").write_text(plan)
    monkeypatch.setenv("HAECHI_PLAN", str(tmp_path / "haechi.toml"))
    monkeypatch.setenv("OFFICE_KEY", "correct horse battery staple")
    monkeypatch.setenv("OFFSITE_KEY", "quite another passphrase")
    monkeypatch.setenv("OFFSITE_ACCESS", seaweedfs.options["access_key"])
    monkeypatch.setenv("OFFSITE_SECRET", seaweedfs.options["secret_key"])

    haechi("vault", "init")
    haechi("backup")
    haechi("copy")
    shutil.rmtree(tmp_path / "main")
    for name in ("papers", "letters"):
        shutil.rmtree(tmp_path / name)

    (papers,) = haechi("drill", "papers", "--from", "vault.offsite")
    assert papers["passed"] and papers["copy"] == "vault.offsite" and papers["compared"]
    (fire,) = haechi("drill", "scenario:fire", "--from", "vault.offsite")
    assert fire["passed"], fire
    assert {one["service"]: one["copy"] for one in fire["members"]} == {
        "papers": "vault.offsite",
        "letters": "vault.offsite",
    }
    assert "failure" in {alarm["event"] for alarm in haechi("alarms", status=21)}, "the vault here is gone"
