"""A fleet as people run it: `haechi serve` and `haechi worker` as commands, meeting in a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from haechi import clock
from haechi.app import open_home, workers
from haechi.app.home import Home
from haechi.engine.database import Database
from haechi.engine.ledger import Ledger
from haechi.model import RestorePoint
from haechi.operations.watching.workers import WorkerStanding
from haechi.schedule import parse
from haechi.sources._postgresql import embedded
from tests.servers import free_port
from tests.servers.gate import Gate
from tests.servers.postgres import SETTINGS, bindir
from tests.servers.seaweedfs import SeaweedFS

_HEAD = """
[plan]
name = "fleet"
language = "en"
timezone = "UTC"

[server]
state = "{state}"
journal = {{ env = "HAECHI_JOURNAL" }}
parallel = 1
lease = "{lease}s"
spread = "1s"

[vault.main]
key = {{ file = "{root}/key" }}
{vault}
"""
_BUCKET = """
url = "s3://{bucket}/fleet"
endpoint = "{endpoint}"
region = "us-east-1"
access_key = "{access_key}"
secret_key = "{secret_key}"
"""
_DUMP = """#!/bin/sh
echo $1 $HOST $$ >>{root}/began
trap 'echo $1 $HOST $$ >>{root}/ended; exit 1' TERM
echo "what $1 holds ${{SECRET:-}}"
while [ ! -e {root}/go-$1 ]; do sleep 0.1; done
"""

# However slow this machine is: the others have the time to begin.
PATIENT = (
    "-c",
    "import sys; from haechi.engine import handing; handing.PATIENCE = 80; "
    "from haechi.__main__ import main; sys.exit(main())",
)
# `haechi backup` at the center's door, but for one thing: who takes the run.
BACKUP = """
import sys
from pathlib import Path
from haechi.app import open_home
from haechi.engine import caller
from haechi.events import Reporter, Said

class Ear:
    def hear(self, event):
        if isinstance(event, Said):
            print(event.text, flush=True)

home, name, at = open_home(Path(sys.argv[1])), *sys.argv[2:]
found = caller.back_up(home.state, home.plan.digest, [name], Reporter(Ear()), at={name: at})
for problem in found.failed.values():
    sys.exit(problem.message)
"""


class Inside(Protocol):
    """What makes a process of this machine look like another machine's."""

    @property
    def here(self) -> str: ...
    def inside(self, *argv: str) -> list[str]: ...
    def cut(self, *, off: bool = True) -> None: ...


@dataclass
class Host:
    """A machine of the fleet: its own plan file, its own state, its own environment."""

    name: str
    directory: Path
    journal: str
    inside: Inside | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    running: subprocess.Popen[bytes] | None = None
    schedules: bool = False

    @property
    def plan(self) -> Path:
        return self.directory / "haechi.toml"

    @property
    def log(self) -> str:
        path = self.directory / "log"
        return path.read_text() if path.exists() else ""

    def start(self, *words: str, program: Sequence[str] = ("-m", "haechi")) -> None:
        """This command in the foreground of this host, told to go by its name in the plan."""
        self.schedules = "serve" in words
        argv = [sys.executable, *program, "--plan", str(self.plan), *words, "--name", self.name]
        with (self.directory / "log").open("ab") as log:
            self.running = subprocess.Popen(
                self.inside.inside(*argv) if self.inside else argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.env, "HAECHI_JOURNAL": self.journal, "HOST": self.name},
            )

    def work(self, *words: str, program: Sequence[str] = ("-m", "haechi")) -> None:
        """Come back when it is ready."""
        before = self.log.count("Ready:")
        self.start(*words, program=program)
        wait(lambda: self.log.count("Ready:") > before or self.status is not None)
        assert self.status is None, self.log

    @property
    def status(self) -> int | None:
        return self.running.poll() if self.running else None

    @property
    def words(self) -> str:
        """The log without its line breaks."""
        return " ".join(self.log.split())

    def tell(self, number: int) -> Host:
        assert self.running
        self.running.send_signal(number)
        return self

    def wait(self) -> int:
        assert self.running
        return self.running.wait(180)

    def end(self, number: int) -> int:
        return self.tell(number).wait()


