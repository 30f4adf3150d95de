"""Finds the kinds of services, places and storage, ours and other people's, and imports only the one in use.

A kind is a module of one of our packages (`haechi.sources.postgresql`), or an entry point of a third party
in the group of that package's name. Nothing lists the kinds by hand.
"""

from __future__ import annotations

import difflib
import pkgutil
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from haechi.errors import UsageMistake
from haechi.i18n import _

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints


@cache
def ours(package: str) -> frozenset[str]:
    """The kinds that come with Haechi."""
    path = import_module(package).__path__
    return frozenset(
        m.name.replace("_", "-") for m in pkgutil.iter_modules(path) if not m.name.startswith("_")
    )


@cache
def names(package: str) -> tuple[str, ...]:
    """Every kind in this package, by name. Imports none of them."""
    return tuple(sorted(ours(package) | _others(package).names))


@cache
def load(package: str, name: str) -> ModuleType:
    """The module of one kind. An unknown name is answered with the nearest one."""
    if name in ours(package):
        return import_module(f"{package}.{name.replace('-', '_')}")
    for entry in _others(package).select(name=name):
        module = entry.load()
        assert isinstance(module, ModuleType)
        return module
    near = difflib.get_close_matches(name, names(package), 1)
    raise UsageMistake(
        _("“{name}” is not known here.").format(name=name),
        hint=_("Did you mean “{near}”?").format(near=near[0])
        if near
        else _("Known are: {names}").format(names=", ".join(names(package))),
    )


def knows(package: str, name: str) -> bool:
    """Whether there is such a kind; asks nobody else when it is one of ours."""
    return name in ours(package) or name in names(package)


def _others(package: str) -> EntryPoints:
    # Late: reading every installed distribution costs as much as the rest of a plan.
    from importlib.metadata import entry_points

    return entry_points(group=package)
