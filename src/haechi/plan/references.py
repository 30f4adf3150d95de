"""Whether every name that the plan mentions is there: destinations, services, schemes, layouts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from haechi.errors import HaechiError
from haechi.i18n import _
from haechi.plan import kinds, scenario_drills, set_drills
from haechi.plan.mistakes import Found
from haechi.plan.model import Plan
from haechi.plan.positions import Key
from haechi.plan.sections import Archive, Copying, Drilling, Kept, Service, Toward, Verifying
from haechi.plan.steps import Check


class _Names:
    """What there is to be named, broken tables included: their mistakes are told already."""

    def __init__(self, plan: Plan, found: Found):
        data = plan.document.data
        self.found = found
        self.services = _titles(data, "service")
        self.sets = _titles(data, "set")
        self.scenarios = _titles(data, "scenario")
        self.hosts = _titles(data, "host")
        self.kept = [f"{table}.{name}" for table in ("vault", "archive") for name in _titles(data, table)]

    def want(self, key: Key, name: str, names: Iterable[str], what: str) -> bool:
        """`what` says what is missing, with the name in it."""
        there = list(names)
        if name in there:
            return True
        self.found.mistake("reference", key, what.format(name=name), names=there, word=name)
        return False

    def services_at(self, key: Key, names: Iterable[str], *, sets: bool = False) -> None:
        there = [*self.services, *self.sets] if sets else self.services
        for number, name in enumerate(names):
            self.want((*key, number), name, there, _("there is no service “{name}” in this plan."))

    def copy_at(self, key: Key, name: str) -> bool:
        return self.want(key, name, self.kept, _("there is no vault or archive “{name}” in this plan."))


def check(plan: Plan, found: Found) -> None:
    names = _Names(plan, found)
    for name, service in plan.services.items():
        _service(plan, service, ("service", name), names)
    for name, vault in plan.vaults.items():
        _address(vault, ("vault", name), found)
    for name, archive in plan.archives.items():
        _address(archive, ("archive", name), found)
        _layout(plan, archive.layout, archive, ("archive", name, "layout"), found)
    _defaults(plan, names)
    _recovery(plan, names)
    _people(plan, names)


def _service(plan: Plan, service: Service, key: Key, names: _Names) -> None:
    own = names.found.lines_of(key)  # what came from [defaults] is told there
    if "to" in own:
        _towards(plan, service.to, (*key, "to"), names)
    if "copy" in own:
        _towards(plan, service.copy_, (*key, "copy"), names)
        for number, copying in enumerate(service.copy_):
            if copying.to in service.destinations:
                names.found.mistake(
                    "duplicate",
                    (*key, "copy", number),
                    _("backups go to “{name}” already.").format(name=copying.to),
                )
            if copying.source:
                names.want(
                    (*key, "copy", number, "from"),
                    copying.source,
                    service.everywhere,
                    _("this service keeps no copy in “{name}”."),
                )
    for rule in ("verify", "drill"):
        if rule in own:
            _rehearsals(getattr(service, rule), (*key, rule), names, service.everywhere)
    if not service.to and "to" not in own and names.kept:
        names.found.mistake(
            "missing", (*key, "to"), _("it is not said where backups go."), names=names.kept, word=""
        )
    elif not service.to and "to" not in own:
        names.found.mistake(
            "missing",
            (*key, "to"),
            _("there is no vault and no archive in this plan."),
            expected="[vault.main]",
        )
    names.services_at((*key, "after"), service.after)
    if service.worker is not None:
        names.want(
            (*key, "worker"),
            service.worker,
            [*names.hosts, *(label for host in plan.hosts.values() for label in host.labels)],
            _("there is no host “{name}” in this plan, and none that bears it as a label."),
        )
    _forms(plan, service, key, names.found)
    _checks(service.checks, (*key, "checks"), names)
    _circle(plan, service, key, names.found)


def _towards(plan: Plan, entries: Iterable[Toward | Copying], key: Key, names: _Names) -> None:
    seen: set[str] = set()
    for number, entry in enumerate(entries):
        where = (*key, number)
        if entry.to in seen:
            names.found.mistake("duplicate", where, _("“{name}” is there twice.").format(name=entry.to))
        seen.add(entry.to)
        if names.copy_at(where, entry.to) and entry.layout:
            archive = plan.archives.get(entry.to.removeprefix("archive."))
            if entry.to.startswith("vault."):
                names.found.mistake("wrong-value", (*where, "layout"), _("a vault has no layout."))
            elif archive:
                _layout(plan, entry.layout, archive, (*where, "layout"), names.found)


def _rehearsals(rules: Iterable[Verifying | Drilling], key: Key, names: _Names, there: Iterable[str]) -> None:
    for number, rule in enumerate(rules):
        for copy in rule.of:
            names.want((*key, number, "of"), copy, there, _("this service keeps no copy in “{name}”."))


def _defaults(plan: Plan, names: _Names) -> None:
    _towards(plan, plan.defaults.to, ("defaults", "to"), names)
    _towards(plan, plan.defaults.copy_, ("defaults", "copy"), names)
    for rule in ("verify", "drill"):
        _rehearsals(getattr(plan.defaults, rule), ("defaults", rule), names, names.kept)


def _address(kept: Kept, key: Key, found: Found) -> None:
    if kinds.store_options(kept.url) is None:
        found.mistake(
            "unknown-scheme",
            (*key, "url"),
            _("this is not a kind of storage that is known."),
            expected=_("a path, or an address that begins with {schemes}").format(
                schemes=", ".join(kinds.store_schemes())
            ),
        )


def _layout(plan: Plan, layout: str, archive: Archive, key: Key, found: Found) -> None:
    from haechi.archive.layout import Layout

    suffix = archive.encryption.suffix if archive.encryption else ""
    try:
        Layout(layout, plan.zone, suffix=suffix, tiers=archive.tiers)
    except HaechiError as problem:
        found.mistake("layout", key, f"{problem.message} {problem.hint}".strip())


def _forms(plan: Plan, service: Service, key: Key, found: Found) -> None:
    """Whether the archives' files can hold what the source gives, where it tells."""
    from haechi.archive.layout import Layout

    kind = kinds.source(service.source)
    archives = [name for name in service.everywhere if name.startswith("archive.") and name in plan.kept]
    if kind is None or not hasattr(kind, "main_form") or service.options is None:
        return
    endings = {}
    for archive in archives:
        encryption = plan.archives[archive.removeprefix("archive.")].encryption
        suffix = encryption.suffix if encryption else ""
        with suppress(HaechiError):  # a layout that cannot be used is told where it stands
            endings[archive] = Layout(plan.layout(service.name, archive), plan.zone, suffix=suffix).ending
    written = {ending.form for ending in endings.values()}
    form = kind.main_form(
        kind.fitted(service.options, written) if hasattr(kind, "fitted") else service.options
    )
    for archive, ending in endings.items():
        if not ending.fits(form):
            found.mistake(
                "layout",
                (*key, "format"),
                _("{archive}: files that end with {ending} cannot hold {form}.").format(
                    archive=archive, ending=ending.text, form=form
                ),
                expected=_("a format and a layout that agree: plain with .sql.gz, custom with .dump"),
            )


