"""The JSON Schema of a plan, with the options of every plugin that is here, so that editors complete and check."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from haechi import plugins
from haechi.plan import kinds
from haechi.plan.people import CHECKLISTS, Checklist, Contact, Notify
from haechi.plan.recovery import Guard, Host, Scenario, Server, Set
from haechi.plan.sections import Archive, Defaults, Head, Service, Vault


def schema() -> dict[str, Any]:
    """Draft 7, which editors for TOML understand."""
    made = _Schema()
    properties = {
        "plan": made.of(Head),
        "defaults": made.of(Defaults),
        "server": made.of(Server),
        "vault": _by_name(made.any_of(made.stored(Vault, kind) for kind in _store_kinds())),
        "archive": _by_name(made.any_of(made.stored(Archive, kind) for kind in _store_kinds())),
        "service": _by_name(made.any_of(made.served(kind) for kind in kinds.source_kinds())),
        "set": _by_name(made.of(Set)),
        "scenario": _by_name(made.of(Scenario)),
        "guard": _by_name(made.of(Guard)),
        "notify": _by_name(made.of(Notify)),
        "contact": {"type": "array", "items": made.of(Contact)},
        "checklist": _by_name(made.of(Checklist)) | {"propertyNames": {"enum": list(CHECKLISTS)}},
        "host": _by_name(made.of(Host)),
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "haechi.toml",
        "type": "object",
        "required": ["plan"],
        "additionalProperties": False,
        "properties": properties,
        "$defs": made.definitions,
    }


class _Schema:
    """Gathers the definitions of all models; those of a plugin under a prefix of its own."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}

    def of(self, model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
        told = model.model_json_schema(by_alias=True, ref_template=f"#/$defs/{prefix}{{model}}")
        for name, definition in told.pop("$defs", {}).items():
            self.definitions[prefix + name] = definition
        told.pop("title", None)
        plain: dict[str, Any] = _untitled(told)
        return plain

    def served(self, kind: str) -> dict[str, Any]:
        """A service of this source: what all share, and what this one adds."""
        options = kinds.source_options(kind)
        assert options is not None
        whole = self._joined(self.of(Service), self.of(options, f"{kind}."))
        whole["properties"]["source"] = {"const": kind}
        return whole

    def stored(self, model: type[BaseModel], kind: str) -> dict[str, Any]:
        """A vault or archive on this kind of storage."""
        module = plugins.load("haechi.stores", kind)
        whole = self._joined(self.of(model), self.of(module.Options, f"{kind}."))
        schemes = [scheme for scheme in module.schemes if scheme]
        pattern = f"^({'|'.join(schemes)}):" if schemes else ""
        if "" in module.schemes:
            pattern = f"{pattern}|^[^:]*(/|$)" if pattern else "^[^:]*(/|$)"
        whole["properties"]["url"] = whole["properties"]["url"] | {"pattern": pattern}
        return whole

    def any_of(self, several: Iterable[dict[str, Any]]) -> dict[str, Any]:
        return {"anyOf": list(several)}

    @staticmethod
    def _joined(common: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        """The plan's own keys win over a plugin's of the same name: they are its to read first."""
        return {
            "type": "object",
            "description": own.get("description", common.get("description", "")),
            "additionalProperties": False,
            "properties": {**own.get("properties", {}), **common.get("properties", {})},
            "required": sorted({*common.get("required", ()), *own.get("required", ())}),
        }


def _by_name(one: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": one}


def _store_kinds() -> list[str]:
    return [
        kind
        for kind in plugins.names("haechi.stores")
        if hasattr(plugins.load("haechi.stores", kind), "schemes")
    ]


def _untitled(told: Any) -> Any:
    """Pydantic titles every field by its name; that only makes the page longer."""
    if isinstance(told, dict):
        return {k: _untitled(v) for k, v in told.items() if not (k == "title" and isinstance(v, str))}
    return [_untitled(one) for one in told] if isinstance(told, list) else told
