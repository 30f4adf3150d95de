"""What a hand has found out arrives as it was: what is the same is the same, what differs differs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from haechi.app import errands
from haechi.app.errands import Brought, Freed, Seen
from haechi.credentials import Secret
from haechi.engine import parcels
from haechi.errors import Damaged, HaechiError, StoreUnavailable
from haechi.model import Copy, RestorePoint
from haechi.operations.drill import Drilled, Picked
from haechi.operations.replicate import Copied
from haechi.operations.verify import Verified
from haechi.sources._base import Address, Comparison, Rehearsed, Restored

POINT = RestorePoint(
    "p1",
    "erp",
    "files",
    datetime(2026, 3, 1, tzinfo=UTC),
    copies=(Copy("vault.main", "ref", 7),),
    tags=("noon",),
)


def _sent(kind: type[Any], value: object) -> Any:
    return parcels.unpack(kind, json.loads(json.dumps(errands.packed(value), default=str)))


def test_what_was_verified_and_copied_arrives_whole() -> None:
    whole = Verified(POINT, "vault.main", 1.5, found={"files": 3})
    broken = Verified(POINT, "vault.far", 0.5, Damaged("torn", hint="heal"), "sample", looked=True)
    here = _sent(Seen, Seen([whole, broken], {"ping": HaechiError("no")}))
    assert here.copies[0] == whole
    assert type(here.copies[1].problem) is Damaged
    assert here.copies[1].damaged
    assert here.copies[1].problem.hint == "heal"
    assert here.unhooked["ping"].message == "no"

    copied = Copied(POINT, "vault.main", "vault.far", 2.0, Copy("vault.far", "x"))
    sent = Brought([copied], {"vault.gone": StoreUnavailable("away")}, {"vault.slow": "22:00-06:00"})
    here = _sent(Brought, sent)
    assert here.copied == [copied]
    assert here.away["vault.gone"].retryable
    assert here.waiting == sent.waiting
    assert _sent(Freed, Freed(2, 5)) == Freed(2, 5)


@pytest.mark.parametrize(
    ("saved", "found"),
    [
        (1, 1),
        (1, 2),
        (1, 1.0),
        ((1, 2), (1, 2)),
        ((1, 2), [1, 2]),
        ({1: "a"}, {"1": "a"}),
        (None, 0),
        ("é", "é"),
    ],
)
def test_a_drill_passes_there_as_it_did_here_and_its_throwaway_stays_behind(saved: Any, found: Any) -> None:
    compared = (Comparison("rows", saved, found),)
    standing = Rehearsed(
        Restored("there", compared),
        "there",
        1.0,
        address=Address(Secret("postgres://planted")),
        standing=object(),
    )
    drilled = Drilled("erp", POINT, "vault.main", 2.0, standing, picked=Picked("name", 5, 1, ("vault.main",)))
    assert "planted" not in json.dumps(errands.packed(drilled), default=str)
    here = _sent(Drilled, drilled)
    assert here.passed is drilled.passed
    assert len(here.differences) == len(drilled.differences)
    assert (here.point, here.picked, here.rehearsed.seconds) == (POINT, drilled.picked, 1.0)
