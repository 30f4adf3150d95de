"""Turns what PyMongo raises and what MongoDB's programs say into errors with a next step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import errors as vendor

from haechi.errors import (
    AccessRefused,
    HaechiError,
    ProgramFailed,
    ServerUnavailable,
    SourceChanged,
    StoreFull,
    UsageMistake,
)
from haechi.i18n import _

UNAUTHORIZED, UNKNOWN_COMMAND = 13, 59
_REFUSED_LOGIN = {11, 18, 334}  # no such user, wrong password, mechanism that cannot be
_CHANGED = {26, 43, 136, 175, 202, 237, 246, 292}  # a collection or cursor that went away while it was read
_FULL = {14031, 24, 28}
_LONGEST = 300  # of a server's message: some quote whole documents


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """PyMongo's errors as ours, with what was being done."""
    try:
        yield
    except vendor.PyMongoError as problem:
        raise explain(problem, doing) from problem


def explain(problem: vendor.PyMongoError, doing: str) -> HaechiError:
    if isinstance(problem, vendor.InvalidURI | vendor.ConfigurationError):
        return UsageMistake(
            _("The database's URL cannot be read."),
            hint=_("It should look like mongodb://user:password@host:27017/?authSource=admin."),
        )
    if isinstance(problem, vendor.OperationFailure):
        return _refused(problem, doing)
    kind: type[HaechiError] = ProgramFailed
    hint = ""
    if isinstance(problem, vendor.ConnectionFailure | vendor.WaitQueueTimeoutError):
        kind = ServerUnavailable
        hint = _("Look whether the server runs and listens there (`mongosh` tells), and at its log.")
    return kind(_("{doing}: {reason}").format(doing=doing, reason=_shortened(str(problem))), hint=hint)


def _refused(problem: vendor.OperationFailure, doing: str) -> HaechiError:
    reason = _reason(problem)
    said = _("{doing}: {reason}").format(doing=doing, reason=reason)
    code = problem.code or 0
    if code in _REFUSED_LOGIN:
        return AccessRefused(said, hint=login_hint())
    if code == UNAUTHORIZED:
        return AccessRefused(said, hint=roles_hint())
    if code in _CHANGED:
        return SourceChanged(said, hint=_("It changed while it was read. Run it again."))
    if code in _FULL:
        return StoreFull(
            said, hint=_("Free some space on the server's disk, then run the same command again.")
        )
    return ProgramFailed(said, hint=_("The server's log may hold more."))


def login_hint() -> str:
    return _("Check user and password in the plan, and `auth_database`: where this user is defined.")


def roles_hint() -> str:
    return _(
        "Give the user the roles: db.grantRolesToUser(NAME, "
        '[{{role: "backup", db: "admin"}}, {{role: "restore", db: "admin"}}]).'
    ).format()


def _reason(problem: vendor.OperationFailure) -> str:
    if isinstance(problem, vendor.BulkWriteError):
        failed = (problem.details or {}).get("writeErrors") or [{}]
        return _shortened(str(failed[0].get("errmsg") or problem))
    return _shortened(str((problem.details or {}).get("errmsg") or problem))


def _shortened(text: str) -> str:
    """Without the driver's report about every server, and not longer than a line."""
    text = (
        text.partition(", Timeout:")[0].partition(", full error:")[0].partition(" (configured timeouts:")[0]
    )
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


# -- what the programs say -------------------------------------------------------------------------------------------

_SAID = (
    (
        ("AuthenticationFailed", "Authentication failed", "auth error", "sasl conversation error"),
        AccessRefused,
        login_hint,
    ),
    (("Unauthorized", "not authorized", "not allowed to do action"), AccessRefused, roles_hint),
    (
        (
            "connection refused",
            "server selection",
            "no reachable servers",
            "connection(",
            "socket was unexpectedly",
            "EOF",
        ),
        ServerUnavailable,
        lambda: _("Look whether the server runs and listens there (`mongosh` tells), and at its log."),
    ),
    (
        (
            "cannot dump with oplog",
            "CursorNotFound",
            "QueryPlanKilled",
            "collection dropped",
            "oplog overflow",
        ),
        SourceChanged,
        lambda: _("It changed while it was read. Run it again."),
    ),
    (
        ("No space left", "OutOfDiskSpace"),
        StoreFull,
        lambda: _("Free some space on the server's disk, then run the same command again."),
    ),
    (
        ("unknown option", "unknown flag", "error parsing command line"),
        ProgramFailed,
        lambda: _("The programs there may be too old: MongoDB Database Tools 100.3 or newer are wanted."),
    ),
)


def explain_said(said: str, doing: str) -> HaechiError:
    """The error behind the last words of mongodump or mongorestore."""
    lines = [line for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "Failed:" in line or "error" in line.lower()] or lines or ["-"]
    reason = _shortened(telling[-1].partition("Failed: ")[2] or telling[-1].split("\t", 1)[-1])
    message = _("{doing}: {reason}").format(doing=doing, reason=reason)
    for words, kind, hint in _SAID:
        if any(word in said for word in words):
            return kind(message, hint=hint(), detail=said)
    return ProgramFailed(
        message,
        hint=_("The lines below are what the program said; the server's log may hold more."),
        detail=said,
    )