class Fleet:
    """Hosts that share a vault and a PostgreSQL, which may be restarted."""

    def __init__(self, root: Path, server: embedded.EmbeddedServer, lease: int, vault: Callable[[Host], str]):
        self.root = root
        self.vault = vault
        self.lease = lease
        self.hosts: dict[str, Host] = {}
        # Hours away from now: no turn comes by itself while a test runs.
        self.soon, self.later = (f"daily {clock.now() - timedelta(hours=n):%H:00}" for n in (4, 3))
        self._server = server
        first = Database(self.url("127.0.0.1", "postgres")).engine
        with first.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("CREATE DATABASE fleet")
        first.dispose()
        self.database = Database(self.url("127.0.0.1"))
        self._open = ExitStack()
        self._open.callback(self.database.engine.dispose)
        (root / "key").write_text("a long passphrase")
        (root / "key").chmod(0o600)
        (root / "dump").write_text(_DUMP.format(root=root))
        (root / "dump").chmod(0o755)

    def url(self, address: str, database: str = "fleet") -> str:
        server = self._server
        return f"postgresql://{server.user}:{server.password.reveal()}@{address}:{server.port}/{database}"

    def host(self, name: str, inside: Inside | None = None, **env: str) -> Host:
        directory = self.root / name
        directory.mkdir()
        journal = self.url(inside.here if inside else "127.0.0.1")
        self.hosts[name] = Host(name, directory, journal, inside, env)
        return self.hosts[name]

    def plan(self, rest: str) -> None:
        """The same on each host, but for the directory of its state."""
        for host in self.hosts.values():
            of = {"state": host.directory / "state", "lease": self.lease, "vault": self.vault(host)}
            self._write(host, _HEAD.format(root=self.root, **of) + rest)

    def _write(self, host: Host, text: str) -> None:
        fresh = host.directory / "fresh.toml"
        fresh.write_text(text)
        fresh.rename(host.plan)

    def service(self, name: str, at: str = "", more: str = "", when: str = "") -> str:
        worker = f'worker = "{at}"' if at else ""
        return f"""
[service.{name}]
source = "command"
dump = ["{self.root}/dump", "{name}"]
to = "vault.main"
backup = "{when or self.soon}"
{worker}
{more}
"""

    def haechi(self, host: Host, *words: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "haechi", "--plan", host.plan, *words],
            check=False,
            capture_output=True,
            env={**os.environ, **host.env, "HAECHI_JOURNAL": host.journal},
            timeout=100,
        )
        assert done.returncode == status, done.stderr.decode()
        return done.stdout.decode()

    def due(self, *services: str, when: str = "") -> None:
        """As if this host had slept: the newest turn of these was missed, and is made up for."""
        ledger, schedule = Ledger(self.database.engine), str(parse(when or self.soon))
        for name in services:
            wait(lambda name=name: ledger.fired().get(f"backup {name}", ("",))[0] in ("", schedule))  # type: ignore[misc]
            ledger.fire(f"backup {name}", schedule, clock.now() - timedelta(days=9))
        for host in self.hosts.values():
            if host.schedules:  # it looks at once when its plan has changed, else three times a minute
                self._write(host, host.plan.read_text() + "#\n")

    def go(self, *services: str) -> None:
        for name in services:
            (self.root / f"go-{name}").touch()

    def said(self, what: str) -> list[tuple[str, ...]]:
        """Service, host and process of each dump that began or was ended."""
        path = self.root / what
        return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []

    def who(self, service: str) -> list[str]:
        """The hosts that have begun with this one."""
        return [line[1] for line in self.said("began") if line[0] == service]

    def at_work(self, host: Host) -> bool:
        """Whether a dump runs on it."""
        return any(Path("/proc", line[2]).exists() for line in self.said("began") if line[1] == host.name)

    @property
    def logs(self) -> str:
        return "\n".join(f"{host.name}:\n{host.log}" for host in self.hosts.values())

    @property
    def home(self) -> Home:
        """As the first host has it."""
        host = next(iter(self.hosts.values()))
        os.environ["HAECHI_JOURNAL"] = self.url("127.0.0.1")
        home = open_home(host.plan)
        self._open.callback(home.close)
        return home

    def points(self, service: str) -> Sequence[RestorePoint]:
        """As they lie in the vault."""
        return self.home.destination("vault.main").points(service)

    def workers(self) -> dict[str, WorkerStanding]:
        """As whoever looks from outside sees them."""
        return {one.name: one for one in workers.standings(self.home)}

    def statuses(self) -> dict[str, str]:
        """What the engine thinks of each run."""
        with self.database.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT workflow_uuid, status FROM dbos.workflow_status")
            return {row[0]: row[1] for row in rows}

    def done(self, *services: str) -> bool:
        """Whether each has a run that went well, and none that is still to come."""
        runs = [(run.partition("@")[0], status) for run, status in self.statuses().items()]
        ended = {run for run, status in runs if status == "SUCCESS"}
        open_ = {run for run, status in runs if status in ("ENQUEUED", "PENDING")}
        return all(f"backup.{name}" in ended - open_ for name in services)

    def begin(self, service: str, at: str = "center") -> subprocess.Popen[str]:
        """A backup of it, which a worker of this name or label takes."""
        center = self.hosts["center"]
        return subprocess.Popen(
            [sys.executable, "-c", BACKUP, center.plan, service, at],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **center.env, "HAECHI_JOURNAL": center.journal},
        )

    def portions(self, service: str) -> dict[str, tuple[str, str]]:
        """Each portion that was handed out for it: what became of it, and who has it."""
        with self.database.engine.connect() as connection:
            rows = connection.exec_driver_sql(
                "SELECT workflow_uuid, status, executor_id FROM dbos.workflow_status WHERE name = 'portion'"
            )
            return {row[0]: (row[1], row[2]) for row in rows if f"backup.{service}@" in row[0]}

    def restart(self) -> None:
        """The control database goes down in the middle of everything, and comes up at the same address."""
        self._server.stop()
        embedded.launch(self._server, port=self._server.port, settings=SETTINGS)

    def end(self) -> None:
        for host in self.hosts.values():
            if host.inside:
                host.inside.cut(off=False)
            if host.running and host.running.poll() is None:
                host.running.kill()
                host.running.wait()
        self._open.close()


