"""What an operator has at three in the morning: gunzip, zstd, tar, sha256sum, md5sum, gpg and age, and not us."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from haechi.archive.archive import Archive
from haechi.archive.encryption import Encryption
from haechi.credentials import SecretSource
from haechi.events import SILENT
from haechi.model import PartInfo, RestorePoint
from haechi.stores.local import Local
from tests.servers import program
from tests.vault_ground import spoilt

pytestmark = pytest.mark.server

SEOUL = ZoneInfo("Asia/Seoul")
NOON = datetime(2026, 1, 28, 12, 0, tzinfo=SEOUL)
SQL = (
    b"-- PostgreSQL database dump\n"
    + os.urandom(2_500_000).hex().encode()
    + b"\n-- PostgreSQL database dump complete\n"
)
PARTS = (("globals.sql", "sql", b"-- roles\n"), ("shop.sql", "sql", SQL))
PASSPHRASE = "열려라 참깨"


def take(path: Path, layout: str, *parts: tuple[str, str, bytes], **options: Any) -> tuple[Archive, Path]:
    archive = Archive("archive.nas", Local(path), layout, zone=SEOUL, md5=True, **options)
    with archive.intake("erp", SILENT) as intake:
        for name, form, data in parts:
            intake.part(PartInfo(name, form), io.BytesIO(data))
        infos = tuple(PartInfo(name, form, len(data)) for name, form, data in parts)
        point = RestorePoint(id="p1", service="erp", source="postgresql", time=NOON, parts=infos)
        copy = intake.commit(point, {})
    return archive, path / copy.ref


def run(*argv: str | Path, cwd: Path | None = None, stdin: bytes | None = None, **env: str) -> bytes:
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        input=stdin,
        env={**os.environ, "LC_ALL": "C.UTF-8", **env},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_gunzip_opens_all_parts_as_one_script(tmp_path: Path) -> None:
    gunzip = program("gunzip", "apt-get install gzip")
    _archive, file = take(tmp_path, "backup_{time}.sql.gz", *PARTS)
    run(gunzip, "--test", file)
    assert run(gunzip, "--stdout", file) == b"-- roles\n" + SQL


def test_zstd_opens_all_parts_as_one_script(tmp_path: Path) -> None:
    zstd = program("zstd", "apt-get install zstd")
    _archive, file = take(tmp_path, "backup_{time}.sql.zst", *PARTS)
    run(zstd, "--test", file)
    assert run(zstd, "--decompress", "--stdout", file) == b"-- roles\n" + SQL


@pytest.mark.parametrize("ending", ["tar.gz", "tar.zst", "tar"])
def test_tar_unpacks_files(tmp_path: Path, ending: str) -> None:
    tar = program("tar", "apt-get install tar")
    program("zstd", "apt-get install zstd")
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as writer:
        entry = tarfile.TarInfo("media/사진.jpg")
        entry.size = len(SQL)
        writer.addfile(entry, io.BytesIO(SQL))
    part = ("media.tar", "tar", made.getvalue())
    archive, file = take(tmp_path / "nas", f"media/media_backup_{{time}}.{ending}", part)
    run(tar, "-xf", file, "-C", tmp_path)
    assert (tmp_path / "media/사진.jpg").read_bytes() == SQL
    assert archive.verify(archive.points()[0], "all", SILENT)["members"] == 1


def test_checksums_are_read_by_the_programs_that_made_them_famous(tmp_path: Path) -> None:
    sha256sum, md5sum = program("sha256sum", "coreutils"), program("md5sum", "coreutils")
    layout = "postgres/{tier}/erp_backup_{time}.sql.gz"
    _archive, file = take(tmp_path, layout, *PARTS, latest="postgres/backup_latest.sql.gz")
    for directory in (
        file.parent,
        tmp_path / "postgres/weekly",
        tmp_path / "postgres/monthly",
        tmp_path / "postgres",
    ):
        for tool, ending in ((sha256sum, "sha256"), (md5sum, "md5")):
            (beside,) = directory.glob(f"*.{ending}")
            said = run(tool, "--check", "--strict", beside.name, cwd=directory).decode()
            assert said == f"{beside.name.removesuffix('.' + ending)}: OK\n"
    file.write_bytes(spoilt(file.read_bytes()))
    failed = subprocess.run(
        [sha256sum, "--check", file.name + ".sha256"], cwd=file.parent, capture_output=True, check=False
    )
    assert failed.returncode == 1


# -- gpg -------------------------------------------------------------------------------------------------


@pytest.fixture
def gpg() -> Iterator[tuple[str, ...]]:
    """gpg with a home of its own. Its path is short, for a socket lies in it."""
    found = program("gpg", "apt-get install gnupg")
    with tempfile.TemporaryDirectory(prefix="gpg") as home:
        yield (
            found,
            "--homedir",
            home,
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase-fd",
            "0",
        )
        connect = subprocess.run(
            ["gpg-connect-agent", "--homedir", home, "--no-autostart", "getinfo pid", "/bye"],
            capture_output=True,
            check=False,
        )
        for line in connect.stdout.decode().splitlines():
            if line.startswith("D "):
                os.kill(int(line[2:]), signal.SIGTERM)


GPG = Encryption("gpg", passphrase=SecretSource.literal(PASSPHRASE))


def test_gpg_opens_what_we_sealed(tmp_path: Path, gpg: tuple[str, ...]) -> None:
    _archive, file = take(tmp_path, "backup_{time}.sql.gz", *PARTS, encryption=GPG)
    assert file.name == "backup_20260128_120000.sql.gz.gpg"
    opened = run(*gpg, "--decrypt", file, stdin=PASSPHRASE.encode())
    assert run("gunzip", "--stdout", stdin=opened) == b"-- roles\n" + SQL
    listed = run(*gpg, "--list-packets", file, stdin=PASSPHRASE.encode()).decode()
    assert "cipher 9" in listed  # AES-256
    assert "mdc_method: 2" in listed


def test_gpg_refuses_what_was_changed(tmp_path: Path, gpg: tuple[str, ...]) -> None:
    _archive, file = take(tmp_path, "backup_{time}.sql.gz", *PARTS, encryption=GPG)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    failed = subprocess.run(
        [*gpg, "--decrypt", str(file)], input=PASSPHRASE.encode(), capture_output=True, check=False
    )
    assert failed.returncode != 0


@pytest.mark.parametrize(
    "options",
    [
        ("--cipher-algo", "AES256"),
        ("--cipher-algo", "AES128", "--compress-algo", "zlib", "--s2k-digest-algo", "SHA512"),
        ("--compress-algo", "zip", "--compress-level", "9"),
        ("--compress-algo", "none", "--s2k-count", "65011712"),
    ],
)
def test_we_open_what_gpg_sealed(tmp_path: Path, gpg: tuple[str, ...], options: tuple[str, ...]) -> None:
    """The documents' own files: gpg --symmetric beside a script."""
    plain = tmp_path / "backup_20260128_120000.sql.gz"
    plain.write_bytes(run("gzip", "--stdout", stdin=SQL))
    run(*gpg, *options, "--symmetric", plain, stdin=PASSPHRASE.encode())
    plain.unlink()
    archive = Archive("archive.nas", Local(tmp_path), "backup_{time}.sql.gz", zone=SEOUL, encryption=GPG)
    (point,) = archive.points()
    assert archive.open_part(point, "backup.sql").read() == SQL
    archive.verify(point, "all", SILENT)


