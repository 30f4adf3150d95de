"""Files behind ssh and a GitLab in a container: the same as beside haechi, through real clients."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from haechi.errors import PlaceUnavailable
from haechi.events import SILENT
from haechi.operations import exchange
from haechi.places._open import open_place
from haechi.places.ssh import SshPlace
from haechi.sources import files, gitlab
from tests.integration.programs.test_files import fill, shape
from tests.servers.docker import Docker
from tests.servers.gitlab import VERSION, GitLab
from tests.servers.ssh import Sshd
from tests.unit.sources.ground import install

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("far-places")]


def test_files_behind_ssh(tmp_path: Path, sshd: Sshd) -> None:
    media = tmp_path / "srv" / "한글 media"
    media.mkdir(parents=True)
    fill(media)
    whole = shape(media)
    place = SshPlace("127.0.0.1", config=sshd.config)
    given = files.Options.model_validate({"paths": [str(media)], "exclude": ["*.tmp"]})
    it = install(tmp_path / "ground", "files", files.build("it", given, place), "m_{time}.tar.zst")
    it.back_up()
    assert it.restore("vault.main").restored.equal
    exchange.swap(it.service, it.desk, SILENT)
    assert shape(media) == whole
    assert it.restore("archive.nas", only=("img/deep",)).restored.where
    exchange.finish(it.service, it.desk, SILENT)
    assert [path.name for path in media.parent.iterdir()] == [media.name]


def test_a_gitlab_in_a_container(tmp_path: Path, docker_client: Docker) -> None:
    first = GitLab(tmp_path / "first", seen_as="/gitlab")
    second = GitLab(tmp_path / "second", seen_as="/gitlab")
    path = "/gitlab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    idle = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
    one, two = f"ops-gitlab-{secrets.token_hex(3)}", f"gitlab-drill-{secrets.token_hex(3)}"
    with (
        docker_client.container(
            *idle, name=one, options=(f"--env=PATH={path}", f"--volume={first.root}:/gitlab")
        ),
        docker_client.container(
            *idle, name=two, options=(f"--env=PATH={path}", f"--volume={second.root}:/gitlab")
        ),
    ):
        given = gitlab.Options.model_validate(first.options())
        source = gitlab.build("gitlab", given, open_place(f"docker:{one}"))
        it = install(tmp_path / "ground", "gitlab", source, "{time:%Y%m%d_%H%M%S}_{part}.tar")
        assert source.probe().version == VERSION
        before = first.contents()
        it.back_up()
        names = sorted(
            path.name.partition("_")[2].partition("_")[2] for path in (it.root / "nas").glob("2*_*")
        )
        assert {"gitlab_backup.tar", "gitlab-secrets.json", "gitlab.rb"} <= set(names)
        first.fill(2)
        assert it.restore("archive.nas", in_place=True).restored.equal
        assert first.contents() == before
        assert it.restore("vault.main", target={"at": f"docker:{two}"}).restored.equal
        assert second.contents().items() >= before.items()
        assert [path.name for path in second.backups.iterdir() if path.suffix == ".tar"] == []
        docker_client("stop", "-t", "1", one)
        with pytest.raises(PlaceUnavailable):
            source.probe()
