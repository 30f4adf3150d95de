"""Definitions as things that can be told apart: counted, compared, and moved into throwaway virtual hosts."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from haechi.errors import Damaged
from haechi.i18n import _
from haechi.sources._base import Comparison

_KINDS = (
    "users", "vhosts", "permissions", "topic_permissions", "parameters", "global_parameters", "policies", "queues",
    "exchanges", "bindings",
)  # fmt: skip
# What a broker adds by itself, or writes in another way each time.
_PASSING = {"metadata", "description", "default_queue_type", "limits"}
_BY_ITSELF = {"internal_cluster_id", "cluster_name"}


def read(data: bytes) -> dict[str, Any]:
    """Raises Damaged."""
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "vhosts" not in found:
        raise Damaged(
            _("This is not what RabbitMQ's definitions look like."),
            hint=_("Use another copy, or an older restore point."),
        )
    return found


def facts(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """For each kind how many there are, and a digest of all of them whatever their order."""
    found = {}
    for kind, things in named(definitions).items():
        together = "\n".join(f"{name} {about}" for name, about in sorted(things.items()))
        found[kind] = {"count": len(things), "digest": hashlib.sha256(together.encode()).hexdigest()[:16]}
    return found


def named(definitions: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Each thing by what makes it itself."""
    return {
        kind: {
            _name(kind, thing): json.dumps(_lasting(kind, thing), sort_keys=True, ensure_ascii=False)
            for thing in definitions.get(kind, ())
            if not (kind == "global_parameters" and thing.get("name") in _BY_ITSELF)
        }
        for kind in _KINDS
    }


def compare(saved: Mapping[str, Any], found: Mapping[str, Any]) -> list[Comparison]:
    """Everything that was saved must be there as it was; what is there besides is nobody's fault."""
    there = named(found)
    made = []
    for kind, things in named(saved).items():
        wrong = [name for name, about in things.items() if there[kind].get(name) != about]
        title = f"{kind} that differ: {', '.join(wrong[:3])}" if wrong else kind
        made.append(Comparison(title, len(things), len(things) - len(wrong)))
    return made


def expected(saved: Mapping[str, Any], known: Mapping[str, Any]) -> list[Comparison]:
    """Whether these are the definitions that were counted when they were saved."""
    now = facts(saved)
    return [Comparison(f"{kind} in the copy", about, now.get(kind)) for kind, about in known.items()]


def moved(definitions: Mapping[str, Any], prefix: str, writer: str | None = None) -> dict[str, Any]:
    """The same in virtual hosts and of users that are nobody's. What would act by itself (shovels, federation) or is
    for the whole broker is left out. The `writer` may put messages there."""
    made: dict[str, Any] = copy.deepcopy(dict(definitions))
    for kind in ("parameters", "global_parameters"):
        made[kind] = []
    for vhost in made.get("vhosts", ()):
        vhost["name"] = prefix + vhost["name"]
    for user in made.get("users", ()):
        user["name"] = prefix + user["name"]
        user["tags"] = []
    for kind in ("permissions", "topic_permissions", "policies", "queues", "exchanges", "bindings"):
        for thing in made.get(kind, ()):
            thing["vhost"] = prefix + thing["vhost"]
            if "user" in thing:
                thing["user"] = prefix + thing["user"]
    for vhost in made.get("vhosts", ()) if writer else ():
        may = {"configure": "^$", "write": ".*", "read": "^$"}
        made.setdefault("permissions", []).append({"user": writer, "vhost": vhost["name"], **may})
    return made


def _name(kind: str, thing: Mapping[str, Any]) -> str:
    keys = {
        "bindings": ("vhost", "source", "destination_type", "destination", "routing_key", "arguments"),
        "permissions": ("vhost", "user"),
        "topic_permissions": ("vhost", "user", "exchange"),
        "parameters": ("vhost", "component", "name"),
    }.get(kind, ("vhost", "name"))
    return " ".join(
        json.dumps(thing[key], sort_keys=True, ensure_ascii=False) for key in keys if key in thing
    )


def _lasting(kind: str, thing: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in thing.items() if kind != "vhosts" or key not in _PASSING}
    if kind == "users" and isinstance(kept.get("tags"), str):
        kept["tags"] = sorted(filter(None, kept["tags"].split(",")))
    # The API and rabbitmqctl do not agree on what goes without saying.
    if kind == "users":
        kept.setdefault("limits", {})
    if kind == "exchanges":
        kept.setdefault("internal", False)
    if kind == "queues":
        kept.pop("type", None)  # it stands in the arguments, if it is not the usual one
    return kept


def mended(definitions: dict[str, Any]) -> dict[str, Any]:
    """As the API would have written them: rabbitmqctl of some versions writes the objects in parameters as lists of
    pairs, and would take them back as such."""
    for kind in ("parameters", "global_parameters"):
        for thing in definitions.get(kind, ()):
            thing["value"] = _objects(thing.get("value"))
    return definitions


def _objects(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _objects(inner) for name, inner in value.items()}
    if not isinstance(value, list):
        return value
    if value and all(isinstance(p, list) and len(p) == 2 and isinstance(p[0], str) for p in value):
        return {name: _objects(inner) for name, inner in value}
    return [_objects(inner) for inner in value]
