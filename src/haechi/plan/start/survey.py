"""Looks at what is there: compose file, .env, environment, running containers, servers on this host."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from haechi import process
from haechi.errors import HaechiError
from haechi.plan.start import compose

_KINDS = (
    ("postgresql", re.compile(r"postgres|postgis|timescale|pgvector|cloudnative-pg", re.IGNORECASE)),
    ("mongodb", re.compile(r"(^|/)mongo(db)?\b", re.IGNORECASE)),
    ("mariadb", re.compile(r"mariadb|mysql|percona", re.IGNORECASE)),
    ("bucket", re.compile(r"minio|seaweedfs|localstack", re.IGNORECASE)),
    ("milvus", re.compile(r"milvus", re.IGNORECASE)),
    ("etcd", re.compile(r"etcd", re.IGNORECASE)),
    ("gitlab", re.compile(r"gitlab", re.IGNORECASE)),
    ("redis", re.compile(r"redis|valkey", re.IGNORECASE)),
    ("rabbitmq", re.compile(r"rabbitmq", re.IGNORECASE)),
)
_NOT_THE_SERVER = re.compile(
    r"exporter|pgadmin|pgbouncer|adminer|express|insight|runner|backup", re.IGNORECASE
)
_PORTS = (("postgresql", 5432), ("mongodb", 27017), ("mariadb", 3306), ("redis", 6379), ("rabbitmq", 5672))
_SOCKETS = (Path("/var/run/postgresql"), Path("/tmp"))
_PATIENCE = 0.3


@dataclass(frozen=True)
class Seen:
    """One service that was found, without any password of it."""

    kind: str
    name: str
    where: str  # how it was found, for the comment above it
    at: str = ""
    user: str = ""
    database: str = ""
    url_from: str = ""  # the environment variable that holds its address
    host: str = ""


@dataclass(frozen=True)
class Survey:
    """What was found. `variables` are .env and the environment, the latter winning."""

    name: str
    services: tuple[Seen, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    only_in_dotenv: frozenset[str] = frozenset()

    def has(self, *names: str) -> bool:
        return all(self.variables.get(name) for name in names)


def survey(directory: Path, environment: Mapping[str, str], *, look_around: bool = True) -> Survey:
    """`look_around`: also ask docker and this host, and not only what lies in the directory."""
    dotenv = _dotenv(directory / ".env")
    variables = {**dotenv, **environment}
    in_compose = [
        _of_image(kind, one.name, f"compose:{one.name}", one.environment, "compose")
        for one in compose.services(directory, variables)
        if (kind := _kind_of(one.image or one.name))
    ]
    found = [*in_compose, *_by_address(variables, in_compose)]
    if look_around:
        found += _containers(found)
        if not any(seen.kind == "postgresql" for seen in found):
            found += _on_this_host()
    return Survey(
        _plain_name(directory.resolve().name),
        tuple(_distinct(found)),
        variables,
        frozenset(dotenv.keys() - environment),
    )


def _kind_of(image: str) -> str | None:
    base = image.rsplit("@", 1)[0]
    if _NOT_THE_SERVER.search(base):
        return None
    return next((kind for kind, pattern in _KINDS if pattern.search(base)), None)


def _of_image(kind: str, name: str, at: str, environment: Mapping[str, str], where: str) -> Seen:
    user = environment.get("POSTGRES_USER") or "postgres"
    if kind != "postgresql":
        return Seen(kind, _plain_name(name), where, at=at)
    database = environment.get("POSTGRES_DB") or (user if user != "postgres" else "")
    return Seen(kind, _plain_name(name), where, at=at, user=user, database=database)


def _by_address(variables: Mapping[str, str], in_compose: list[Seen]) -> list[Seen]:
    """DATABASE_URL, unless it is the address of a compose service that was found already."""
    address = variables.get("DATABASE_URL", "")
    with suppress(ValueError):
        parts = urlsplit(address)
        known = {seen.at.removeprefix("compose:") for seen in in_compose}
        if parts.scheme.split("+")[0] in ("postgres", "postgresql") and parts.hostname not in known:
            return [Seen("postgresql", "database", "DATABASE_URL", url_from="DATABASE_URL")]
    return []


def _containers(found: list[Seen]) -> list[Seen]:
    """Running containers that do not belong to a service that was found."""
    try:
        asked = process.run(["docker", "ps", "--format", "{{json .}}"], deadline=10, check=False)
    except HaechiError:
        return []
    seen = []
    known = {one.at.removeprefix("compose:") for one in found}
    for line in asked.stdout.decode(errors="replace").splitlines() if asked.status == 0 else ():
        with suppress(ValueError, KeyError):
            told = json.loads(line)
            kind = _kind_of(told["Image"])
            service = re.search(r"com\.docker\.compose\.service=([^,]+)", told.get("Labels", ""))
            if kind and not (service and service[1] in known):
                at = f"docker:{told['Names']}"
                seen.append(_of_image(kind, told["Names"], at, _environment_of(told["Names"]), "docker"))
    return seen


def _environment_of(container: str) -> dict[str, str]:
    """Only the two names that are looked for: passwords stay where they are."""
    with suppress(HaechiError, ValueError, LookupError):
        asked = process.run(["docker", "inspect", "--type=container", container], deadline=10)
        pairs = (line.partition("=") for line in json.loads(asked.stdout)[0]["Config"]["Env"])
        return {key: value for key, _equals, value in pairs if key in ("POSTGRES_USER", "POSTGRES_DB")}
    return {}


def _on_this_host() -> list[Seen]:
    for directory in _SOCKETS:
        with suppress(OSError):
            if any(entry.name.startswith(".s.PGSQL.") for entry in directory.iterdir() if entry.is_socket()):
                return [Seen("postgresql", "database", str(directory), at="local", host=str(directory))]
    found = []
    for kind, port in _PORTS:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), _PATIENCE):
            found.append(Seen(kind, kind, f"127.0.0.1:{port}", at="local", host="127.0.0.1"))
    return found


def _distinct(found: list[Seen]) -> list[Seen]:
    """Each under a name of its own."""
    taken: set[str] = set()
    named = []
    for seen in found:
        name, number = seen.name, 1
        while name in taken:
            number += 1
            name = f"{seen.name}-{number}"
        taken.add(name)
        named.append(Seen(**{**seen.__dict__, "name": name}))
    return named


def _dotenv(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (re.match(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$", line) for line in lines)
    return {pair[1]: pair[2].strip("\"'") for pair in pairs if pair}


def _plain_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-").lower() or "plan"
