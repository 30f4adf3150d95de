"""Ten gigabytes each way through every kind of place, in constant memory."""

from __future__ import annotations

import secrets

import pytest

from haechi.places._base import Place
from haechi.places.compose import ComposePlace
from haechi.places.docker import DockerPlace
from haechi.places.local import LocalPlace
from haechi.places.ssh import SshPlace
from haechi.testing.place_contract import PlaceContract
from tests.servers.compose import Project
from tests.servers.docker import Docker
from tests.servers.ssh import Sshd

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(900)]


class Large(PlaceContract):
    LARGE = 10 << 30


@pytest.mark.parametrize("kind", ["local", "docker", "compose", "ssh"])
def test_ten_gigabytes(kind: str, request: pytest.FixtureRequest) -> None:
    if kind == "local":
        return _stream(LocalPlace())
    if kind == "ssh":
        sshd: Sshd = request.getfixturevalue("sshd")
        return _stream(SshPlace("127.0.0.1", config=sshd.config))
    docker: Docker = request.getfixturevalue("docker_client")
    if kind == "compose":
        with Project.up(docker, {"db": {"command": ["sleep", "infinity"]}}) as project:
            return _stream(ComposePlace("db", project=project.name))
    with docker.container("sleep", "infinity", name=f"large-{secrets.token_hex(4)}") as name:
        return _stream(DockerPlace(name))


def _stream(place: Place) -> None:
    Large().test_much_comes_out_in_constant_memory(place)
    Large().test_much_goes_in_in_constant_memory(place)
