"""What lies beside after a restore: put in place, taken back, or removed for good. Each is a run in the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from haechi import clock
from haechi.errors import NotThere, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.operations.desk import Desk
from haechi.operations.service import Service
from haechi.sources._base import Exchangeable, LyingBeside

RESTORED = "restored"
BEFORE = "before"


def lying_beside(service: Service) -> Sequence[LyingBeside]:
    """Oldest first."""
    return exchangeable(service).lying_beside()


def kept_as(service: Service) -> str:
    """How the old one would be called if it were replaced now, behind its own name."""
    infix = getattr(service.source, "kept_as", "")
    return f"{infix}{clock.now():%Y%m%d_%H%M%S}" if infix else ""


def swap(service: Service, desk: Desk, reporter: Reporter, names: Sequence[str] = ()) -> Mapping[str, str]:
    """Put what came back in place; under which name each old one is kept. All that waits, if no name is given."""
    able = exchangeable(service)
    with desk.alone_with(service.name), desk.run("swap", service.name, reporter):
        return {name: able.swap(name) for name in names or _waiting(able, {RESTORED})}


def undo(service: Service, desk: Desk, reporter: Reporter, names: Sequence[str] = ()) -> Mapping[str, str]:
    """Put the old ones back in their places; where each of what had replaced them lies now."""
    able = exchangeable(service)
    with desk.alone_with(service.name), desk.run("undo", service.name, reporter):
        return {name: able.undo(name) for name in names or _waiting(able, {BEFORE})}


def finish(service: Service, desk: Desk, reporter: Reporter, names: Sequence[str] = ()) -> list[str]:
    """Remove for good what lies beside; the names that are gone."""
    able = exchangeable(service)
    with desk.alone_with(service.name), desk.run("finish", service.name, reporter):
        return [gone for name in names or _waiting(able) for gone in able.finish(name)]


def _waiting(able: Exchangeable, states: set[str] | None = None) -> list[str]:
    found = list(dict.fromkeys(b.of for b in able.lying_beside() if states is None or b.state in states))
    if not found:
        raise NotThere(
            _("Nothing lies beside."),
            hint=_("See what is there with: haechi beside list, or restore a point first."),
        )
    return found


def exchangeable(service: Service) -> Exchangeable:
    """Its source, if what comes back of it can be put in place by name. Raises UsageMistake."""
    if not isinstance(service.source, Exchangeable):
        raise UsageMistake(
            _("A service of the kind “{kind}” is not restored beside.").format(kind=service.kind),
            hint=_("`haechi restore` has said where it put what came back."),
        )
    return service.source