# -- age -------------------------------------------------------------------------------------------------


def test_age_opens_what_we_sealed_and_we_what_age_sealed(tmp_path: Path) -> None:
    age, keygen = (program(name, "apt-get install age") for name in ("age", "age-keygen"))
    keys = tmp_path / "key.txt"
    run(keygen, "-o", keys)
    recipient = run(keygen, "-y", keys).decode().strip()
    encryption = Encryption("age", recipients=(recipient,), identity=SecretSource.literal(keys.read_text()))
    archive, file = take(tmp_path / "nas", "backup_{time}.sql.gz", *PARTS, encryption=encryption)
    assert file.name.endswith(".sql.gz.age")
    assert run("gunzip", "--stdout", stdin=run(age, "-d", "-i", keys, file)) == b"-- roles\n" + SQL

    theirs = tmp_path / "nas/backup_20260127_120000.sql.gz.age"
    theirs.write_bytes(run(age, "-r", recipient, stdin=run("gzip", "--stdout", stdin=SQL)))
    (adopted, _ours) = archive.points()
    assert archive.open_part(adopted, "backup.sql").read() == SQL


def test_age_refuses_what_was_changed(tmp_path: Path) -> None:
    age, keygen = (program(name, "apt-get install age") for name in ("age", "age-keygen"))
    keys = tmp_path / "key.txt"
    run(keygen, "-o", keys)
    recipient = run(keygen, "-y", keys).decode().strip()
    encryption = Encryption("age", recipients=(recipient,))
    _archive, file = take(tmp_path / "nas", "backup_{time}.sql.gz", *PARTS, encryption=encryption)
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(data)
    assert subprocess.run([age, "-d", "-i", keys, file], capture_output=True, check=False).returncode != 0
