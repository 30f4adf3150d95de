"""From haechi.toml to a Plan: every mistake of the file comes out in one listing.

Nothing is looked up on disk or network but the file itself and the environment: secrets and other values that are
kept elsewhere are fetched when they are used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from haechi import i18n
from haechi.errors import PlanMistake
from haechi.i18n import _
from haechi.plan import kinds, references, rehearsals, sense, whereabouts
from haechi.plan.complaints import validate
from haechi.plan.document import Document, parse, read
from haechi.plan.mistakes import Found
from haechi.plan.model import Plan
from haechi.plan.people import CHECKLISTS, Checklist, Contact, Notify
from haechi.plan.positions import Key
from haechi.plan.recovery import Guard, Host, Scenario, Server, Set
from haechi.plan.sections import Archive, Defaults, Head, Named, Service, Vault

SYSTEM = Path("/etc/haechi/haechi.toml")
_NAME = re.compile(r"\w[\w-]*")  # names become parts of paths; Korean ones are as good as any
TABLES = (
    "plan", "defaults", "server", "vault", "archive", "service", "set", "scenario", "guard", "notify", "contact",
    "checklist", "host",
)  # fmt: skip
Table = TypeVar("Table", bound=BaseModel)
Titled = TypeVar("Titled", bound=Named)


def find(path: Path | str | None = None) -> Path:
    """Where the plan is: as given, $HAECHI_PLAN, ./haechi.toml, /etc/haechi/haechi.toml."""
    given = path or os.environ.get("HAECHI_PLAN")
    if given:
        return Path(given).expanduser()
    for candidate in (Path("haechi.toml"), SYSTEM):
        if candidate.is_file():
            return candidate
    raise PlanMistake(
        _("There is no plan here: neither haechi.toml nor {system}.").format(system=SYSTEM),
        hint=_("Write one with: haechi init — or name it with --plan or HAECHI_PLAN."),
    )


def load(path: Path | str | None = None, environment: Mapping[str, str] | None = None) -> Plan:
    """Raises PlanMistake with every mistake in it."""
    return _plan(read(find(path), environment))


def loads(text: str, path: str = "haechi.toml", environment: Mapping[str, str] | None = None) -> Plan:
    """The same from a text, such as the one that a restore point carries."""
    return _plan(parse(text, path, environment))


def _plan(document: Document) -> Plan:
    found, data = document.found, document.data
    _speak(data)
    for name in data:
        if name not in TABLES:
            found.mistake("unknown-key", (name,), _("this table is not known."), names=TABLES, word=name)
    head = _one(Head, data, "plan", found, needed=True)
    defaults = _one(Defaults, data, "defaults", found)
    plan = Plan(
        document=document,
        head=head or Head.model_validate({"name": "-"}),
        defaults=defaults or Defaults.model_construct(),
        server=_one(Server, data, "server", found) or Server.model_construct(),
        vaults=_many(Vault, data, "vault", found, _store_options),
        archives=_many(Archive, data, "archive", found, _store_options),
        services=_services(data, found, defaults),
        sets=_many(Set, data, "set", found),
        notifiers=_many(Notify, data, "notify", found),
        checklists=_many(Checklist, data, "checklist", found, names=CHECKLISTS),
        scenarios=_many(Scenario, data, "scenario", found),
        guards=_many(Guard, data, "guard", found),
        hosts=_many(Host, data, "host", found),
        contacts=_contacts(data, found),
    )
    for service in plan.services.values():
        service._keep = {
            where: plan.keep(service.name, where) for where in service.everywhere if where in plan.kept
        }
    references.check(plan, found)
    whereabouts.check(plan, found)
    sense.check(plan, found)
    rehearsals.check(plan, found)
    found.settle()
    return replace(plan, advice=tuple(found.advice))


def _speak(data: Mapping[str, Any]) -> None:
    """In its own language, what is said of a plan as well."""
    head = data.get("plan")
    language = head.get("language") if isinstance(head, Mapping) else None
    if isinstance(language, str):
        i18n.follow(language)


# -- tables ------------------------------------------------------------------------------------------


def _one(
    model: type[Table], data: Mapping[str, Any], name: str, found: Found, *, needed: bool = False
) -> Table | None:
    if name in data:
        return validate(model, data[name], (name,), found)
    if needed:
        found.mistake(
            "missing",
            (),
            _("the table [{name}] is missing.").format(name=name),
            expected='[plan] name = "..."',
        )
    return None


def _many(
    model: type[Titled],
    data: Mapping[str, Any],
    table: str,
    found: Found,
    own: Callable[[Mapping[str, Any]], type[BaseModel] | None] | None = None,
    *,
    names: Sequence[str] = (),
) -> dict[str, Titled]:
    """Every [table.NAME]. `own` finds the plugin's model for the keys that are not the model's."""
    named = {}
    for name, content in _titled(data, table, found).items():
        key: Key = (table, name)
        if names and name not in names:
            found.mistake(
                "unknown-key", key, _("there is no such {table}.").format(table=table), names=names, word=name
            )
        made = _with_options(model, content, key, found, own(content) if own else None)
        if made is not None:
            made._name = name
            named[name] = made
    return named


def _titled(data: Mapping[str, Any], table: str, found: Found) -> dict[str, Mapping[str, Any]]:
    """The tables under one title, those of them that are tables."""
    all_of_it = data.get(table, {})
    if not isinstance(all_of_it, Mapping):
        all_of_it = {"": all_of_it}
    good = {}
    for name, content in all_of_it.items():
        if name and not _NAME.fullmatch(name):
            found.mistake(
                "name",
                (table, name),
                _("this name would not do for files and messages."),
                expected=_("letters, digits, - and _"),
            )
        if isinstance(content, Mapping):
            good[name] = content
        else:
            found.mistake(
                "wrong-type",
                (table, name) if name else (table,),
                _("this wants a name of its own."),
                expected=f"[{table}.NAME]",
            )
    return good


def _with_options(
    model: type[Titled], content: Mapping[str, Any], key: Key, found: Found, own: type[BaseModel] | None
) -> Titled | None:
    if own is None:
        return validate(model, content, key, found)
    common = kinds.keys_of(model)
    shared, rest = kinds.split(content, common)
    made = validate(model, shared, key, found)
    options = validate(own, rest, key, found, siblings=sorted(common))
    if made is None or options is None:
        return None
    made._options = options
    return made


def _store_options(content: Mapping[str, Any]) -> type[BaseModel] | None:
    url = content.get("url")
    return kinds.store_options(url) if isinstance(url, str) else None


def _services(data: Mapping[str, Any], found: Found, defaults: Defaults | None) -> dict[str, Service]:
    def own(content: Mapping[str, Any]) -> type[BaseModel] | None:
        kind = content.get("source")
        return kinds.source_options(kind) if isinstance(kind, str) else None

    known = {}
    for name, content in _titled(data, "service", found).items():
        kind = content.get("source")
        if isinstance(kind, str) and kinds.source_options(kind) is None:
            found.mistake(
                "unknown-source",
                ("service", name, "source"),
                _("the source “{kind}” is not known.").format(kind=kind),
                names=kinds.source_kinds(),
                word=kind,
            )
        judged = isinstance(kind, str) and kinds.source_options(kind) is not None
        # Without a known source its own keys cannot be judged; those that all services share can.
        known[name] = content if judged else kinds.split(content, kinds.keys_of(Service))[0]
    made = _many(Service, {"service": known}, "service", found, own)
    return {name: _with_defaults(service, defaults) for name, service in made.items()}


def _with_defaults(service: Service, defaults: Defaults | None) -> Service:
    if defaults is None:
        return service
    missing = defaults.model_fields_set - service.model_fields_set - {"keep"}  # that comes last of four
    filled = {field: getattr(defaults, field) for field in missing}
    there = {entry.to for entry in filled.get("to", service.to)}
    if "copy_" in filled:  # where a service writes by itself already, nothing has to be copied to
        filled["copy_"] = tuple(entry for entry in filled["copy_"] if entry.to not in there)
    return service.model_copy(update=filled)


def _contacts(data: Mapping[str, Any], found: Found) -> tuple[Contact, ...]:
    listed = data.get("contact", [])
    if not isinstance(listed, list):
        found.mistake("wrong-type", ("contact",), _("contacts are a list."), expected="[[contact]]")
        return ()
    made = (validate(Contact, one, ("contact", number), found) for number, one in enumerate(listed))
    return tuple(contact for contact in made if contact is not None)
