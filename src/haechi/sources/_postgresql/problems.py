"""Turns what PostgreSQL's programs say into errors with a next step.

Servers may speak Korean (lc_messages), so SQLSTATEs are preferred where there are any, and the texts that are
looked for are those of the client's library, which we run in English.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from haechi.errors import (
    AccessRefused,
    HaechiError,
    NotThere,
    ProgramFailed,
    ServerUnavailable,
    SourceChanged,
    StoreFull,
    VersionMismatch,
)
from haechi.i18n import _

_REFUSED = (
    "password authentication failed",
    "no password supplied",
    "fe_sendauth",
    "peer authentication failed",
    "ident authentication failed",
    "no pg_hba.conf entry",
    "permission denied",
    "must be superuser",
    "must be owner",
    "is not permitted to log in",
    "password 인증",
    "authentication failed",
)
_GONE = (
    "server closed the connection unexpectedly",
    "terminating connection",
    "connection to server was lost",
    "could not connect to server",
    "could not receive data from server",
    "could not send data to server",
    "the database system is shutting down",
    "the database system is starting up",
    "the database system is in recovery mode",
    "the database system is not yet accepting connections",
    "Connection refused",
    "Connection timed out",
    "connection to server",
    "timeout expired",
    "could not translate host name",
    "SSL connection has been closed unexpectedly",
    "SSL SYSCALL error",
    "no connection to the server",
    "connection not open",
)
_CHANGED = (
    "invalid snapshot identifier",
    "could not import the requested snapshot",
    "cache lookup failed",
    "could not open relation with OID",
    "canceling statement due to conflict with recovery",
    "canceling statement due to lock timeout",
    "deadlock detected",
)
_FULL = ("No space left on device", "could not extend file", "Disk quota exceeded")


def explain(said: str, doing: str) -> HaechiError:
    """The error behind these last words of a program, while it was `doing` something."""
    lines = [line for line in said.splitlines() if line.strip()]
    reason = _essence(lines)
    kind: type[HaechiError] = ProgramFailed
    hint = _("The lines below are what the program said; the server's log may hold more.")
    if _any(said, _FULL):
        kind, hint = StoreFull, _("Free some space on the server's disk, then run the same command again.")
    elif "server version mismatch" in said or ("unsupported version" in said and "file header" in said):
        kind, hint = VersionMismatch, newer_client_hint()
    elif _any(said, _REFUSED):
        kind, hint = AccessRefused, _refused_hint(said)
    elif "does not exist" in said and "FATAL" in said:
        kind, hint = NotThere, _("Look at the names with: psql -l")
    elif "too many clients" in said or "connection slots" in said:
        kind, hint = ServerUnavailable, _("Raise max_connections, or capture at a quieter time.")
    elif _any(said, _CHANGED) or _vanished(said):
        kind = SourceChanged
        hint = _(
            "A table or its definition changed while it was read. Run it again when no migration is under way."
        )
    elif _any(said, _GONE):
        kind, hint = ServerUnavailable, _("Look whether the server runs and listens there, and at its log.")
    return kind(_("{doing}: {reason}").format(doing=doing, reason=reason), hint=hint, detail=said)


def from_sqlstate(state: str, message: str, doing: str) -> HaechiError:
    """The error for a failed query of ours."""
    kind: type[HaechiError] = ProgramFailed
    hint = ""
    if state in {"42501", "28000", "28P01"}:
        kind, hint = AccessRefused, _refused_hint(message)
    elif state[:2] in {"57", "08"} or state == "53300":
        kind, hint = ServerUnavailable, _("Look whether the server runs, and at its log.")
    elif state in {"42P01", "42703", "42704", "55000", "40001", "40P01", "XX000", "55P03"}:
        kind, hint = SourceChanged, _("Something changed while it was read. Run it again.")
    elif state == "53100":
        kind, hint = StoreFull, _("Free some space on the server's disk, then run the same command again.")
    elif state == "3D000":
        kind, hint = NotThere, _("Look at the names with: psql -l")
    return kind(_("{doing}: {reason}").format(doing=doing, reason=message or state), hint=hint)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """A program's failure inside becomes the error behind it."""
    try:
        yield
    except ProgramFailed as problem:
        if type(problem) is not ProgramFailed or not problem.detail:
            raise
        raise explain(problem.detail, doing) from problem


def newer_client_hint() -> str:
    return _(
        "Install the client programs of the server's version or newer (Debian: postgresql-client-N), "
        "or let them run where the server is, with `at` in the plan."
    )


def _refused_hint(said: str) -> str:
    if "pg_authid" in said or "must be superuser" in said:
        return _(
            "Come as a superuser, or set role_passwords = false (roles without passwords) or globals = false."
        )
    if "peer authentication" in said:
        return _(
            "Set run_as to the system user of that name, such as postgres, or give a password and a host."
        )
    if "pg_hba.conf" in said:
        return _("Let this user in from here in the server's pg_hba.conf, then reload it.")
    if "permission denied" in said or "must be owner" in said:
        return _(
            "Give the user the right to read everything: GRANT pg_read_all_data TO …, or come as a superuser."
        )
    return _("Check user and password in the plan: url, or user and password.")


def _any(said: str, words: tuple[str, ...]) -> bool:
    return any(word in said for word in words)


def _vanished(said: str) -> bool:
    return "ERROR" in said and "does not exist" in said and "pg_dump" in said


def _essence(lines: list[str]) -> str:
    """The line that says why: the first one with an error in it, without the program's name."""
    for line in lines:
        for mark in ("FATAL:  ", "ERROR:  ", "error: "):
            if mark in line:
                return line.split(mark, 1)[1].strip()
    return lines[-1] if lines else "-"
