"""GitLab, against a stand-in that keeps the contract of its commands."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import (
    AlreadyThere,
    Damaged,
    HaechiError,
    NotThere,
    ProgramFailed,
    ProgramMissing,
    UsageMistake,
    VaultLocked,
    VersionMismatch,
)
from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.sources import gitlab
from haechi.sources._base import PartReader, Wanted
from haechi.sources._gitlab.talking import read_created
from tests.servers.gitlab import VERSION, GitLab
from tests.unit.sources.ground import Installation, install

LAYOUT = "{time:%Y%m%d_%H%M%S}_{part}.tar"
COPIES = ("vault.main", "archive.nas")
ALL_UP = {"gitaly", "postgresql", "puma", "redis", "sidekiq"}


def ground(root: Path, it: GitLab, **options: object) -> Installation:
    given = gitlab.Options.model_validate(it.options(**options))
    return install(root / "ground", "gitlab", gitlab.build("it", given, it.place), LAYOUT)


@pytest.fixture
def it(tmp_path: Path) -> GitLab:
    return GitLab(tmp_path / "gitlab")


def left(it: GitLab) -> list[str]:
    return sorted(path.name for path in it.backups.iterdir() if path.name != "tmp")


@pytest.mark.parametrize("copy", COPIES)
def test_all_of_it_comes_back_with_its_secrets(tmp_path: Path, it: GitLab, copy: str) -> None:
    ours = ground(tmp_path, it)
    probe = ours.service.source.probe()
    assert (probe.version, probe.details["program"], probe.warnings) == (VERSION, "gitlab-backup", ())
    before = it.contents()
    point = ours.back_up()
    assert [part.name for part in point.parts] == ["gitlab-secrets.json", "gitlab.rb", "gitlab_backup.tar"]
    assert point.facts["gitlab_version"] == VERSION
    assert {"db", "repositories", "uploads.tar.gz"} <= set(point.facts["members"])
    assert point.facts["dumped"] == ["database", "repositories", "uploads", "artifacts", "lfs"]
    assert left(it) == []
    assert it.contents() == before

    (it.root / "etc/gitlab/gitlab-secrets.json").write_text('{"db_key_base": "of another machine"}')
    it.fill(2)
    done = ours.restore(copy, in_place=True)
    assert done.restored.equal, done.restored.comparisons
    compared = {c.what for c in done.restored.comparisons}
    assert {"gitlab:check SANITIZE=true", "gitlab:doctor:secrets", "archive: sha256"} <= compared
    after = it.contents()
    (kept,) = [name for name in after if ".before_" in name]
    assert b"another machine" in after.pop(kept)
    assert after == before
    assert left(it) == []
    assert it.running() == ALL_UP


def test_in_gitlabs_own_order(tmp_path: Path, it: GitLab) -> None:
    ours = ground(tmp_path, it)
    ours.back_up()
    (it.root / "etc/gitlab/gitlab.rb").write_text("other")
    at = len(it.calls())
    ours.restore("vault.main", in_place=True)
    calls = [c.split(" BACKUP")[0].strip() for c in it.calls()[at:] if "create" not in c]
    assert calls == [
        "gitlab-ctl reconfigure",
        "gitlab-ctl stop puma",
        "gitlab-ctl stop sidekiq",
        "gitlab-ctl status",
        "gitlab-rake gitlab:backup:restore",
        "gitlab-ctl reconfigure",
        "gitlab-ctl start",
        "gitlab-rake gitlab:check SANITIZE=true",
        "gitlab-rake gitlab:doctor:secrets",
    ]


def test_what_the_plan_says_reaches_it(tmp_path: Path, it: GitLab) -> None:
    (it.root / "changing" / "uploads").touch()
    ours = ground(
        tmp_path,
        it,
        strategy="copy",
        skip=["lfs", "artifacts"],
        variables={"GITLAB_BACKUP_MAX_CONCURRENCY": "2"},
    )
    point = ours.back_up()
    (call,) = [line for line in it.calls() if "backup:create" in line]
    for word in (
        "STRATEGY=copy",
        "SKIP=lfs,artifacts",
        "GZIP_RSYNCABLE=yes",
        "GITLAB_BACKUP_MAX_CONCURRENCY=2",
    ):
        assert word in call
    assert "BACKUP=haechi_" in call
    assert "lfs" in point.facts["left_out"]
    assert "lfs.tar.gz" not in point.facts["members"]


def test_the_older_task(tmp_path: Path) -> None:
    it = GitLab(tmp_path / "old", commands=("gitlab-rake", "gitlab-ctl"))
    ours = ground(tmp_path, it)
    assert ours.service.source.probe().details["program"] == "gitlab-rake"
    before = it.contents()
    ours.back_up()
    it.fill(3)
    assert ours.restore("archive.nas", in_place=True).restored.equal
    assert it.contents() == before


@pytest.mark.parametrize("older", [False, True], ids=["newer", "older"])
def test_a_part_that_failed_fails_whatever_the_exit_status(tmp_path: Path, it: GitLab, older: bool) -> None:
    (it.root / "fails" / "uploads").touch()
    if older:
        (it.root / "older").touch()
    ours = ground(tmp_path, it)
    with pytest.raises(ProgramFailed, match="uploads"):
        ours.back_up()
    assert left(it) == []
    assert ours.vault.points() == []


def test_other_failures(tmp_path: Path, it: GitLab) -> None:
    ours = ground(tmp_path, it)
    (it.root / "fails" / "tar").touch()
    with pytest.raises(ProgramFailed, match="Backup failed"):
        ours.back_up()
    (it.root / "fails" / "tar").unlink()
    (it.root / "etc/gitlab/gitlab-secrets.json").rename(tmp_path / "away")
    assert "gitlab-secrets.json is not there" in ours.service.source.probe().warnings[0]
    with pytest.raises(NotThere, match="secrets"):
        ours.back_up()
    nowhere = gitlab.Options.model_validate(it.options(files=[], backups=str(tmp_path / "elsewhere")))
    with pytest.raises(ProgramFailed, match="it is not at"), _taken(it, nowhere):
        pass
    empty = GitLab(tmp_path / "none", commands=("gitlab-ctl",))
    with pytest.raises(ProgramMissing, match="no GitLab"):
        ground(tmp_path / "2", empty).service.source.probe()


def _taken(it: GitLab, options: gitlab.Options) -> Any:
    return gitlab.build("it", options, it.place).capture(SILENT)


def test_one_that_is_at_work_is_left_alone_and_a_stale_note_is_not(tmp_path: Path, it: GitLab) -> None:
    ours = ground(tmp_path, it)
    (it.backups / "tmp").mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (it.backups / "tmp/backup_restore.pid").write_text(str(other.pid))
        with pytest.raises(VaultLocked, match="in progress"):
            ours.back_up()
        other.kill()
    ours.back_up()


def test_another_version_is_refused_before_anything_is_touched(tmp_path: Path, it: GitLab) -> None:
    ours = ground(tmp_path, it)
    point = ours.back_up()
    (it.rails / "VERSION").write_text("16.7.2\n")
    before, at = it.contents(), len(it.calls())
    parts = {
        p.name: PartReader(p, lambda name=p.name: ours.archive.open_part(point, name)) for p in point.parts
    }
    with pytest.raises(VersionMismatch, match=r"made by 16\.7\.2-ee"):
        ours.service.source.restore(point, parts, Wanted(in_place=True), SILENT)
    bare = RestorePoint(id="x", service="it", source="gitlab", time=point.time)
    with pytest.raises(VersionMismatch):
        ours.service.source.restore(bare, parts, Wanted(in_place=True), SILENT)
    assert it.contents() == before
    assert len(it.calls()) == at
    assert it.running() == ALL_UP
    assert left(it) == []


def test_over_what_is_there_only_when_asked(tmp_path: Path, it: GitLab) -> None:
    ours = ground(tmp_path, it)
    ours.back_up()
    with pytest.raises(UsageMistake, match="replaces all"):
        ours.restore("vault.main")
    with pytest.raises(UsageMistake, match="whole"):
        ours.restore("vault.main", only=("db",), in_place=True)


@pytest.mark.parametrize("copy", COPIES)
def test_into_a_directory(tmp_path: Path, it: GitLab, copy: str) -> None:
    ours = ground(tmp_path, it)
    ours.back_up()
    done = ours.restore(copy, target={"directory": str(tmp_path / "out")})
    assert done.restored.equal and len(done.restored.comparisons) == 6
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "gitlab_backup.tar",
        "gitlab-secrets.json",
        "gitlab.rb",
    }
    said = subprocess.run(
        ["tar", "-tf", tmp_path / "out/gitlab_backup.tar"], check=True, capture_output=True, text=True
    )
    assert said.stdout.splitlines()[0] == "backup_information.yml"
    with pytest.raises(AlreadyThere):
        ours.restore(copy, target={"directory": str(tmp_path / "out")})


def test_rehearsed_here_and_never_over_the_one_in_use(
    tmp_path: Path, it: GitLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = ground(tmp_path, it)
    before = it.contents()
    point = ours.back_up()
    parts = {
        p.name: PartReader(p, lambda name=p.name: ours.archive.open_part(point, name)) for p in point.parts
    }
    source = ours.service.source
    assert isinstance(source, gitlab.GitLabService)
    with source.rehearse(point, parts, Wanted(), str(tmp_path), SILENT) as done:
        pass
    assert done.restored.equal and done.left == ()
    monkeypatch.setattr(gitlab, "open_place", lambda _at: it.place)
    told = source.foretell(point, parts, Wanted(target={"at": "test:elsewhere"}), SILENT)
    assert told.destructive and VERSION in told.lines[0]
    assert not source.foretell(point, parts, Wanted(target={"directory": "/x"}), SILENT).destructive
    with pytest.raises(UsageMistake, match="in use"):
        source.rehearse(point, parts, Wanted(), "test:elsewhere", SILENT)
    assert it.contents() == before


def test_rehearsed_over_a_second_one_which_keeps_its_settings(
    tmp_path: Path, it: GitLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = ground(tmp_path, it)
    point = ours.back_up()
    before = it.contents()
    it.fill(2)
    (it.root / "etc/gitlab/gitlab-secrets.json").write_text("of the second")
    (it.root / "etc/gitlab/gitlab.rb").write_text("of the second")
    second = it.place
    second.name = "test:second"
    monkeypatch.setattr(gitlab, "open_place", lambda _at: second)
    parts = {
        p.name: PartReader(p, lambda name=p.name: ours.archive.open_part(point, name)) for p in point.parts
    }
    source = ours.service.source
    assert isinstance(source, gitlab.GitLabService)
    with source.rehearse(point, parts, Wanted(), "test:second", SILENT) as done:
        pass
    assert done.restored.equal
    after = {name: data for name, data in it.contents().items() if ".before_" not in name}
    assert after.pop("etc/gitlab/gitlab.rb") == b"of the second"
    assert after == {name: data for name, data in before.items() if not name.endswith("gitlab.rb")}


def test_a_restore_that_fails_leaves_settings_and_services_as_they_were(tmp_path: Path, it: GitLab) -> None:
    ours = ground(tmp_path, it)
    point = ours.back_up()
    parts = {
        p.name: PartReader(p, lambda name=p.name: ours.archive.open_part(point, name)) for p in point.parts
    }
    (it.root / "etc/gitlab/gitlab-secrets.json").write_text("another")
    before = it.contents()
    for failing in ("restore", "reconfigure", "stop"):
        (it.root / "fails" / failing).touch()
        with pytest.raises(HaechiError):
            ours.service.source.restore(point, parts, Wanted(in_place=True), SILENT)
        (it.root / "fails" / failing).unlink()
        assert it.running() == ALL_UP, failing
        assert it.contents() == before, failing
        assert left(it) == []


@pytest.mark.parametrize("failing", ["chmod", "cp", "mv"])
def test_settings_that_cannot_be_replaced_stay(tmp_path: Path, it: GitLab, failing: str) -> None:
    """A disk that is full in the middle of it must not cost the secrets that are in use."""
    ours = ground(tmp_path, it)
    point = ours.back_up()
    parts = {
        p.name: PartReader(p, lambda name=p.name: ours.archive.open_part(point, name)) for p in point.parts
    }
    (it.root / "etc/gitlab/gitlab-secrets.json").write_text("in use")
    before = it.contents()
    broken = f"""#!/bin/sh
