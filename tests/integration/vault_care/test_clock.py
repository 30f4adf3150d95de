"""Clocks that are set back while there is work under way, and clocks that do not agree."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import pytest

from haechi import clock
from haechi.errors import VaultLocked
from haechi.testing.memory_store import MemoryStore
from haechi.vault import prune
from haechi.vault.check import check
from haechi.vault.copy import copy
from tests.vault_ground import Hurried, again, backup, changed, contents, hurried, new_vault, some_files

__all__ = ["hurried"]

pytestmark = pytest.mark.usefixtures("hurried")


class Backwards(Hurried):
    """Every look at it is this much earlier than the one before."""

    def __init__(self, step: timedelta):
        super().__init__()
        self._step = step

    def now(self) -> datetime:
        self._time -= self._step
        return self._time


class Settable(Hurried):
    def turn(self, by: timedelta) -> None:
        self._time += by


@pytest.fixture
def settable() -> Iterator[Settable]:
    settable = Settable()
    with clock.using(settable):
        yield settable


@pytest.mark.parametrize("step", [timedelta(seconds=1), timedelta(hours=1), timedelta(days=40)])
def test_work_goes_on_while_the_clock_runs_backwards(step: timedelta) -> None:
    chance = random.Random(8)
    with clock.using(Backwards(step)):
        vault, other = new_vault(MemoryStore()), new_vault(MemoryStore())
        files: Mapping[str, bytes] = some_files(chance)
        kept = {}
        for _number in range(4):
            kept[backup(vault, files).id] = files
            files = changed(chance, files)
        for snapshot in vault.snapshots()[:2]:
            vault.forget([snapshot])
            del kept[snapshot.id]
        assert prune.execute(vault, prune.plan(vault, unused=0.0), unused=0.0).bytes_freed
        copied = copy(vault, other).copied
        for one in (vault, other):
            report = check(again(one), depth="all")
            assert report.healthy and not report.notes
        assert vault.files.names("locks") == other.files.names("locks") == []
        for snapshot in again(vault).snapshots():
            assert contents(again(vault), snapshot) == kept.pop(snapshot.id)
            assert contents(again(other), copied[snapshot.id]) == contents(vault, snapshot)
    assert not kept


@pytest.mark.parametrize("turn", [timedelta(hours=-1), timedelta(hours=-14), timedelta(minutes=20)])
def test_a_prune_respects_a_backup_although_the_clock_was_turned(turn: timedelta, settable: Settable) -> None:
    vault = new_vault(MemoryStore())
    backup(vault, some_files(random.Random(1)))
    with vault.writer() as writer:
        writer.small_file("/late", b"still coming" * 500)
        settable.turn(turn)
        with pytest.raises(VaultLocked):
            prune.execute(again(vault), prune.plan(again(vault)))
        late = writer.commit(time=clock.now(), tags=[], hostname="here")
    assert contents(again(vault), late) == {"/late": b"still coming" * 500}
