"""A dockerd of our own, shared by all workers of a run, with an image made from this system's own files.

No registry is needed: the image is an almost empty root, and containers mount this system's /usr read-only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import demand, program

IMAGE = "haechi-test:base"
_INSTALL = "apt-get install docker.io"


@dataclass
class Docker:
    """`env` is what clients need; `run` starts a container that is removed when the test ends."""

    directory: Path
    client: str

    @property
    def host(self) -> str:
        return f"unix://{self.directory}/docker.sock"

    @property
    def env(self) -> dict[str, str]:
        return {"DOCKER_HOST": self.host, "DOCKER_CONFIG": str(self.directory / "config")}

    def __call__(self, *argv: str, check: bool = True) -> str:
        done = subprocess.run(
            [self.client, *argv], env={**os.environ, **self.env}, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            pytest.fail(f"docker {' '.join(argv)}: {done.stderr}\n{self.log}", pytrace=False)
        return done.stdout.strip()

    @property
    def log(self) -> str:
        return "\n".join((self.directory / "log").read_text().splitlines()[-20:])

    @contextlib.contextmanager
    def container(self, *argv: str, name: str, options: tuple[str, ...] = ()) -> Iterator[str]:
        """A container that runs this, by its name."""
        mounts = ("--network=host", "--volume=/usr:/usr:ro")
        self("run", "--detach", f"--name={name}", *mounts, *options, IMAGE, *argv)
        try:
            yield name
        finally:
            self("rm", "--force", "--volumes", name, check=False)


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    with running(tmp_path_factory.getbasetemp()) as docker:
        yield docker


@contextlib.contextmanager
def running(shared: Path) -> Iterator[Docker]:
    """One daemon for all workers: the first one starts it, the last one ends it. `shared` is pytest's directory for
    this worker."""
    demand("root, for a Docker daemon of our own", os.geteuid() == 0, "run the tests as root")
    client, daemon = program("docker", _INSTALL), program("dockerd", _INSTALL)
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    meeting = shared / "docker.json"
    with _alone(shared / "docker.lock"):
        state = json.loads(meeting.read_text()) if meeting.exists() else None
        if state is None:
            directory = Path(tempfile.mkdtemp(prefix="haechi-docker-"))
            state = {"directory": str(directory), "pid": _start(directory, client, daemon), "users": 0}
        state["users"] += 1
        meeting.write_text(json.dumps(state))
    yield Docker(Path(state["directory"]), client)
    with _alone(shared / "docker.lock"):
        state = json.loads(meeting.read_text())
        state["users"] -= 1
        meeting.write_text(json.dumps(state))
        if state["users"] == 0:
            meeting.unlink()
            _stop(Path(state["directory"]), state["pid"])


@pytest.fixture
def docker_client(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """The daemon, with this process's own `docker` commands pointed at it."""
    for name, value in docker.env.items():
        monkeypatch.setenv(name, value)
    return docker


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _start(directory: Path, client: str, daemon: str) -> int:
    overlay = "overlay" in Path("/proc/filesystems").read_text().split()
    reasons = ""
    for driver in ["overlay2", "vfs"] if overlay else ["vfs"]:
        try:
            return _try(directory, client, daemon, driver)
        except TimeoutError as problem:
            reasons = str(problem)
            shutil.rmtree(directory / "data", ignore_errors=True)
    demand(f"a Docker daemon that runs containers ({reasons})", False, "a kernel that allows containers")
    raise AssertionError


def _try(directory: Path, client: str, daemon: str, driver: str) -> int:
    docker = Docker(directory, client)
    (directory / "config" / "cli-plugins").mkdir(parents=True, exist_ok=True)
    with (directory / "log").open("w") as log:
        child = subprocess.Popen(
            [
                daemon,
                f"--host={docker.host}",
                f"--data-root={directory}/data",
                f"--exec-root={directory}/exec",
                f"--pidfile={directory}/pid",
                f"--storage-driver={driver}",
                "--iptables=false",
                "--ip6tables=false",
                "--bridge=none",
                "--group=root",
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C at the tests is not for the daemon: it ends after them
        )
    try:
        limit = time.monotonic() + 30
        while not docker("version", "--format={{.Server.Version}}", check=False):
            if child.poll() is not None or time.monotonic() > limit:
                raise TimeoutError(docker.log)
            time.sleep(0.05)
        _import_image(docker)
        said = docker("run", "--rm", "--network=none", "-v", "/usr:/usr:ro", IMAGE, "echo", "ok", check=False)
        if said != "ok":
            raise TimeoutError(docker.log)
    except BaseException:
        _stop(directory, child.pid, remove=False)
        raise
    child.returncode = 0  # the last worker ends it, not this object
    return child.pid


def _import_image(docker: Docker) -> None:
    """Links into /usr, users and groups, and little else."""
    archive = docker.directory / "base.tar"
    with tarfile.open(archive, "w") as tar:
        for path in ("etc", "usr", "proc", "sys", "dev", "run", "var", "var/lib", "root", "tmp"):
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if path == "tmp" else 0o755
            tar.addfile(entry)
        for link, target in {
            **{name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib64")},
            "var/run": "/run",
        }.items():
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
        for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache", "localtime", "alternatives"):
            if Path("/etc", name).exists():
                tar.add(f"/etc/{name}", f"etc/{name}")
    path = "PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    docker("import", f"--change=ENV {path}", str(archive), IMAGE)
    archive.unlink()


def _stop(directory: Path, pid: int, *, remove: bool = True) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    limit = time.monotonic() + 20
    while Path(f"/proc/{pid}/exe").exists() and time.monotonic() < limit:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)
    subprocess.run(["umount", directory / "exec/netns/default"], capture_output=True, check=False)
    if remove:
        shutil.rmtree(directory, ignore_errors=True)
