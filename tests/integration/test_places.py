"""What goes wrong in each kind of place, and that it is said so that a tired person knows what to do."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.errors import AccessRefused, PlaceUnavailable, ProgramFailed, ProgramMissing, UsageMistake
from haechi.places._base import Place
from haechi.places.compose import ComposePlace
from haechi.places.docker import DockerPlace
from haechi.places.ssh import SshPlace
from haechi.testing.place_contract import alive, sh, until
from tests.servers import free_port
from tests.servers.compose import Project
from tests.servers.docker import Docker
from tests.servers.ssh import Sshd

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("docker")]
DAEMON = {"command": ["sh", "-c", "echo awake; exec sleep infinity"]}


@pytest.fixture
def container(docker_client: Docker) -> Iterator[str]:
    script = "echo starting; echo no space left on device >&2; exec sleep infinity"
    with docker_client.container("sh", "-c", script, name=f"c{secrets.token_hex(4)}") as name:
        yield name


# -- docker ------------------------------------------------------------------------------------------


def test_a_stopped_container_is_shown_with_its_state_and_last_log(
    docker_client: Docker, container: str
) -> None:
    docker_client("kill", container)
    for attempt in (DockerPlace(container).probe, lambda: DockerPlace(container).run(["true"], check=False)):
        with pytest.raises(PlaceUnavailable, match="stopped with status 137") as problem:
            attempt()
        assert problem.value.detail == "starting\nno space left on device"
        assert problem.value.retryable


def test_a_paused_container_is_not_waited_for(docker_client: Docker, container: str) -> None:
    docker_client("pause", container)
    with pytest.raises(PlaceUnavailable, match="paused"):
        DockerPlace(container).probe()
    docker_client("unpause", container)


def test_a_missing_container_is_told_from_a_missing_daemon(
    docker_client: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PlaceUnavailable, match="no container for docker:nowhere"):
        DockerPlace("nowhere").run(["true"])
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(PlaceUnavailable, match="Docker does not answer"):
        DockerPlace("nowhere").run(["true"])


def test_a_missing_docker_command_is_a_missing_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ProgramMissing, match="docker"):
        DockerPlace("any").probe()


def test_a_container_that_stops_under_our_hands(docker_client: Docker, container: str) -> None:
    with DockerPlace(container).start(sh("echo half; sleep 300")) as running:
        assert running.stdout.readline() == b"half\n"
        docker_client("kill", container)
        with pytest.raises(PlaceUnavailable, match="not running") as problem:
            running.check()
    assert "no space left on device" in problem.value.detail


def test_a_container_without_a_shell(docker_client: Docker) -> None:
    name = f"c{secrets.token_hex(4)}"
    docker_client(
        "run", "-d", f"--name={name}", "--network=none", "-v", "/usr/bin/sleep:/sleep:ro",
        "-v", "/usr/lib:/lib:ro", "-v", "/usr/lib64:/lib64:ro", "haechi-test:base", "/sleep", "infinity",
    )  # fmt: skip
    try:
        with pytest.raises(ProgramMissing, match="no shell"):
            DockerPlace(name).probe()
    finally:
        docker_client("rm", "--force", name)


def test_programs_run_there_as_another_user(docker_client: Docker, container: str) -> None:
    place = DockerPlace(container)
    assert place.run(["id", "-un"], user="nobody").stdout == b"nobody\n"
    with place.start(sh("echo $$; exec sleep 300"), user="nobody") as running:
        pid = int(running.stdout.readline())
    until(lambda: not alive(place, pid))
    with pytest.raises(ProgramFailed, match="no-such-user"):
        place.run(["id"], user="no-such-user")


def test_when_the_client_dies_the_program_is_ended_there(docker_client: Docker, container: str) -> None:
    place = DockerPlace(container)
    with place.start(sh("echo $$; exec sleep 300")) as running:
        pid = int(running.stdout.readline())
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    until(lambda: not alive(place, pid))


_HOLDER = """
import sys, time
from haechi.places._open import open_place
with open_place(sys.argv[1]).start(["sh", "-c", "echo $$; exec sleep 300"]) as running:
    print(running.stdout.readline().decode(), flush=True)
    time.sleep(300)
