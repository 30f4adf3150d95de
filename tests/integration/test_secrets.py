"""Every secret of an installation that runs for real is looked for in all that it says, starts and leaves behind."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.server
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from haechi.credentials import Secret
from haechi.stores.local import Local
from haechi.vault.repository import Vault
from tests.servers import program
from tests.servers.docker import Docker
from tests.servers.postgres import Postgres
from tests.servers.rclone import serving_restic
from tests.servers.seaweedfs import SeaweedFS
from tests.servers.ssh import Sshd

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("docker"), pytest.mark.timeout(240)]


@dataclass
class Planted:
    """The secrets by where they stand in the plan, and what has been looked through for them."""

    known: dict[str, str] = field(default_factory=dict)
    looked: int = 0
    found: set[str] = field(default_factory=set)

    def word(self, name: str) -> str:
        return self.known.setdefault(name, f"planted-{secrets.token_hex(12)}")

    def look(self, where: str, data: bytes) -> None:
        self.looked += len(data)
        for name, secret in self.known.items():
            plain = secret.encode()
            forms = {plain, quote(secret).encode(), base64.b64encode(plain), plain.hex().encode()}
            if any(form in data for form in forms):
                self.found.add(f"{name} in {where}")

    @contextmanager
    def watching_programs(self) -> Iterator[None]:
        """The arguments of every process of this machine, as often as they can be read."""
        over = threading.Event()

        def watch() -> None:
            while not over.is_set():
                for process in Path("/proc").iterdir():
                    if process.name.isdigit():
                        with suppress(OSError):
                            self.look(f"arguments of {process.name}", (process / "cmdline").read_bytes())
                time.sleep(0.02)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class Hooked(http.server.BaseHTTPRequestHandler):
    """Takes every second call, so that there is a failure to be told as well."""

    calls = 0

    def do_POST(self) -> None:
        Hooked.calls += 1
        self.send_response(200 if Hooked.calls % 2 else 500)
        self.end_headers()

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Nobody listens."""


@pytest.fixture
def hooked() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hooked)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


PLAN = """
[plan]
name = "shop"
[server]
state = "{root}/state"
journal = "postgresql://{user}:{database}@127.0.0.1:{port}/{journal}"
[vault.main]
url = "{root}/vault"
key = "{key}"
[vault.objects]
url = "s3://{bucket}/vault"
key = "{key}"
endpoint = "{endpoint}"
region = "us-east-1"
access_key = "{access_key}"
secret_key = "{secret_key}"
[vault.rest]
url = "{rest}"
key = "{key}"
user = "u"
password = "{rest_password}"
[vault.remote]
url = "rclone:crypt:vault"
key = "{key}"
settings = {{ type = "crypt", remote = "{root}/crypt", password = "{crypt}", password2 = "{salt}" }}
[archive.gpg]
url = "{root}/archive"
layout = "{{service}}/{{time:%Y%m%dT%H%M%S}}.{{part}}.gz.gpg"
encrypt = {{ gpg = "{gpg}" }}
[service.shop]
source = "postgresql"
url = "postgresql://{user}:{database}@127.0.0.1:{port}/{shop}"
to = ["vault.main", "vault.objects", "vault.rest", "vault.remote"]
hooks = {{ after_backup = {{ http = "http://127.0.0.1:{hooked}/{hook}" }} }}
[service.here]
source = "command"
dump = {dump}
env = {{ TOKEN = "{token}" }}
part = "state"
to = ["vault.main", "archive.gpg"]
[service.contained]
source = "command"
at = "docker:{container}"
dump = {dump}
env = {{ TOKEN = "{token}" }}
to = ["vault.main"]
[service.far]
source = "command"
at = "ssh:127.0.0.1"
dump = {dump}
env = {{ TOKEN = "{token}" }}
to = ["vault.main"]
[notify.slack]
via = "slack"
url = "https://127.0.0.1:1/{slack}"
"""
WELL = {  # with the status that each ends with
    "plan show --json": 0,
    "vault init": 0,
    "doctor": 0,
    "backup": 0,
    "backup shop": 3,  # the hook is refused
    "status --json": 0,
    "restore shop": 0,
    "beside finish shop --yes": 0,
    "journal list --json": 0,
}
ILL = {  # what is in the plan, what is written there instead, and who stumbles over it
    ":{port}/{journal}": (":1/{journal}", "journal list", 1),
    ":{port}/secretshop": (":1/secretshop", "doctor", 1),
    'region = "us-east-1"': ('region = "us-east-1"\nno_such_key = 1', "backup --json", 2),
    "\nkey = ": ("\nkye = ", "list", 2),
    'type = "crypt"': ('type = "no-such-type"', "backup shop --json", 3),
    "ssh:127.0.0.1": ("ssh:127.0.0.1:1", "doctor", 1),
    "sleep 0.3;": ("echo $TOKEN | tr -d a-z >&2; exit 3;", "backup here", 1),
}
# Long enough to be seen by who looks at the arguments of programs.
DUMP = ["sh", "-c", "sleep 0.3; printf %s ${#TOKEN}"]


