"""Writes the page docs/reference/plan.md from the models: every table and key of a plan."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from haechi import plugins
from haechi.credentials import Origin
from haechi.plan import fields, kinds, people, recovery, sections, steps
from haechi.schedule import words

_TABLES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[plan]", sections.Head),
    ("[defaults]", sections.Defaults),
    ("[vault.NAME]", sections.Vault),
    ("[archive.NAME]", sections.Archive),
    ("[service.NAME]", sections.Service),
    ("[set.NAME]", recovery.Set),
    ("[scenario.NAME]", recovery.Scenario),
    ("[guard.NAME]", recovery.Guard),
    ("[notify.NAME]", people.Notify),
    ("[[contact]]", people.Contact),
    ("[checklist.NAME]", people.Checklist),
    ("[server]", recovery.Server),
    ("[host.NAME]", recovery.Host),
)
_PARTS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("promise", fields.PromiseTable),
    ("keep", fields.KeepTable),
    ("to", sections.Toward),
    ("copy", sections.Copying),
    ("verify", sections.Verifying),
    ("drill", sections.Drilling),
    ("checks", steps.Check),
    ("hooks", steps.Hooks),
    ("a hook", steps.Hook),
    ("a step of a scenario", steps.Step),
    ("encrypt", sections.Encrypt),
    ("price", sections.Price),
    ("audit", recovery.Audit),
    ("drill of a set", recovery.Rehearsal),
    ("app of a drill", recovery.Application),
    ("an item of a checklist", people.Item),
    ("mail", people.Mail),
    ("a value that is kept elsewhere", Origin),
)
_HEAD = """# The plan

`haechi.toml` says what is protected, when, for how long, where copies lie, what is promised and who is told. It is
looked for at `--plan`, `$HAECHI_PLAN`, `./haechi.toml`, `/etc/haechi/haechi.toml`. `haechi plan check` lists every
mistake in it, `haechi plan show` shows how it was understood, `haechi plan schema` gives its JSON Schema to editors.

`${NAME}` and `${NAME:-default}` in a text are put in from the environment; `$${NAME}` stays as it is. Nothing else is
looked up when a plan is read. Relative paths are relative to the plan. Lengths of time are written `6h`, `30 days`,
`1d 12h`, `7일`; where a list is wanted, one thing may stand by itself."""


def page() -> str:
    """In English, whatever language is spoken."""
    said = [_HEAD]
    for title, model in _TABLES:
        said += [f"## {title}", _about(model), _table(model)]
    said += ["# Schedules", f"```text\n{_block(words.__doc__)}\n```", "# Tables within tables"]
    for title, model in _PARTS:
        said += [f"## {title}", _about(model), _table(model)]
    said.append("# What belongs to a kind of source")
    for kind in kinds.source_kinds():
        options = kinds.source_options(kind)
        assert options
        said += [f'## source = "{kind}"', _table(options)]
    said.append("# What belongs to a kind of storage")
    for kind in plugins.names("haechi.stores"):
        module = plugins.load("haechi.stores", kind)
        if hasattr(module, "schemes"):
            addresses = ", ".join(f"`{scheme}:`" if scheme else "a path" for scheme in module.schemes)
            said += [f"## {kind}: {addresses}", _table(module.Options)]
    return "\n\n".join(said) + "\n"


def _about(model: type[BaseModel]) -> str:
    about = inspect.cleandoc(model.__doc__ or "")
    return about.partition(": ")[2].capitalize() if about.startswith("[") else about


def _table(model: type[BaseModel]) -> str:
    rows = ["| key | value | meaning |", "|---|---|---|", *_rows(model)]
    return "\n".join(rows)


def _rows(model: type[BaseModel]) -> Iterator[str]:
    rules = model.model_json_schema(by_alias=True)
    definitions = rules.get("$defs", {})
    rules = rules["anyOf"][1] if "anyOf" in rules else rules  # the table, not its short form
    if "$ref" in rules:
        rules = definitions[rules["$ref"].rpartition("/")[2]]
    rules = rules["anyOf"][1] if "anyOf" in rules else rules
    for name, field in model.model_fields.items():
        key = field.alias or name
        value = _value(rules["properties"][key], definitions) + _default(field)
        if key in {title for title, _model in _PARTS}:
            value = value.replace("a table", f"a [table](#{key})")
        cells = (cell.replace("|", "\\|") for cell in (f"`{key}`", value, field.description or ""))
        yield f"| {' | '.join(cells)} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ", needed"
    plain = field.get_default(call_default_factory=False)
    if isinstance(plain, bool):
        return f"; `{str(plain).lower()}`"
    return f"; `{plain}`" if isinstance(plain, str | int | float) and plain != "" else ""


def _value(rule: dict[str, Any], definitions: dict[str, Any]) -> str:
    """In words, from the schema: the same that editors are told."""
    if "$ref" in rule:
        return _value(definitions[rule["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in rule:
        several = [_value(one, definitions) for one in rule["anyOf"] if one.get("type") != "null"]
        if len(several) == 2 and several[1] == f"a list of {several[0]}":
            return f"{several[0]}; one or several"
        return " or ".join(dict.fromkeys(one for one in several if one))
    if rule.get("type") == "array":
        return "a list" if not rule.get("items") else f"a list of {_value(rule['items'], definitions)}"
    choices = rule.get("enum") or [rule[word] for word in ("const",) if word in rule]
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    return (
        f"such as `{rule['examples'][0]}`"
        if rule.get("examples")
        else _PLAIN.get(rule.get("type", ""), "a table")
    )


_PLAIN = {"string": "text", "integer": "a number", "number": "a number", "boolean": "`true`, `false`"}


def _block(text: str | None) -> str:
    return inspect.cleandoc(text or "").partition("\n\n")[2]