"""


def test_when_haechi_itself_is_killed_the_leash_ends_the_program(
    docker_client: Docker, container: str
) -> None:
    place = DockerPlace(container)
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, place.name], stdout=subprocess.PIPE)
    assert holder.stdout
    pid = int(holder.stdout.readline())
    assert alive(place, pid)
    holder.kill()
    holder.communicate(timeout=20)
    until(lambda: not alive(place, pid))


# -- compose -----------------------------------------------------------------------------------------


def test_a_compose_service_is_found_by_project_by_file_and_after_it_was_made_anew(
    docker_client: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = f"db{secrets.token_hex(3)}"
    with Project.up(docker_client, {service: DAEMON}) as project:
        places: list[Place] = [
            ComposePlace(service),
            ComposePlace(service, project=project.name),
            ComposePlace(service, file=project.file),
        ]
        for place in places:
            assert place.run(["echo", "hello"]).stdout == b"hello\n"
        project("up", "--detach", "--force-recreate", "--timeout", "1")
        for place in places:
            place.probe()
        project("stop", "--timeout", "0")
        with pytest.raises(PlaceUnavailable, match="stopped with status") as problem:
            places[0].run(["true"])
        assert "awake" in problem.value.detail
    with pytest.raises(PlaceUnavailable, match="No container belongs to"):
        places[1].probe()


def test_a_service_of_two_projects_wants_its_project(
    docker_client: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = f"db{secrets.token_hex(3)}"
    with (
        Project.up(docker_client, {service: DAEMON}) as one,
        Project.up(docker_client, {service: DAEMON}) as two,
    ):
        with pytest.raises(UsageMistake) as problem:
            ComposePlace(service).probe()
        assert f"compose:{one.name}#{service}" in problem.value.hint
        assert f"compose:{two.name}#{service}" in problem.value.hint
        monkeypatch.chdir(one.file.parent)
        ComposePlace(service).probe()


# -- ssh ---------------------------------------------------------------------------------------------


def test_a_host_that_does_not_answer(sshd: Sshd) -> None:
    with pytest.raises(PlaceUnavailable, match=r"cannot be reached.*refused") as problem:
        SshPlace("127.0.0.1", port=free_port(), config=sshd.config).run(["true"], check=False)
    assert problem.value.retryable


def test_a_login_that_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    config = tmp_path / "config"
    config.write_text(sshd.config.read_text().replace(str(sshd.directory / "client"), str(other)))
    with pytest.raises(AccessRefused, match="refuses the login") as problem:
        SshPlace("127.0.0.1", config=config).probe()
    assert not problem.value.retryable


def test_a_host_key_that_is_not_known(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(sshd.config.read_text().replace(str(sshd.directory / "known_hosts"), "/dev/null"))
    with pytest.raises(AccessRefused, match="host key"):
        SshPlace("127.0.0.1", config=config).probe()


@pytest.mark.skipif(os.geteuid() != 0, reason="root's login only")
def test_programs_run_behind_ssh_as_another_user(sshd: Sshd) -> None:
    place = SshPlace("127.0.0.1", config=sshd.config)
    env = {"SECRET": "kept"}
    assert place.run(sh('id -un; echo "$SECRET"'), user="nobody", env=env).stdout == b"nobody\nkept\n"
    with place.start(sh("echo $$; exec sleep 300"), user="nobody") as running:
        pid = int(running.stdout.readline())
    until(lambda: not alive(place, pid))
    with pytest.raises(AccessRefused, match="no-such-user"):
        place.run(["id"], user="no-such-user")


def test_a_connection_that_breaks(sshd: Sshd) -> None:
    place = SshPlace("127.0.0.1", config=sshd.config)
    # The parent of the remote shell is the sshd of this one session.
    with place.start(
        sh("echo $$; read -r line </proc/$PPID/stat; set -- ${line##*) }; echo $2; sleep 300")
    ) as running:
        pid, session = int(running.stdout.readline()), int(running.stdout.readline())
        os.kill(session, signal.SIGKILL)
        with pytest.raises(PlaceUnavailable, match=r"connection to ssh:127\.0\.0\.1 broke"):
            running.check()
    until(lambda: not alive(place, pid))