@dataclass
class Installation:
    root: Path
    planted: Planted
    env: dict[str, str]

    def haechi(self, *words: str) -> int:
        done = subprocess.run(
            [sys.executable, "-m", "haechi", *words, "--verbose"],
            cwd=self.root,
            env=self.env,
            capture_output=True,
            timeout=100,
            check=False,
        )

        self.planted.look(f"output of {' '.join(words)}", done.stdout + done.stderr)
        assert b"defect" not in done.stderr, done.stderr.decode()
        return done.returncode

    def look_at_files(self) -> None:
        for place in ("state", "vault", "archive", "crypt"):
            for path in (self.root / place).rglob("*"):
                if path.is_file():
                    data = path.read_bytes()
                    self.planted.look(str(path), data)
                    with suppress(OSError, EOFError):
                        self.planted.look(str(path), gzip.decompress(data))

    def look_into_vault(self) -> int:
        """All that the points hold: the copies of the plan among it. How many copies there are."""
        plans = 0
        vault = Vault.open(Local(self.root / "vault"), Secret(self.planted.known["key"]))
        for snapshot in vault.snapshots():
            self.planted.look(f"snapshot {snapshot.id}", repr(snapshot).encode())
            for path, node in vault.walk(snapshot):
                if node.type == "file":
                    with vault.open_node(node) as stream:
                        data = stream.read()
                    plans += b"[vault.main]" in data
                    self.planted.look(f"{path} in snapshot {snapshot.id}", data)
        return plans


@pytest.fixture
def installation(
    tmp_path: Path,
    postgres17: Postgres,
    seaweedfs: SeaweedFS,
    docker: Docker,
    sshd: Sshd,
    hooked: int,
) -> Iterator[Installation]:
    planted = Planted()
    names = ("key", "rest_password", "crypt", "salt", "gpg", "hook", "token", "slack")
    words = {name: planted.word(name) for name in names}
    planted.known |= {"database": postgres17.password, "secret_key": seaweedfs.options["secret_key"]}
    shop, journal = (f"{name}_{secrets.token_hex(4)}" for name in ("secretshop", "secretjournal"))
    postgres17.psql(f"create database {shop}; create database {journal};")
    postgres17.psql("create table t as select 1 as i", shop)
    (tmp_path / "crypt").mkdir()
    hashed = base64.b64encode(hashlib.sha1(words["rest_password"].encode()).digest()).decode()
    (tmp_path / "htpasswd").write_text(f"u:{{SHA}}{hashed}\n")
    (tmp_path / "bin").mkdir()
    # The ssh of whoever runs the tests knows nothing of the test's own server.
    ssh = tmp_path / "bin" / "ssh"
    ssh.write_text(
        f'#!/bin/sh\nexec {program("ssh", "apt-get install openssh-client")} -F {sshd.config} "$@"\n'
    )
    ssh.chmod(0o755)
    with (
        serving_restic(tmp_path / "rest", "--htpasswd", str(tmp_path / "htpasswd")) as rest,
        docker.container("sleep", "infinity", name=f"secrets-{secrets.token_hex(4)}") as container,
    ):
        text = PLAN.format(
            **words,
            root=tmp_path,
            user=postgres17.user,
            database=postgres17.password,
            port=postgres17.port,
            shop=shop,
            journal=journal,
            bucket=seaweedfs.bucket(),
            endpoint=seaweedfs.endpoint,
            access_key=seaweedfs.options["access_key"],
            secret_key=seaweedfs.options["secret_key"],
            rest=rest,
            hooked=hooked,
            container=container,
            dump=DUMP,
        )
        (tmp_path / "haechi.toml").write_text(text)
        path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, **docker.env, "PATH": path, "HAECHI_LANG": "en", "COLUMNS": "300"}
        yield Installation(tmp_path, planted, env)
    postgres17.psql(f"drop database {shop} with (force)")
    postgres17.psql(f"drop database {journal} with (force)")


def test_no_secret_is_said_started_or_left_behind(installation: Installation, postgres17: Postgres) -> None:
    plan = installation.root / "haechi.toml"
    text = plan.read_text()
    journal = text.partition(f"{postgres17.port}/")[2].partition('"')[0]
    with installation.planted.watching_programs():
        for words, status in WELL.items():
            assert installation.haechi(*words.split()) == status, words
        dumped = subprocess.run(
            [postgres17.bindir / "pg_dump", "--inserts", journal],
            env={**os.environ, **postgres17.env},
            capture_output=True,
            check=True,
        ).stdout
        assert b"shop" in dumped
        installation.planted.look("the journal", dumped)
        # And when nothing works as it should.
        for well, (ill, words, status) in ILL.items():
            right, wrong = (said.format(port=postgres17.port, journal=journal) for said in (well, ill))
            assert right in text
            plan.write_text(text.replace(right, wrong))
            assert installation.haechi(*words.split()) == status, wrong
        plan.write_text(text)
    installation.look_at_files()
    assert installation.look_into_vault() >= 5
    assert installation.planted.looked > 1 << 20
    assert installation.planted.found == set()


def test_a_secret_that_is_said_is_found() -> None:
    planted = Planted()
    secret = planted.word("one")
    with planted.watching_programs():
        subprocess.run(["sh", "-c", "sleep 0.5", secret], check=True)
    planted.look("a header", base64.b64encode(secret.encode()))
    assert {found.partition(" in ")[2].rstrip("0123456789") for found in planted.found} == {
        "arguments of ",
        "a header",
    }
