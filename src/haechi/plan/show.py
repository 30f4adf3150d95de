"""The plan as it was understood: defaults filled in, the environment put in, secrets masked."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from haechi.i18n import _
from haechi.plan.fields import shown
from haechi.plan.masking import masked
from haechi.plan.model import Plan
from haechi.plan.sections import Kept, Named, Service


def as_data(plan: Plan) -> dict[str, Any]:
    """For --json, in the shape of the file."""
    said: dict[str, Any] = {
        "file": plan.document.path,
        "digest": plan.digest,
        "plan": _table(plan.head),
        "server": _table(plan.server),
        "vault": {name: _table(vault) for name, vault in plan.vaults.items()},
        "archive": {name: _table(archive) for name, archive in plan.archives.items()},
        "service": {name: _service(service) for name, service in plan.services.items()},
        "set": {name: _table(one) for name, one in plan.sets.items()},
        "scenario": {name: _table(one) for name, one in plan.scenarios.items()},
        "guard": {name: _table(one) for name, one in plan.guards.items()},
        "notify": {name: _table(one) for name, one in plan.notifiers.items()},
        "contact": [_table(contact) for contact in plan.contacts],
        "checklist": {name: _table(one) for name, one in plan.checklists.items()},
        "host": {name: _table(one) for name, one in plan.hosts.items()},
        "advice": [advice.as_dict() for advice in plan.advice],
    }
    resolved: dict[str, Any] = masked(
        {k: v for k, v in said.items() if v not in ({}, [])}, plan.document.hidden
    )
    return resolved


def as_text(plan: Plan) -> str:
    """For people: a plan again, with everything said."""
    data = as_data(plan)
    lines = [f"# {data['file']}"]
    for table, content in data.items():
        if table in ("file", "digest", "advice"):
            continue
        if table in ("plan", "server"):
            lines += _lines(f"[{table}]", content)
        elif table == "contact":
            for contact in content:
                lines += _lines("[[contact]]", contact)
        else:
            for name, one in content.items():
                lines += _lines(f"[{table}.{_key(name)}]", one)
    for advice in plan.advice:
        lines += ["", f"# {_('Advice')}: {masked(str(advice), plan.document.hidden)}"]
    return "\n".join(lines)


def _table(model: BaseModel) -> dict[str, Any]:
    said = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(model, Kept) and isinstance(model.options, BaseModel):
        said |= _own(model)
    pruned: dict[str, Any] = _pruned(said)
    return pruned


def _pruned(said: Any) -> Any:
    """Without what is empty or off: a plan does not say what is not."""
    if isinstance(said, Mapping):
        inside = {k: _pruned(v) for k, v in said.items()}
        return {k: v for k, v in inside.items() if v not in ([], {}, "") and v is not False}
    return [_pruned(one) for one in said] if isinstance(said, list) else said


def _own(model: Named) -> dict[str, Any]:
    """The plugin's keys: those that the plan gives, the rest are its own affair."""
    own: dict[str, Any] = model.options.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_unset=True
    )
    return own


def _service(service: Service) -> dict[str, Any]:
    said = _table(service) | {"keep": {where: shown(keep) for where, keep in service.keep.items()}}
    if isinstance(service.options, BaseModel):
        said |= {k: v for k, v in _own(service).items() if k not in said}
    return said


def _lines(title: str, table: Mapping[str, Any]) -> list[str]:
    width = max((len(key) for key in table), default=0)
    return ["", title, *(f"{_key(key):{width}} = {_value(value)}" for key, value in table.items())]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        inside = [_value(one) for one in value]
        if sum(map(len, inside)) > 90:
            return "[\n" + "".join(f"  {one},\n" for one in inside) + "]"
        return f"[{', '.join(inside)}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    return str(value)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else quoted(key)


def quoted(text: str) -> str:
    """Text as TOML writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
