"""What docs/howto says of files, commands and SQLite is true; what it says to type without Haechi is typed."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from haechi.places.local import LocalPlace
from haechi.plan.load import loads
from haechi.sources import command, files, gitlab, sqlite, volume
from tests.unit.sources.ground import install

KINDS = {"files": files, "command": command, "sqlite": sqlite, "volume": volume, "gitlab": gitlab}
REST = """
[plan]
name = "page"
timezone = "Asia/Seoul"
[vault.main]
url = "/backup/vault"
key = { file = "/k" }
[archive.nas]
url = "/mnt/nas"
layout = "{service}/{part}_{time}.bin"
"""


def page(kind: str) -> str:
    return Path("docs/howto", f"{kind}.md").read_text("utf-8")


def typed(kind: str, begin: str) -> str:
    """The line that is to be typed by hand and begins so."""
    (line,) = re.findall(rf"^{re.escape(begin)} .*$", page(kind).partition("## By hand")[2], re.MULTILINE)
    return str(line)


@pytest.mark.parametrize("kind", KINDS)
def test_the_plan_has_no_mistakes_and_the_table_every_option(kind: str) -> None:
    (plan,) = re.findall(r"```toml\n(.*?)```", page(kind), re.DOTALL)
    assert loads(REST + plan, environment={}).services
    told = {
        name
        for cell in re.findall(r"^\| (`.*?) \|", page(kind), re.MULTILINE)
        for name in re.findall("`(\\w+)`", cell)
    }
    known = {*KINDS[kind].Options.model_fields, *KINDS[kind].Target.model_fields}
    assert set(KINDS[kind].Options.model_fields) <= told <= known


def test_files_by_hand(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    (media / "a.jpg").write_bytes(b"a picture")
    source = files.build("it", files.Options.model_validate({"paths": str(media)}), LocalPlace())
    it = install(tmp_path / "ground", "files", source, "media_backup_{time:%Y%m%d_%H%M%S}.tar.gz")
    it.back_up()
    nas = tmp_path / "ground" / "nas"
    (made,) = nas.glob("*.tar.gz")
    (tmp_path / "back").mkdir()
    name = "media_backup_20260128_030000.tar.gz"
    for begin in ("sha256sum", "tar"):
        line = typed("files", begin).replace(name, made.name).replace("-C /", f"-C {tmp_path}/back")
        subprocess.run(line, shell=True, cwd=nas, check=True, capture_output=True)
    assert Path(f"{tmp_path}/back{media}/a.jpg").read_bytes() == b"a picture"


def test_a_command_by_hand(tmp_path: Path) -> None:
    options = command.Options.model_validate({"dump": [sys.executable, "-c", "print('dn: cn=x')"]})
    it = install(
        tmp_path / "ground",
        "command",
        command.Command("it", options, LocalPlace()),
        "directory_{time:%Y%m%d_%H%M%S}.gz",
    )
    it.back_up()
    (made,) = (tmp_path / "ground" / "nas").glob("*.gz")
    line = typed("command", "gunzip").replace("directory_20260128_020000.gz", str(made))
    subprocess.run(line, shell=True, cwd=tmp_path, check=True)
    assert (tmp_path / "directory.ldif").read_text() == "dn: cn=x\n"


def test_sqlite_by_hand(tmp_path: Path) -> None:
    database = tmp_path / "app.sqlite3"
    with closing(sqlite3.connect(database)) as db:
        db.execute("create table t as select 7 as n")
        db.commit()
    source = sqlite.SQLite("it", sqlite.Options.model_validate({"files": str(database)}), LocalPlace())
    it = install(tmp_path / "ground", "sqlite", source, "{part}_{time:%Y%m%d_%H%M%S}.gz")
    it.back_up()
    database.unlink()
    (made,) = (tmp_path / "ground" / "nas").glob("app.sqlite3_*.gz")
    line = typed("sqlite", "gunzip").replace("app.sqlite3_20260128_120000.gz", str(made))
    subprocess.run(line, shell=True, cwd=tmp_path, check=True)
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("select n from t").fetchone() == (7,)
