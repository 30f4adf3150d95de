"""Buckets against a real S3: through the command line, with versions, and brought back by stock tools alone."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from haechi.cli.main import run
from haechi.events import SILENT
from haechi.operations import restore
from haechi.operations.destinations.into_mirror import MirrorDestination
from haechi.places.local import LocalPlace
from haechi.plan.load import loads
from haechi.sources import bucket
from haechi.sources._base import Wanted
from haechi.sources._bucket.interface import Bucket
from haechi.sources._bucket.opening import open_bucket
from haechi.stores import objects
from haechi.stores._open import open_store
from haechi.vault import keys as vault_keys
from tests.servers import program
from tests.servers.seaweedfs import SeaweedFS
from tests.unit.sources.ground import Installation, install

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("source-bucket")]

PLAN = """
[plan]
name = "documents"
timezone = "Asia/Seoul"
[server]
state = "{root}/state"
[vault.main]
url = "{root}/vault"
key = {{ file = "{root}/vault.key" }}
[archive.nas]
url = "{root}/nas"
layout = "{{time:%Y%m%d}}/erp-documents.tar"
[service.documents]
source = "bucket"
url = "s3://{bucket}"
endpoint = "{endpoint}"
region = "us-east-1"
access_key = {{ env = "MINIO_ACCESS_KEY" }}
secret_key = {{ env = "MINIO_SECRET_KEY" }}
to = ["vault.main", "archive.nas"]
"""
FILES = {
    "contracts/1.txt": b"one",
    "contracts/2.txt": b"two" * 1000,
    "김 철수.txt": "안녕".encode(),
    "empty.txt": b"",
}


@dataclass
class Said:
    status: int
    out: str
    err: str


class Site:
    """A plan, a bucket and the keys in the environment."""

    def __init__(
        self,
        root: Path,
        server: SeaweedFS,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ):
        self.root, self.server = root, server
        self.bucket = room(server)
        self._capsys = capsys
        monkeypatch.setattr(vault_keys, "_N", 1 << 10)
        monkeypatch.setenv("MINIO_ACCESS_KEY", server.options["access_key"])
        monkeypatch.setenv("MINIO_SECRET_KEY", server.options["secret_key"])
        (root / "vault.key").write_text("planted-passphrase")
        (root / "vault.key").chmod(0o600)
        plan = PLAN.format(root=root, bucket=self.bucket, endpoint=server.endpoint)
        (root / "haechi.toml").write_text(plan)
        assert self("vault", "init", "main").status == 0

    def __call__(self, *words: str) -> Said:
        self._capsys.readouterr()
        status = run([*words, "--plan", str(self.root / "haechi.toml")])
        said = self._capsys.readouterr()
        return Said(status, said.out, said.err)

    def open(self, name: str = "") -> Any:
        return closing(opened(self.server, name or self.bucket))

    def state(self, name: str = "") -> dict[str, bytes]:
        with self.open(name) as there:
            return {found.key: there.get(found.key).data for found in there.list()}


_rooms = itertools.count()


def room(server: SeaweedFS, bucket: str = "documents") -> str:
    """A prefix of its own in one bucket: a bucket of its own takes seven of the server's volumes."""
    return f"{server.make(bucket)}/room-{next(_rooms)}"


def opened(server: SeaweedFS, name: str) -> Bucket:
    return open_bucket(f"s3://{name}", objects.Options.model_validate(server.options))


