"""Rehearses a restore of etcd: on this host where it has the programs, else in the place of the service."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from typing import Protocol

from haechi import clock
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.model import RestorePoint
from haechi.places._base import Place
from haechi.places.local import LocalPlace
from haechi.sources import _throwaway
from haechi.sources._base import Address, PartReader, Rehearsed, Source, Wanted
from haechi.sources._etcd import restore
from haechi.sources._etcd.options import Options

_PREFIX = "haechi-drill-etcd-"
_DEADLINE = 600.0


class Rehearsing(Source, Protocol):
    options: Options
    place: Place


def rehearse(
    source: Rehearsing,
    point: RestorePoint,
    parts: Mapping[str, PartReader],
    wanted: Wanted,
    into: str | None,
    reporter: Reporter,
) -> AbstractContextManager[Rehearsed]:
    """`into` is a directory there, in which the data directory is made."""
    if restore.able(LocalPlace()) and not source.options.run_as:
        return _throwaway.rehearse(
            source,
            point,
            parts,
            wanted,
            into,
            reporter,
            lambda place: {"at": "local", "directory": str(place / "data")},
            lambda _restored, place: (Address(path=str(place / "data")), None),
        )
    return _in_place(source, point, parts, wanted, into or source.options.staging, reporter)


@contextmanager
def _in_place(
    source: Rehearsing,
    point: RestorePoint,
    parts: Mapping[str, PartReader],
    wanted: Wanted,
    parent: str,
    reporter: Reporter,
) -> Iterator[Rehearsed]:
    place, user = source.place, source.options.run_as
    # What a killed rehearsal has left: two of one service never run at once.
    sweep = ["sh", "-c", 'rm -rf "$1"*', "haechi", f"{parent.rstrip('/')}/{_PREFIX}"]
    room = f"{sweep[-1]}{secrets.token_hex(4)}"
    place.run(sweep, user=user, deadline=_DEADLINE)
    there = replace(
        wanted, target={**wanted.target, "directory": f"{room}/data", "at": place.name}, in_place=False
    )
    where = f"{room} ({place.name})"
    left: tuple[str, ...] = (where,)
    try:
        began = clock.monotonic()
        restored = source.restore(point, parts, there, reporter)
        rehearsed = Rehearsed(restored, where, clock.monotonic() - began)
        yield rehearsed
    finally:
        with suppress(HaechiError):
            place.run(sweep, user=user, deadline=_DEADLINE)
            left = ()
    rehearsed.left = left
