"""Where the demo plays: a directory with a server, a plan and everything the plan names."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from haechi import fileio, i18n, process
from haechi.demo import shop
from haechi.sources._postgresql import embedded

_PLAN = """\
# {about}

[plan]
name     = "demo"
title    = "{title}"
timezone = "Asia/Seoul"
language = "{language}"

[server]
state = "{directory}/state"

[vault.main]                            # {vault}
url = "{directory}/vault"
key = {{ file = "{directory}/vault.key" }}

[archive.plain]                         # {archive}
url    = "{directory}/archive"
layout = "erp_{{time:%Y%m%d_%H%M%S}}.sql.gz"

[service.erp]
source   = "postgresql"
host     = "{host}"
port     = {port}
user     = "{user}"
password = {{ file = "{directory}/server/password" }}
bindir   = "{bindir}"
database = "{database}"
promise  = {{ rpo = "6h", rto = "30m" }}
backup   = "every 6h"
keep     = {{ daily = 30, weekly = 12 }}
to       = ["vault.main", "archive.plain"]
checks   = [{{ sql = "select count(*) from sales.orders", expect = "> 0" }}]
"""
_WORDS = {
    "en": {
        "about": "A real plan, written by the demo. Change it and try: haechi plan check",
        "title": "The demo's shop",
        "vault": "deduplicated and encrypted; restic opens it, too",
        "archive": "plain files that gunzip and psql open without haechi",
    },
    "ko": {
        "about": "데모가 쓴 진짜 계획입니다. 고쳐 보고 확인하세요: haechi plan check",
        "title": "데모 쇼핑몰",
        "vault": "중복 제거와 암호화. restic 으로도 열립니다",
        "archive": "해치 없이 gunzip 과 psql 로 여는 평범한 파일",
    },
}


@dataclass(frozen=True)
class Stage:
    directory: Path
    server: embedded.EmbeddedServer

    @property
    def plan(self) -> Path:
        return self.directory / "haechi.toml"

    def psql(self, sql: str, database: str) -> str:
        """Carried out by the server's own psql, so that the demo needs no driver. Rows as lines."""
        done = process.run(
            [str(self.server.bindir / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database],
            stdin=sql.encode(),
            env={**self.server.environment, "PGOPTIONS": "-c client_min_messages=warning"},
            deadline=300,
        )
        return done.stdout.decode().strip()

    def write_plan(self) -> None:
        """A plan like any other, and the secret it names."""
        fileio.write_atomic(self.directory / "vault.key", secrets.token_urlsafe(24).encode() + b"\n")
        for name in ("vault", "archive", "state"):
            fileio.private_directory(self.directory / name)
        text = _PLAN.format(
            directory=self.directory,
            host=self.server.host,
            port=self.server.port,
            user=self.server.user,
            bindir=self.server.bindir,
            database=shop.DATABASE,
            language=i18n.language(),
            **_WORDS[i18n.language()],
        )
        fileio.write_atomic(self.plan, text.encode(), 0o644)

    @property
    def psql_command(self) -> str:
        """What a person types to look into the database."""
        server = self.server
        return (
            f'PGPASSWORD="$(cat {server.directory}/password)" {server.bindir}/psql '
            f"-h {server.host} -p {server.port} -U {server.user} {shop.DATABASE}"
        )

    @property
    def stop_command(self) -> str:
        return embedded.stop_command(self.server)

    def keep(self) -> None:
        """Let the server run on when haechi ends."""
        embedded.detach(self.server)


@contextmanager
def set_up() -> Iterator[Stage]:
    """A directory of our own with a server running in it. Gone afterwards, unless `keep` was called."""
    directory = Path(tempfile.mkdtemp(prefix="haechi-demo-", dir=_roomy()))
    directory.chmod(0o711)  # the server's user passes through; nobody else sees what is inside
    stage: Stage | None = None
    try:
        with embedded.start_embedded(directory / "server") as server:
            stage = Stage(directory, server)
            yield stage
    finally:
        if stage is None or not stage.server.detached:
            shutil.rmtree(directory, ignore_errors=True)


def _roomy() -> str | None:
    """/tmp may be a small piece of memory; /var/tmp is a disk. TMPDIR says otherwise."""
    return "/var/tmp" if "TMPDIR" not in os.environ and os.access("/var/tmp", os.W_OK) else None