@pytest.fixture
def site(
    tmp_path: Path,
    seaweedfs: SeaweedFS,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Site:
    site = Site(tmp_path, seaweedfs, monkeypatch, capsys)
    with site.open() as there:
        for key, data in FILES.items():
            there.put(
                key, data, {"content-type": "text/plain; charset=x", "metadata": json.dumps({"a": "b"})}
            )
    return site


def test_the_whole_story_on_the_command_line(site: Site) -> None:
    done = site("backup")
    assert done.status == 0, done.err
    with site.open() as there:
        there.put("contracts/1.txt", b"spoilt", {})
        there.put("surplus.txt", b"x", {})
    other = room(site.server)
    done = site("restore", "documents", "--to", f"url=s3://{other}", "--from", "archive.nas")
    assert done.status == 0, done.err
    assert site.state(other) == FILES
    asked = ("restore", "documents", "--in-place", "--to", "delete=true")
    done = site(*asked, "--dry-run")
    assert done.status == 0, done.err
    said = " ".join(done.out.split())
    assert "1 are overwritten" in said
    assert "surplus.txt" in said
    assert site.state() == {**FILES, "contracts/1.txt": b"spoilt", "surplus.txt": b"x"}
    assert site(*asked).status == 2
    assert "surplus.txt" in site.state()
    done = site(*asked, "--yes")
    assert done.status == 0, done.err
    assert site.state() == FILES
    with site.open() as there:
        got = there.get("contracts/1.txt")
    assert dict(got.attributes) == {"content-type": "text/plain; charset=x", "metadata": '{"a": "b"}'}


def test_deleting_elsewhere_is_asked_for_too(site: Site) -> None:
    assert site("backup").status == 0
    other = room(site.server)
    with site.open(other) as there:
        there.put("theirs.txt", b"x", {})
    asked = ("restore", "documents", "--to", f"url=s3://{other}", "--to", "delete=true")
    assert site(*asked).status == 2
    assert site.state(other) == {"theirs.txt": b"x"}
    done = site(*asked, "--yes")
    assert done.status == 0, done.err
    assert site.state(other) == FILES


def test_a_drill_and_a_check_by_restic(site: Site) -> None:
    restic = program("restic", "apt-get install restic")
    assert site("backup").status == 0
    done = site("drill", "documents")
    assert done.status == 0, done.out + done.err
    env = {**os.environ, "RESTIC_PASSWORD": "planted-passphrase"}
    argv = [restic, "-r", str(site.root / "vault"), "--no-cache", "check", "--read-data"]
    assert (
        "no errors were found"
        in subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout
    )


def test_keys_of_others_are_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIO_SECRET_KEY", "planted-wrong-key")
    done = site("backup", "--json")
    assert done.status == 1
    assert "access-refused" in done.out + done.err
    assert "planted-wrong-key" not in done.out + done.err


def test_the_page_is_true() -> None:
    page = Path("docs/howto/bucket.md").read_text("utf-8")
    (plan,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    head = PLAN.partition("[service.")[0].format(root="/x", bucket="", endpoint="")
    assert set(loads(head + plan, environment={}).services) == {"documents", "dm-media"}
    options, _gap, targets = page.partition("## Bringing it back")
    told = {
        n
        for cell in re.findall(r"^\| (`.*?) \|", options, re.MULTILINE)
        for n in re.findall(r"`(\w+)`", cell)
    }
    assert told == set(bucket.Options.model_fields)
    told = {
        n
        for cell in re.findall(r"^\| (`.*?) \|", targets, re.MULTILINE)
        for n in re.findall(r"`(\w+)=", cell)
    }
    assert told == set(bucket.Target.model_fields)


@pytest.mark.parametrize("begin", ["restic", "tar"])
def test_by_hand(site: Site, tmp_path: Path, begin: str) -> None:
    program("restic", "apt-get install restic")
    assert site("backup").status == 0
    lines = (
        Path("docs/howto/bucket.md")
        .read_text("utf-8")
        .partition("## By hand")[2]
        .split("```")[1]
        .splitlines()
    )
    (archive,) = (site.root / "nas").glob("*/*.tar")
    other = room(site.server)
    (tmp_path / "back/objects").mkdir(parents=True)
    for word in (begin, "rclone"):
        (line,) = [line for line in lines if line.startswith(word + " ")]
        line = line.replace("/backup/vault", f"{site.root}/vault").replace("erp-documents.tar", archive.name)
        line = line.replace("20260128", f"{site.root}/nas/{archive.parent.name}").replace(
            "minio:erp-documents", f"minio:{other}"
        )
        subprocess.run(line, shell=True, cwd=tmp_path, env=by_hand(site), check=True, capture_output=True)
    assert site.state(other) == FILES
    kept = os.getxattr(tmp_path / "back/objects/contracts/1.txt", "user.haechi.content-type")
    assert kept == b"text/plain; charset=x"


def by_hand(site: Site) -> dict[str, str]:
    keys = site.server.options
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RESTIC_PASSWORD": "planted-passphrase",
        "RESTIC_CACHE_DIR": str(site.root / "cache"),
        "RCLONE_CONFIG": str(site.root / "rclone.conf"),
        "RCLONE_CONFIG_MINIO_TYPE": "s3",
        "RCLONE_CONFIG_MINIO_PROVIDER": "Other",
        "RCLONE_CONFIG_MINIO_ENDPOINT": site.server.endpoint,
        "RCLONE_CONFIG_MINIO_ACCESS_KEY_ID": keys["access_key"],
        "RCLONE_CONFIG_MINIO_SECRET_ACCESS_KEY": keys["secret_key"],
    }


# -- without the command line ----------------------------------------------------------------------------------


def installed(root: Path, server: SeaweedFS, name: str, **options: Any) -> Installation:
    given = {**server.options, "url": f"s3://{name}", **options}
    source = bucket.build("it", bucket.Options.model_validate(given), LocalPlace())
    return install(root / "it", "bucket", source, "{part}_{time}.tar")


@pytest.mark.parametrize("copy", ["vault.main", "archive.nas"])
def test_versions_of_a_real_bucket(tmp_path: Path, seaweedfs: SeaweedFS, copy: str) -> None:
    name, other = room(seaweedfs, "with-versions"), room(seaweedfs, "with-versions")
    keep_versions(seaweedfs, "with-versions")
    with closing(opened(seaweedfs, name)) as there:
        there.put("a", b"one", {"content-type": "x/1"})
        there.put("b", b"gone later", {})
        there.put("a", b"two", {"content-type": "x/2"})
        there.delete("b")
        there.put("a", b"three", {})
    it = installed(tmp_path, seaweedfs, name, versions=True)
    point = it.back_up()
    assert point.facts["versions"]["versions"] == 4
    wanted = Wanted(target={"url": f"s3://{other}", "versions": True})
    planned = restore.plan(it.service, SILENT, copy=copy, wanted=wanted)
    assert restore.execute(planned, it.desk, SILENT).restored.equal
    assert history(seaweedfs, other) == history(seaweedfs, name)


def keep_versions(server: SeaweedFS, name: str) -> None:
    body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    server.client.call("PUT", f"/{name}", query="versioning=", body=body)


def history(server: SeaweedFS, name: str) -> list[tuple[str, bool, bool, bytes]]:
    with closing(opened(server, name)) as there:
        return [
            (v.key, v.marker, v.latest, b"" if v.marker else there.get(v.key, version=v.version).data)
            for v in there.list_versions()
        ]


def test_tags_and_large_objects_come_back(tmp_path: Path, seaweedfs: SeaweedFS) -> None:
    name, other = room(seaweedfs), room(seaweedfs)
    large = os.urandom(1 << 20) * 40
    with closing(opened(seaweedfs, name)) as there:
        there.put("tagged", b"x", {"tags": json.dumps({"부서": "인사", "a b": "c&d"})})
        assert there.put_pieces("large", iter([large]), len(large), {"content-type": "x/large"})
    it = installed(tmp_path, seaweedfs, name, object_tags=True)
    it.back_up()
    with closing(opened(seaweedfs, name)) as there:
        there.put("tagged", b"x", {"tags": json.dumps({"a": "changed"})})
    it.back_up()
    planned = restore.plan(it.service, SILENT, wanted=Wanted(target={"url": f"s3://{other}/deep/er"}))
    assert restore.execute(planned, it.desk, SILENT).restored.equal
    with closing(opened(seaweedfs, f"{other}/deep/er")) as there:
        assert dict(there.tags("tagged")) == {"a": "changed"}
        pieces = [there.get("large", start=at, length=8 << 20).data for at in range(0, len(large), 8 << 20)]
        assert b"".join(pieces) == large


def test_a_mirror_in_another_bucket_is_brought_back_by_rclone(
    tmp_path: Path, site: Site, seaweedfs: SeaweedFS
) -> None:
    """As one of the documents does with `mc mirror`, into a dated prefix and back."""
    name, other = room(seaweedfs), room(seaweedfs)
    store = open_store(f"s3://{name}", seaweedfs.options)
    mirror = MirrorDestination("archive.mirror", store, "minio-backup/{time:%Y%m%d}/{object}")
    it = installed(tmp_path, seaweedfs, site.bucket)
    it.service = replace(it.service, destinations=(mirror,))
    point = it.back_up()
    assert mirror.verify(point, "all", SILENT)["objects"] == len(FILES)
    at = point.copies[0].ref
    line = f"rclone copy minio:{name}/{at} minio:{other}/by-hand"
    subprocess.run(line, shell=True, env=by_hand(site), check=True, capture_output=True)
    assert site.state(f"{other}/by-hand") == FILES
    wanted = Wanted(target={"url": f"s3://{other}/by-haechi"})
    assert restore.execute(restore.plan(it.service, SILENT, wanted=wanted), it.desk, SILENT).restored.equal
    assert site.state(f"{other}/by-haechi") == FILES
    mirror.remove([point], SILENT)
    assert list(store.list()) == []
    store.close()


def test_what_is_written_has_the_storage_class_of_the_plan(seaweedfs: SeaweedFS) -> None:
    name = room(seaweedfs)
    store = open_store(f"s3://{name}/backups", {**seaweedfs.options, "storage_class": "STANDARD_IA"})
    store.put("whole", b"x")
    store.put("replaced", [b"x", b"y"], replace=True)
    store.put("streamed", iter([bytes(6 << 20), b"end"]))
    store.duplicate("streamed", "copied")
    assert store.get("copied") == bytes(6 << 20) + b"end"
    store.close()
    body = seaweedfs.client.call(
        "GET", "/documents", query=f"list-type=2&prefix={quote(name.partition('/')[2], '')}"
    ).decode()
    classes = dict(re.findall(r"<Key>[^<]*/backups/(\w+)</Key>.*?<StorageClass>(\w+)</StorageClass>", body))
    assert classes == dict.fromkeys(("whole", "replaced", "streamed", "copied"), "STANDARD_IA")


def test_a_restore_can_choose_the_class(tmp_path: Path, seaweedfs: SeaweedFS) -> None:
    name, other = room(seaweedfs), room(seaweedfs)
    with closing(opened(seaweedfs, name)) as there:
        there.put("a", b"x", {})
    it = installed(tmp_path, seaweedfs, name)
    it.back_up()
    wanted = Wanted(target={"url": f"s3://{other}", "storage_class": "STANDARD_IA"})
    restore.execute(restore.plan(it.service, SILENT, wanted=wanted), it.desk, SILENT)
    prefix = quote(other.partition("/")[2], "")
    body = seaweedfs.client.call("GET", "/documents", query=f"list-type=2&prefix={prefix}").decode()
    assert "<StorageClass>STANDARD_IA</StorageClass>" in body


def test_through_the_driver_as_google_and_azure_go(
    tmp_path: Path, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bucket without our own requests: as where only the driver knows the keys."""
    from haechi.sources._bucket import opening

    name, other = room(seaweedfs), room(seaweedfs)
    large = os.urandom(1 << 20) * 20
    with closing(opened(seaweedfs, name)) as there:
        there.put("a b/김.txt", b"x", {"content-type": "x/y", "metadata": json.dumps({"a": "b"})})
        there.put("large", large, {})
    monkeypatch.setattr(opening, "signer_for", lambda *_: None)
    it = installed(tmp_path, seaweedfs, name)
    it.back_up()
    point = it.back_up()
    assert point.facts["objects"] == 2
    planned = restore.plan(it.service, SILENT, wanted=Wanted(target={"url": f"s3://{other}"}))
    assert restore.execute(planned, it.desk, SILENT).restored.equal
    monkeypatch.undo()
    with closing(opened(seaweedfs, other)) as there:
        got = there.get("a b/김.txt")
        assert (got.data, dict(got.attributes)) == (b"x", {"content-type": "x/y", "metadata": '{"a": "b"}'})
        assert there.get("large").data == large
