"""Users and roles are handed over as mongorestore hands them over; those that are there are left alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bson
import pytest
from pymongo.errors import OperationFailure

from haechi.events import SILENT, Reporter
from haechi.sources._mongodb import users
from tests.listening import Heard


class FakeCollection:
    def __init__(self) -> None:
        self.documents: list[Any] = []

    def insert_many(self, documents: list[Any]) -> None:
        self.documents += documents


class FakeAdmin(dict[str, FakeCollection]):
    """The database `admin` of a server that knows the command, or not."""

    def __init__(self, knows: bool) -> None:
        super().__init__()
        self.knows = knows
        self.merged: list[tuple[Mapping[str, Any], list[str], list[str]]] = []

    def __missing__(self, name: str) -> FakeCollection:
        return self.setdefault(name, FakeCollection())

    def drop_collection(self, name: str) -> None:
        self.pop(name, None)

    def command(self, command: Mapping[str, Any]) -> None:
        if not self.knows:
            raise OperationFailure("no such command", 59)
        laid = [[one["_id"] for one in self[f"temp{kind}"].documents] for kind in ("users", "roles")]
        self.merged.append((command, *laid))  # type: ignore[arg-type]


class FakeServer:
    def __init__(self, *, knows: bool = True, there: tuple[str, ...] = ()):
        self.admin = FakeAdmin(knows)
        self.there = there
        self.commands: list[tuple[str, Mapping[str, Any]]] = []

    def database(self, name: str) -> FakeAdmin:
        assert name == "admin"
        return self.admin

    def listed(self, _database: str, command: Mapping[str, Any], _doing: str) -> list[dict[str, str]]:
        return [{"_id": one} for one in self.there]

    def command(self, database: str, command: Mapping[str, Any], _doing: str) -> None:
        self.commands.append((database, command))


FOUND = {
    "users": [
        bson.encode({"_id": f"shop.{name}", "user": name, "db": "shop", "credentials": {}})
        for name in ("app", "bob")
    ],
    "roles": [
        bson.encode({"_id": "shop.seller", "role": "seller", "db": "shop", "privileges": [], "roles": []})
    ],
}


def test_they_are_laid_ready_and_taken_over() -> None:
    server = FakeServer(there=("shop.bob",))
    made = users.bring(server, FOUND, SILENT)  # type: ignore[arg-type]
    assert made == {"users": ["shop.app"], "roles": ["shop.seller"]}
    ((command, laid_users, laid_roles),) = server.admin.merged
    assert next(iter(command)) == "_mergeAuthzCollections" and command["drop"] is False
    assert command["tempUsersCollection"] == "admin.tempusers"
    assert (laid_users, laid_roles) == (["shop.app"], ["shop.seller"])
    assert not server.admin, "what was laid ready is gone again"


def test_nothing_is_asked_when_all_are_there() -> None:
    server = FakeServer(there=("shop.app", "shop.bob", "shop.seller"))
    assert users.bring(server, FOUND, SILENT) == {"users": [], "roles": []}  # type: ignore[arg-type]
    assert not server.admin.merged


def test_where_the_server_takes_none_over_people_are_told() -> None:
    server, heard = FakeServer(knows=False), Heard()
    made = users.bring(server, FOUND, Reporter(heard))  # type: ignore[arg-type]
    assert made == {"users": [], "roles": ["shop.seller"]}
    assert server.commands == [("shop", {"createRole": "seller", "privileges": [], "roles": []})]
    assert "shop.app" in heard.said[0] and "createUser" in heard.said[0]


def test_another_failure_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    from haechi.errors import AccessRefused

    server = FakeServer()

    def refuse(_command: object) -> None:
        raise OperationFailure("not authorized", 13)

    monkeypatch.setattr(server.admin, "command", refuse)
    with pytest.raises(AccessRefused):
        users.bring(server, FOUND, SILENT)  # type: ignore[arg-type]
