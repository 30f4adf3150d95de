"""Users and roles: those that are missing are made, those that are there are left as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.i18n import _
from haechi.sources._mongodb import problems, raw
from haechi.sources._mongodb.server import Server

_KINDS = {"users": "user", "roles": "role"}
_WAITING = {
    kind: f"temp{kind}" for kind in _KINDS
}  # the names that mongorestore uses, and its role may write


def bring(server: Server, found: Mapping[str, Sequence[bytes]], reporter: Reporter) -> dict[str, list[str]]:
    """The names of those that were made. What cannot be done is told; data is not lost by it."""
    missing: dict[str, list[bytes]] = {}
    for kind in _KINDS:
        there = _there(server, kind)
        missing[kind] = [one for one in found.get(kind, ()) if _id(one) not in there]
    if not any(missing.values()):
        return {kind: [] for kind in _KINDS}
    try:
        _merge(server, missing)
    except OperationFailure as problem:
        if problem.code != problems.UNKNOWN_COMMAND:
            raise problems.explain(problem, _("Bringing back users and roles")) from problem
        return _by_commands(server, missing, reporter)
    return {kind: [_id(one) for one in some] for kind, some in missing.items()}


def _there(server: Server, kind: str) -> set[str]:
    doing = _("Reading users and roles")
    found = server.listed("admin", {"find": f"system.{kind}", "projection": {"_id": 1}}, doing)
    return {str(one["_id"]) for one in found}


def _merge(server: Server, missing: Mapping[str, Sequence[bytes]]) -> None:
    """As mongorestore does it: laid ready, and taken over by the server at once."""
    admin = server.database("admin")
    try:
        for kind, waiting in _WAITING.items():
            admin.drop_collection(waiting)
            if missing[kind]:
                admin[waiting].insert_many([RawBSONDocument(one) for one in missing[kind]])
        admin.command(
            {
                "_mergeAuthzCollections": 1,
                "tempUsersCollection": f"admin.{_WAITING['users']}" if missing["users"] else "",
                "tempRolesCollection": f"admin.{_WAITING['roles']}" if missing["roles"] else "",
                "drop": False,
                "db": "",
                "writeConcern": {"w": "majority"},
            }
        )
    finally:
        for waiting in _WAITING.values():
            admin.drop_collection(waiting)


def _by_commands(
    server: Server, missing: Mapping[str, Sequence[bytes]], reporter: Reporter
) -> dict[str, list[str]]:
    """Where the server does not take over what lies ready. A user's password is known to nobody, so users must be
    made by hand."""
    made = []
    for one in missing["roles"]:
        told: dict[str, Any] = bson.decode(one)
        command = {"createRole": told["role"], "privileges": told["privileges"], "roles": told["roles"]}
        try:
            server.command(told["db"], command, _("Making the role “{name}”").format(name=told["_id"]))
        except HaechiError as problem:
            reporter.warn(problem.message)
        else:
            made.append(str(told["_id"]))
    if missing["users"]:
        reporter.warn(
            _("This server takes no users from a backup; make them with createUser: {names}").format(
                names=", ".join(map(_id, missing["users"]))
            )
        )
    return {"users": [], "roles": made}


def _id(document: bytes) -> str:
    return raw.text(dict(raw.fields(document)).get(b"_id"))
