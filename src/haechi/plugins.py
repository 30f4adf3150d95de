"""Finds the kinds of services, places and storage, ours and other people's, and imports only the one in use.

A kind is a module of one of our packages (`haechi.sources.postgresql`), or an entry point of a third party
in the group of that package's name. Nothing lists the kinds by hand.
"""

from __future__ import annotations

import difflib
import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType

from haechi.errors import UsageMistake
from haechi.i18n import _


@cache
def names(package: str) -> tuple[str, ...]:
    """Every kind in this package, by name. Imports none of them."""
    path = import_module(package).__path__
    ours = {m.name.replace("_", "-") for m in pkgutil.iter_modules(path) if not m.name.startswith("_")}
    return tuple(sorted(ours | {entry.name for entry in entry_points(group=package)}))


@cache
def load(package: str, name: str) -> ModuleType:
    """The module of one kind. An unknown name is answered with the nearest one."""
    for entry in entry_points(group=package):
        if entry.name == name:
            module = entry.load()
            assert isinstance(module, ModuleType)
            return module
    if name not in names(package):
        near = difflib.get_close_matches(name, names(package), 1)
        raise UsageMistake(
            _("“{name}” is not known here.").format(name=name),
            hint=_("Did you mean “{near}”?").format(near=near[0])
            if near
            else _("Known are: {names}").format(names=", ".join(names(package))),
        )
    return import_module(f"{package}.{name.replace('-', '_')}")
