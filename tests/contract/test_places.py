"""Every kind of place under one contract."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

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


class TestLocal(PlaceContract):
    @pytest.fixture
    def place(self) -> Place:
        return LocalPlace()


@pytest.fixture(scope="module")
def container(docker: Docker) -> Iterator[str]:
    with docker.container("sleep", "infinity", name=f"place-{secrets.token_hex(4)}") as name:
        yield name


@pytest.fixture(scope="module")
def project(docker: Docker) -> Iterator[Project]:
    with Project.up(docker, {"db": {"command": ["sleep", "infinity"]}}) as project:
        yield project


@pytest.mark.server
@pytest.mark.xdist_group("docker")
class TestDocker(PlaceContract):
    @pytest.fixture
    def place(self, docker_client: Docker, container: str) -> Place:
        return DockerPlace(container)


@pytest.mark.server
@pytest.mark.xdist_group("docker")
class TestCompose(PlaceContract):
    LARGE = 256 << 20  # it is the same client as above

    @pytest.fixture
    def place(self, docker_client: Docker, project: Project) -> Place:
        return ComposePlace("db", project=project.name)


@pytest.mark.server
class TestSsh(PlaceContract):
    @pytest.fixture
    def place(self, sshd: Sshd) -> Place:
        return SshPlace("127.0.0.1", config=sshd.config)
