"""Rehearses a restore: beside the databases of the service's own server, or on another one, and gone afterwards."""

from __future__ import annotations

from dataclasses import replace

from haechi import clock
from haechi.events import Reporter
from haechi.model import RestorePoint
from haechi.sources._base import PartReader, Rehearsed, Wanted
from haechi.sources._mongodb import beside
from haechi.sources._mongodb.options import Target
from haechi.sources._mongodb.restore import Restore
from haechi.sources._mongodb.server import Server


def rehearse(
    server: Server, point: RestorePoint, part: PartReader, target: Target, wanted: Wanted, reporter: Reporter
) -> Rehearsed:
    """Users and roles belong to the server as a whole, so they are left out."""
    there = beside.databases(server)
    target = target.model_copy(update={"users": False})
    under_way = Restore(server, point, part, target, replace(wanted, in_place=False), reporter, passing=True)
    began = clock.monotonic()
    restored = under_way.run()
    seconds = clock.monotonic() - began
    made = set(restored.details["databases"].values()) - there
    for name in made:
        beside.drop(server, name)
    return Rehearsed(restored, server.shown, seconds, tuple(sorted(made & beside.databases(server))))