def in_a_bucket(storage: SeaweedFS, ways: Mapping[str, Gate]) -> Callable[[Host], str]:
    """The vault as each host is told where it is: by a gate of its own, where it cannot reach the storage itself."""
    bucket = storage.bucket()

    def told(host: Host) -> str:
        way = {"endpoint": ways[host.name].url} if host.name in ways else {}
        return _BUCKET.format(bucket=bucket, **{**storage.options, **way})

    return told


@contextmanager
def a_fleet(
    root: Path,
    *,
    lease: int = 10,
    addresses: Sequence[str] = (),
    vault: Callable[[Host], str] | None = None,
) -> Iterator[Fleet]:
    """Its server listens on this host, and at these addresses of networks that lead nowhere else. Its vault is a
    directory, if nothing else is said."""
    server = embedded.create(root / "server", bindir=bindir(15))
    with (server.data / "pg_hba.conf").open("a") as access:
        access.write("host all all 10.0.0.0/8 scram-sha-256\n")
    server.host = ",".join(("127.0.0.1", *addresses))
    embedded.launch(server, port=free_port(), settings=SETTINGS)
    made = Fleet(root, server, lease, vault or (lambda _host: f'url = "{root}/vault"'))
    try:
        yield made
    finally:
        made.end()
        server.stop()


def wait(condition: Callable[[], object], seconds: float = 180) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)
