"""Where a server is and as whom we come: for PyMongo, and for MongoDB's own programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from haechi.credentials import Secret
from haechi.errors import UsageMistake
from haechi.i18n import _

_PORT = 27017


@dataclass(frozen=True)
class Address:
    """A server. Only `shown` may be seen."""

    uri: Secret
    shown: str
    database: str | None = None  # the one that a URL names
    default: bool = False  # nothing was said: whatever listens in the place itself

    @property
    def config(self) -> Secret:
        """What `--config` of MongoDB's programs reads: the whole address, so that nothing of it is in an argv."""
        return Secret(f"uri: {json.dumps(self.uri.reveal())}\n")


def from_url(url: Secret) -> Address:
    """A `mongodb://…` address. Errors never show it: a password may be inside."""
    try:
        parts = urlsplit(url.reveal().strip())
        user = unquote(parts.username or "")
        hosts = parts.netloc.rpartition("@")[2]
    except ValueError:
        parts, user, hosts = urlsplit(""), "", ""
    if parts.scheme not in {"mongodb", "mongodb+srv"} or not hosts:
        raise UsageMistake(
            _("The database's URL cannot be read."),
            hint=_("It should look like mongodb://user:password@host:27017/?authSource=admin."),
        )
    database = unquote(parts.path[1:]) or None
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if database and user and not any(key.lower() == "authsource" for key in query):
        query["authSource"] = database  # the programs are given the databases apart from the address
    uri = urlunsplit((parts.scheme, parts.netloc, "/", urlencode(query, quote_via=quote), ""))
    return Address(Secret(uri), f"{user}@{hosts}" if user else hosts, database)


def from_parts(
    host: str | None,
    port: int | None,
    user: str | None,
    password: Secret | None,
    auth_database: str,
    tls: bool,
    tls_ca: Path | None,
) -> Address:
    name = f"[{host}]" if host and ":" in host else host or "localhost"
    # This very server, whatever the names are by which the members of its replica set know each other.
    query = {"directConnection": "true"}
    login = ""
    if user:
        login = quote(user, safe="") + (f":{quote(password.reveal(), safe='')}" if password else "") + "@"
        query["authSource"] = auth_database
    if tls:
        query["tls"] = "true"
    if tls_ca:
        query["tlsCAFile"] = str(tls_ca)
    hosts = f"{quote(name, safe='[]:.')}:{port or _PORT}"
    uri = f"mongodb://{login}{hosts}/?{urlencode(query, quote_via=quote)}"
    return Address(Secret(uri), f"{user}@{hosts}" if user else hosts, default=not (host or port or user))