def _checks(checks: Iterable[Check], key: Key, names: _Names) -> None:
    for number, one in enumerate(checks):
        if one.of:
            names.services_at((*key, number, "of"), [one.of])


def _recovery(plan: Plan, names: _Names) -> None:
    for name, together in plan.sets.items():
        names.services_at(("set", name, "of"), together.of)
        for number, audit in enumerate(together.audit):
            for word, asked in (("of", (audit.of,)), ("exists_in", audit.exists_in)):
                for one in asked:
                    names.want(
                        ("set", name, "audit", number, word),
                        one,
                        together.of,
                        _("“{name}” is not one of this set's services."),
                    )
        if together.drill:
            set_drills.check(plan, together, names.found)
    for name, scenario in plan.scenarios.items():
        key: Key = ("scenario", name)
        for number, beside in enumerate(scenario.order):
            names.services_at((*key, "order", number), beside, sets=True)
        for number, step in enumerate(scenario.steps):
            names.services_at((*key, "steps", number, "restore"), step.restore, sets=True)
            names.services_at((*key, "steps", number, "backup"), step.backup, sets=True)
            if step.check:
                _checks([step.check], (*key, "steps", number, "check"), names)
        _checks(scenario.checks, (*key, "checks"), names)
        scenario_drills.check(plan, scenario, names.found)
    for name, guard in plan.guards.items():
        names.services_at(("guard", name, "services"), guard.services, sets=True)
        _checks(guard.checks, ("guard", name, "checks"), names)


def _people(plan: Plan, names: _Names) -> None:
    for name, notify in plan.notifiers.items():
        names.services_at(("notify", name, "services"), notify.services)
    for number, contact in enumerate(plan.contacts):
        names.services_at(("contact", number, "services"), contact.services)
    for name, checklist in plan.checklists.items():
        for number, item in enumerate(checklist.items):
            if item.scenario is not None:
                names.want(
                    ("checklist", name, "items", number, "scenario"),
                    item.scenario,
                    names.scenarios,
                    _("there is no scenario “{name}” in this plan."),
                )


def _circle(plan: Plan, service: Service, key: Key, found: Found) -> None:
    """Services that wait for each other would never come back."""
    waiting, seen = list(service.after), set[str]()
    while waiting:
        name = waiting.pop()
        if name == service.name:
            found.mistake("circle", (*key, "after"), _("in the end it would have to wait for itself."))
            return
        if name not in seen and name in plan.services:
            seen.add(name)
            waiting.extend(plan.services[name].after)


def _titles(data: Mapping[str, object], table: str) -> list[str]:
    named = data.get(table)
    return list(named) if isinstance(named, Mapping) else []
