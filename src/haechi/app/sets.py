"""Recovery sets of the plan, built of its services."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from haechi.app import acting
from haechi.errors import NotThere
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.operations.service import Stays
from haechi.operations.sets import recovery_set
from haechi.operations.sets.recovery_set import RecoverySet, Reference
from haechi.sources._base import TakesStatements

if TYPE_CHECKING:
    from haechi.app.home import Home


def build(home: Home, name: str, *, taking: bool = False) -> RecoverySet:
    if name not in home.plan.sets:
        raise NotThere(
            _("The plan has no set “{name}”.").format(name=name),
            hint=_("It has: {names}").format(names=", ".join(home.plan.sets) or "-"),
        )
    entry = home.plan.sets[name]
    members = tuple(home.service(member, entry.deadline if taking else None) for member in entry.of)
    asked = next((m for m in members if isinstance(m.source, TakesStatements)), members[0])
    around = acting.Around("local", asked.source, asked.kind)
    return RecoverySet(
        name,
        members,
        home.zone,
        keep=entry.keep,
        freeze=acting.many(entry.freeze, around),
        thaw=acting.many(entry.thaw, around),
        references=tuple(
            Reference(a.sql, a.of, a.exists_in, a.where, a.database, a.title) for a in entry.audit
        ),
        guardian=(
            *(sys.executable, "-m", "haechi", "--plan", str(home.plan.path.absolute())),
            *("set", "thaw", name, "--when-orphaned"),
        ),
    )


def stays(home: Home, names: Sequence[str]) -> Stays:
    """What these sets keep of a service that belongs to them."""

    def kept(points: Sequence[RestorePoint], where: str, reporter: Reporter) -> Mapping[str, str]:
        return recovery_set.what_stays([partial(build, home, one) for one in names], points, where, reporter)

    return kept
