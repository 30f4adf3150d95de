"""What docs/howto says of MongoDB is true, and what it says to type without Haechi is typed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.plan.load import loads
from haechi.sources import mongodb
from haechi.vault import keys
from tests.integration.mongodb_ground import Shop, contents, fill, without_options
from tests.servers import mongodb_tools
from tests.servers.mongodb import running
from tests.unit.sources.ground import install
from tests.unit.sources.test_pages import REST, page

_NAME = "backup_20260128_020000.archive"


@pytest.fixture
def shop() -> Iterator[Shop]:
    with running() as server:
        yield Shop(server)


def test_the_plan_has_no_mistakes_and_the_tables_every_option() -> None:
    (plan,) = re.findall(r"```toml\n(.*?)```", page("mongodb"), re.DOTALL)
    assert set(loads(REST + plan, environment={"MONGODB_URL": "mongodb://h"}).services) == {
        "mongodb",
        "events",
    }
    told = {
        name
        for cell in re.findall(r"^\| (`.*?) \|", page("mongodb"), re.MULTILINE)
        for name in re.findall("`(\\w+)`", cell)
    }
    known = {*mongodb.Options.model_fields, *mongodb.Target.model_fields}
    assert told == known


@pytest.mark.server
@pytest.mark.xdist_group("mongodb")
def test_by_hand(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_N", 1 << 10)
    with shop.server.client() as client:
        fill(client)
        before = without_options(contents(client, "shop"))
        it = install(tmp_path / "ground", "mongodb", shop.source(), "backup_{time:%Y%m%d_%H%M%S}.archive")
        it.back_up()
        (made,) = (tmp_path / "ground" / "nas").glob("backup_*.archive")
        bindir = mongodb_tools.install(tmp_path / "bin")
        config = tmp_path / "config"
        config.write_text(f'uri: "{shop.server.url}"\n')
        lines = (
            page("mongodb")
            .partition("## By hand")[2]
            .partition("```\n")[2]
            .partition("\n```")[0]
            .splitlines()
        )
        assert len(lines) == 3
        for line in lines:
            for name in client.list_database_names():
                if name not in {"local", "admin", "config"}:
                    client.drop_database(name)
            if line.startswith("restic") and not shutil.which("restic"):
                continue
            typed = line
            for said, meant in {
                _NAME: str(made),
                "mongorestore": f"{bindir}/mongorestore --config={config}",
                "/backup/vault": str(tmp_path / "ground" / "vault"),
                "service:mongodb": "service:it",
                "/mongodb.archive": "/shop.archive",
            }.items():
                typed = typed.replace(said, meant)
            env = {**os.environ, "RESTIC_PASSWORD": "correct horse", "HOME": str(tmp_path)}
            subprocess.run(["bash", "-o", "pipefail", "-c", typed], env=env, check=True, capture_output=True)
            assert without_options(contents(client, "shop")) == before, line