for last; do :; done
case "$*" in *etc/gitlab*) [ {failing} != cp ] || echo half >"$last"; exit 1 ;; esac
exec /bin/{failing} "$@"
"""
    if failing == "mv":  # but it can still put back
        broken = broken.replace("*etc/gitlab*)", "*under-way*)")
    (it.bin / failing).write_text(broken)
    (it.bin / failing).chmod(0o755)
    with pytest.raises(HaechiError):
        ours.service.source.restore(point, parts, Wanted(in_place=True), SILENT)
    assert it.contents() == before
    assert it.running() == ALL_UP


def test_a_damaged_copy_touches_nothing(tmp_path: Path, it: GitLab) -> None:
    ours = ground(tmp_path, it)
    point = ours.back_up()
    with ours.archive.open_part(point, "gitlab_backup.tar") as stream:
        whole = stream.read()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    before, at = it.contents(), len(it.calls())
    for data in (bytes(changed), whole[: len(whole) // 2]):
        parts = {
            p.name: PartReader(p, lambda name=p.name: ours.archive.open_part(point, name))
            for p in point.parts
        }
        parts["gitlab_backup.tar"] = PartReader(point.parts[-1], lambda data=data: io.BytesIO(data))
        with pytest.raises(Damaged):
            ours.service.source.restore(point, parts, Wanted(in_place=True), SILENT)
    assert it.contents() == before
    assert [c for c in it.calls()[at:] if "ctl" in c] == []
    assert left(it) == []


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path: Path, it: GitLab) -> None:
    for name in ("haechi_20260128_120000", "1493107454_2018_04_25_10.6.4-ce", "monthly"):
        (it.backups / f"{name}_gitlab_backup.tar").write_bytes(b"x")
    ground(tmp_path, it).back_up()
    assert left(it) == [
        "1493107454_2018_04_25_10.6.4-ce_gitlab_backup.tar",
        "monthly_gitlab_backup.tar",
    ]


def test_secrets_of_another_one_are_found(tmp_path: Path, it: GitLab) -> None:
    """What everybody forgets: an archive without its secrets."""
    ours = ground(tmp_path, it, files=[])
    ours.back_up()
    (it.root / "etc/gitlab/gitlab-secrets.json").write_text("another")
    done = ours.restore("vault.main", in_place=True)
    (failed,) = [c for c in done.restored.comparisons if not c.equal]
    assert (failed.what, failed.found) == ("gitlab:doctor:secrets", "User: 3")


def test_what_it_says_is_read() -> None:
    told = read_created(
        "2026-01-28 03:00:00 +0900 -- Dumping database ... \n"
        "Dumping PostgreSQL database gitlabhq_production ... [DONE]\n"
        "2026-01-28 03:00:01 +0900 -- Dumping database ... done\n"
        "2026-01-28 03:00:01 UTC -- Dumping terraform states ... [DISABLED]\n"
        "2026-01-28 03:00:01 UTC -- Dumping lfs objects ... \n"
        "2026-01-28 03:00:02 UTC -- Creating backup archive: x_gitlab_backup.tar ... done\n"
    )
    assert (told.done, told.left_out, list(told.failed)) == (
        ["database"],
        ["terraform states"],
        ["lfs objects"],
    )
    assert told.archive == "x_gitlab_backup.tar"


def test_what_a_plan_cannot_say() -> None:
    for wrong in ({"skip": ["tar"]}, {"files": ["/a/x", "/b/x"]}, {"variables": {"SKIP": "db"}}):
        with pytest.raises(ValueError):
            gitlab.Options.model_validate(wrong)


def test_by_hand(tmp_path: Path, it: GitLab) -> None:
    """Line for line what the page says to type."""
    ours = ground(tmp_path, it)
    ours.back_up()
    before = it.contents()
    it.fill(2)
    (it.root / "etc/gitlab/gitlab-secrets.json").write_text("another")
    nas = tmp_path / "ground" / "nas"
    (made,) = nas.glob("*_gitlab_backup.tar")
    stamp = made.name.removesuffix("_gitlab_backup.tar")
    page = Path("docs/howto/gitlab.md").read_text("utf-8").partition("## By hand")[2]
    lines = page.partition("```\n")[2].partition("```")[0]
    for old, new in {
        "20260128_040000": stamp,
        "/etc/gitlab": f"{it.root}/etc/gitlab",
        "/var/opt/gitlab": f"{it.root}/var/opt/gitlab",
        "git:git": f"{os.getuid()}:{os.getgid()}",
    }.items():
        lines = lines.replace(old, new)
    done = subprocess.run(
        ["sh", "-e", "-c", lines],
        cwd=nas,
        env={**os.environ, "PATH": it.place.path},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "User failures: 0" in done.stdout
    assert it.contents() == before
    assert it.running() == ALL_UP
