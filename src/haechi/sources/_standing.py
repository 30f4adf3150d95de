"""What database servers that stand in a throwaway have in common: names that moved, and where a program dials."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from haechi.credentials import Secret
from haechi.errors import UsageMistake
from haechi.i18n import _


def asked(databases: Mapping[str, str], database: str) -> str:
    """As it is called here; none named is the only one there is."""
    if database:
        return databases.get(database, database)
    if len(databases) != 1:
        raise UsageMistake(
            _("Several databases came back."),
            hint=_("Say which one is asked: {names}").format(names=", ".join(databases)),
        )
    return only(databases)


def only(databases: Mapping[str, str]) -> str:
    """The one database, as it is called here; empty where there are several."""
    return next(iter(databases.values())) if len(databases) == 1 else ""


def url(scheme: str, host: str, port: str, user: str, password: Secret | None, name: str) -> Secret:
    """As programs are handed it: whatever a name or a password holds is escaped."""
    login = quote(user, safe="") + (f":{quote(password.reveal(), safe='')}" if password else "")
    return Secret(f"{scheme}://{login}@{host}" + (f":{port}" if port else "") + f"/{quote(name, safe='')}")
