"""Roles that a restore needs: the missing ones are made from the globals, and names may be mapped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from haechi.errors import HaechiError, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.sources._postgresql.session import Session, identifier

_NAME = r'("(?:[^"]|"")+"|[^\s";]+)'
_OF_ROLE = re.compile(rf"(?:CREATE|ALTER) ROLE {_NAME}|COMMENT ON ROLE {_NAME}")
_MEMBERSHIP = re.compile(rf"GRANT {_NAME} TO {_NAME}")


def present(session: Session) -> set[str]:
    return {str(row["name"]) for row in session.rows("select rolname as name from pg_roles")}


def bring(session: Session, text: str, reporter: Reporter) -> list[str]:
    """Make those roles of a `pg_dumpall --globals-only` that are missing; those that are there are left alone."""
    there = present(session)
    made: list[str] = []
    for statement in statements(text):
        match = _OF_ROLE.match(statement)
        grant = _MEMBERSHIP.match(statement)
        if match:
            role = unquoted(match[1] or match[2])
            if role in there:
                continue
            if statement.startswith("CREATE ROLE"):
                made.append(role)
        elif not grant or unquoted(grant[2]) in there:
            continue  # tablespaces and settings of the server are its own
        try:
            session.execute(statement, _("Making a role"))
        except HaechiError as problem:
            reporter.warn(problem.message)
    return made


def statements(text: str) -> Iterable[str]:
    """pg_dumpall writes one statement a line, but for texts with line ends in them."""
    pending = ""
    for line in text.splitlines(keepends=True):
        if not pending and (line.startswith(("--", "\\")) or not line.strip()):
            continue
        pending += line
        if pending.rstrip().endswith(";") and pending.count("'") % 2 == 0:
            yield pending.strip()
            pending = ""


def unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def demand_mappable(session: Session, mapping: Mapping[str, str]) -> None:
    """An old name that exists on the target owns things there, which must not change hands."""
    there = present(session)
    for old in mapping:
        if old in there:
            raise UsageMistake(
                _("The role “{role}” exists where the restore goes, so it cannot be mapped.").format(
                    role=old
                ),
                hint=_("Leave it out of `roles`, or set owners = false to own everything yourself."),
            )


def stand_in(session: Session, mapping: Mapping[str, str]) -> None:
    """The old names must exist while the dump is read."""
    for old in mapping:
        session.execute(f"create role {identifier(old)} nologin", _("Making a role"))


def settle(admin: Session, restored: Session, mapping: Mapping[str, str]) -> None:
    """What belongs to an old name becomes the new one's."""
    there = present(admin)
    for old, new in mapping.items():
        if new not in there:
            admin.execute(f"alter role {identifier(old)} rename to {identifier(new)}", _("Mapping roles"))
            continue
        restored.execute(f"reassign owned by {identifier(old)} to {identifier(new)}", _("Mapping roles"))
        # Its privileges stay with the old name, of which the new one is a member.
        admin.execute(f"grant {identifier(old)} to {identifier(new)}", _("Mapping roles"))
