"""A real sshd for the user who runs the tests, on 127.0.0.1, with a key of its own."""

from __future__ import annotations

import getpass
import os
import pwd
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import demand, free_port, program, short_directory


@dataclass
class Sshd:
    """`config` is a client's configuration with its key and known hosts."""

    directory: Path
    port: int
    user: str
    child: subprocess.Popen[bytes]

    @property
    def config(self) -> Path:
        return self.directory / "client_config"

    @property
    def log(self) -> str:
        return "\n".join((self.directory / "log").read_text().splitlines()[-20:])


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    daemon = program("sshd", "apt-get install openssh-server")
    program("ssh", "apt-get install openssh-client")
    shell = pwd.getpwuid(os.geteuid()).pw_shell
    demand("a login shell", not shell.endswith(("nologin", "false")), f"chsh of {getpass.getuser()}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with short_directory("sshd") as directory:
        for key in ("host", "client"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / key], check=True)
        port, user = free_port(), getpass.getuser()
        _configure(directory, port, user)
        with (directory / "out").open("wb") as out:
            child = subprocess.Popen(
                [daemon, "-D", "-f", directory / "sshd_config", "-E", directory / "log"],
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        server = Sshd(directory, port, user, child)
        try:
            _await(server)
            yield server
        finally:
            child.terminate()
            child.wait(10)


def _configure(directory: Path, port: int, user: str) -> None:
    (directory / "sshd_config").write_text(
        f"""\
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host
AuthorizedKeysFile {directory}/client.pub
PidFile {directory}/pid
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
Subsystem sftp internal-sftp
MaxStartups 100:30:200
"""
    )
    host = (directory / "host.pub").read_text().split()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {host[0]} {host[1]}\n")
    (directory / "client_config").write_text(
        f"""\
Host *
    User {user}
    Port {port}
    IdentityFile {directory}/client
    IdentitiesOnly yes
    UserKnownHostsFile {directory}/known_hosts
    GlobalKnownHostsFile none
"""
    )


def _await(server: Sshd) -> None:
    limit = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
        except OSError:
            if server.child.poll() is not None or time.monotonic() > limit:
                pytest.fail(f"sshd does not come up:\n{server.log}", pytrace=False)
            time.sleep(0.05)
        else:
            return
