"""Where a server is and as whom we come, as libpq's environment: so that nothing of it passes through an argv."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from haechi.credentials import Secret
from haechi.errors import UsageMistake
from haechi.i18n import _

_PARAMETERS = {
    "application_name": "PGAPPNAME",
    "channel_binding": "PGCHANNELBINDING",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "gssencmode": "PGGSSENCMODE",
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "options": "PGOPTIONS",
    "passfile": "PGPASSFILE",
    "port": "PGPORT",
    "service": "PGSERVICE",
    "sslcert": "PGSSLCERT",
    "sslcrl": "PGSSLCRL",
    "sslkey": "PGSSLKEY",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "user": "PGUSER",
}


@dataclass(frozen=True)
class Address:
    """A server as libpq's environment. The password is told apart, so that this may be shown."""

    settings: Mapping[str, str] = field(default_factory=dict)
    password: Secret | None = None
    database: str | None = None  # the one that a URL names

    def env(self, database: str) -> dict[str, str]:
        """What a client program needs to reach this database."""
        env = {"PGCONNECT_TIMEOUT": "15", "PGAPPNAME": "haechi", "LC_ALL": "C.UTF-8", **self.settings}
        env["PGDATABASE"] = database
        if self.password:
            env["PGPASSWORD"] = self.password.reveal()
        return env

    def __str__(self) -> str:
        user = self.settings.get("PGUSER")
        host = self.settings.get("PGHOSTADDR") or self.settings.get("PGHOST") or "local socket"
        port = self.settings.get("PGPORT")
        return (f"{user}@" if user else "") + host + (f":{port}" if port else "")


def from_url(url: Secret) -> Address:
    """A `postgresql://…` address, as DATABASE_URL holds it. Errors never show it: a password may be inside."""
    try:
        parts = urlsplit(url.reveal().strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"postgres", "postgresql"}:
        raise UsageMistake(
            _("The database's URL cannot be read."),
            hint=_("It should look like postgresql://user:password@host:5432/database."),
        )
    settings: dict[str, str] = {}
    database = unquote(parts.path[1:]) or None
    password = Secret(unquote(parts.password)) if parts.password else None
    if parts.hostname:
        settings["PGHOST"] = unquote(parts.hostname)
    if port:
        settings["PGPORT"] = str(port)
    if parts.username:
        settings["PGUSER"] = unquote(parts.username)
    for name, value in parse_qsl(parts.query):
        if name == "password":
            password = Secret(value)
        elif name == "dbname":
            database = value
        elif name in _PARAMETERS:
            settings[_PARAMETERS[name]] = value
        else:
            raise UsageMistake(
                _("The database's URL has an option that is not known here: {name}.").format(name=name),
                hint=_("Known are: {names}").format(names=", ".join(sorted(_PARAMETERS))),
            )
    return Address(settings, password, database)
