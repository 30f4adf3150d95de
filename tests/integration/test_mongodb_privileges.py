"""What a MongoDB user may and may not: told by a look, with the next step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.errors import AccessRefused, ServerUnavailable
from haechi.events import SILENT
from haechi.sources._base import Wanted
from tests.integration.mongodb_ground import Shop, contents, databases, fill
from tests.servers.mongodb import Mongo, running

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("mongodb")]


@pytest.fixture(scope="module")
def server() -> Iterator[Mongo]:
    with running() as server:
        with server.client() as client:
            fill(client)
            client.admin.command(
                "createRole", "seller", privileges=[], roles=[{"role": "readWrite", "db": "shop"}]
            )
            for user, roles in {
                "root": ["root"],
                "reader": ["backup"],
                "keeper": ["backup", "restore", "readWriteAnyDatabase"],
                "nobody": [{"role": "read", "db": "crm"}],
            }.items():
                client.admin.command("createUser", user, pwd="planted", roles=roles)
        server.stop()
        server.auth = True
        server.start()
        yield server


def as_user(server: Mongo, user: str, password: str = "planted", **options: object) -> Shop:
    return Shop(server, url=server.url_of(user, password), **options)


def test_who_may_all_is_told_nothing(server: Mongo) -> None:
    probe = as_user(server, "keeper").source().probe()
    assert probe.details["databases"] == ["shop"] and probe.details["oplog"]
    assert not probe.warnings and probe.size


def test_who_may_only_read_is_told_before_the_fire(server: Mongo) -> None:
    (warning,) = as_user(server, "reader").source().probe().warnings
    assert "restore" in warning


@pytest.mark.parametrize(
    ("user", "password"), [("nobody", "planted"), ("keeper", "wrong"), ("unknown", "planted"), ("", "")]
)
def test_who_may_not_is_told_what_is_missing(server: Mongo, user: str, password: str) -> None:
    source = as_user(server, user, password).source()
    with pytest.raises(AccessRefused) as problem:
        source.probe()
    assert "grantRolesToUser" in problem.value.hint or "auth_database" in problem.value.hint
    assert "planted" not in str(problem.value.as_dict())
    with pytest.raises(AccessRefused), source.capture(SILENT):
        pass


def test_a_server_that_does_not_answer(server: Mongo) -> None:
    with pytest.raises(ServerUnavailable) as problem:
        as_user(server, "keeper").source(
            url="mongodb://keeper:planted@127.0.0.1:1/?serverSelectionTimeoutMS=200"
        ).probe()
    assert problem.value.retryable and problem.value.hint
    assert "planted" not in str(problem.value.as_dict())


def test_the_least_that_takes_and_brings_back(server: Mongo, tmp_path: Path) -> None:
    """`backup` takes; `backup`, `restore` and `readWriteAnyDatabase` bring back beside."""
    taken = as_user(server, "reader").take(tmp_path / "kept")
    with server.client("root", "planted") as client:
        before = contents(client, "shop")
        restored = as_user(server, "keeper").source().restore(taken.point, taken.parts, Wanted(), SILENT)
        assert restored.equal
        (name,) = restored.details["databases"].values()
        assert contents(client, name) == before
        client.drop_database(name)


def test_users_and_roles_are_in_a_whole_point(server: Mongo, tmp_path: Path) -> None:
    """Of this stand-in, roles come back by command; passwords only go where the server takes users over."""
    taken = as_user(server, "root").take(tmp_path / "kept")
    assert taken.point.facts["collections"]["admin.system.users"]["documents"] == 4
    alone = as_user(server, "root", databases=["shop"]).take(tmp_path / "alone")
    assert "admin.system.users" not in alone.point.facts["collections"]
    with running() as other:
        restored = (
            as_user(server, "root")
            .source()
            .restore(taken.point, taken.parts, Wanted(target={"url": other.url}), SILENT)
        )
        assert restored.equal and restored.details["databases"] == {"shop": "shop"}
        with other.client() as client:
            assert databases(client) == {"shop"}
