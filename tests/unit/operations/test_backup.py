"""A backup: what counts, what does not, and what becomes of the others when one destination fails."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest

from haechi.errors import (
    AccessRefused,
    Damaged,
    HaechiError,
    PartlyDone,
    ServerUnavailable,
    SourceChanged,
    StoreUnavailable,
    VaultLocked,
)
from haechi.events import SILENT
from haechi.model import Keep, Outcome, ProofState
from haechi.operations import backup, listing, restore, retain, status, verify
from haechi.operations.backup import back_up
from haechi.operations.destinations.later import Later
from haechi.process import ending
from haechi.sources._base import Wanted
from tests.unit.operations.ground import Ground, lay


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    monkeypatch.setattr(backup, "_PAUSES", (0, 0))
    return lay(tmp_path)


def away() -> Later:
    def refuse() -> None:
        raise StoreUnavailable("the NAS does not answer")

    return Later("vault.away", refuse)  # type: ignore[arg-type]


def test_a_point_lies_whole_in_every_destination(ground: Ground) -> None:
    done = back_up(ground.service(), ground.desk, SILENT)
    assert [copy.where for copy in done.point.copies] == ["vault.main", "archive.nas"]
    for destination in (ground.vault, ground.archive):
        (point,) = destination.points("papers")
        assert point.id == done.point.id
        assert destination.describe(point).facts == {"lengths": {"a.bin": 25000, "b.bin": 42000}}
        for name, data in ground.source.state.items():
            with destination.open_part(point, name) as stream:
                assert stream.read() == data
        destination.verify(point, "all", SILENT)


def test_the_vault_alone_explains_itself(ground: Ground) -> None:
    back_up(ground.service(ground.vault), ground.desk, SILENT, tags=("before-deploy",))
    (snapshot,) = ground.vault.vault.snapshots()
    assert "before-deploy" in snapshot.tags
    assert ground.vault.vault.read_file(snapshot, "/.haechi/plan.toml") == b'[plan]\nname = "papers"\n'


def test_it_is_written_down(ground: Ground) -> None:
    done = back_up(ground.service(), ground.desk, SILENT)
    (run,) = ground.desk.journal.runs()
    assert (run.outcome, run.point, run.bytes_read) == (Outcome.SUCCESS, done.point.id, 67000)
    assert [p.id for p in ground.desk.journal.points()] == [done.point.id]


def test_a_destination_that_is_away_does_not_fail_the_other(ground: Ground) -> None:
    done = back_up(ground.service(away(), ground.archive), ground.desk, SILENT)
    assert list(done.failed) == ["vault.away"]
    assert len(ground.archive.points()) == 1
    assert ground.desk.journal.runs()[0].outcome is Outcome.PARTIAL
    with pytest.raises(PartlyDone) as caught:
        done.raise_if_partial()
    assert "the NAS does not answer" in caught.value.hint


def test_with_every_destination_away_it_fails(ground: Ground) -> None:
    with pytest.raises(StoreUnavailable):
        back_up(ground.service(away()), ground.desk, SILENT)
    assert ground.desk.journal.runs()[0].outcome is Outcome.FAILURE


def test_a_source_that_breaks_off_leaves_nothing_that_counts(ground: Ground) -> None:
    ground.source.fail_in, ground.source.problem = "b.bin", SourceChanged("the server went away")
    with pytest.raises(SourceChanged):
        back_up(ground.service(), ground.desk, SILENT)
    assert not ground.vault.points()
    assert not ground.archive.points()
    assert not ground.desk.journal.points()
    ground.source.fail_in = ""
    assert back_up(ground.service(), ground.desk, SILENT).point  # and nothing is left locked


def test_what_breaks_off_under_way_is_begun_anew_and_never_spliced(ground: Ground) -> None:
    ground.source.fail_in, ground.source.problem = "b.bin", SourceChanged("the server went away")
    ground.source.failures = 2
    done = back_up(ground.service(), ground.desk, SILENT)
    assert ground.source.captures == 3, "each time a new capture, with a snapshot of its own"
    assert [p.id for p in ground.vault.points()] == [done.point.id]
    with ground.vault.open_part(ground.vault.points()[0], "b.bin") as stream:
        assert stream.read() == ground.source.state["b.bin"]


def test_whoever_stops_us_meanwhile_is_not_answered_by_another_try(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_wait", lambda _seconds: monkeypatch.setattr(ending, "_interrupted", True))
    ground.source.fail_in, ground.source.problem = "b.bin", SourceChanged("the server went away")
    with pytest.raises(SourceChanged):
        back_up(ground.service(), ground.desk, SILENT)
    assert ground.source.captures == 1
    assert ground.desk.journal.runs()[0].outcome is Outcome.INTERRUPTED


def test_what_will_not_get_better_is_told_at_once(ground: Ground) -> None:
    ground.source.fail_in, ground.source.problem = "b.bin", AccessRefused("no")
    with pytest.raises(AccessRefused):
        back_up(ground.service(), ground.desk, SILENT)
    assert ground.source.captures == 1


def test_the_parts_of_a_service_are_carried_at_once(ground: Ground) -> None:
    ground.source.meeting = threading.Barrier(2)  # neither comes to its end unless both are under way
    back_up(ground.service(ground.vault), ground.desk, SILENT)
    for name, data in ground.source.state.items():
        with ground.vault.open_part(ground.vault.points()[0], name) as stream:
            assert stream.read() == data


def test_one_part_that_fails_fails_the_capture_whatever_the_others_do(ground: Ground) -> None:
    ground.source.fail_in, ground.source.problem = "a.bin", AccessRefused("no")
    with pytest.raises(AccessRefused):
        back_up(ground.service(ground.vault), ground.desk, SILENT)
    assert not ground.vault.points()


def test_a_part_that_fails_ends_those_beside_it_at_once(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.source.fail_in, ground.source.problem = "b.bin", ServerUnavailable("gone", retryable=False)
    ground.source.meeting = threading.Barrier(2)
    hanging = _Hanging()
    opened = ground.source._open
    monkeypatch.setattr(
        ground.source,
        "_open",
        lambda name, data: (opened(name, data), hanging)[1] if name == "a.bin" else opened(name, data),
    )
    with pytest.raises(ServerUnavailable, match="gone"):
        back_up(ground.service(ground.vault), ground.desk, SILENT)
    assert hanging.closed
    assert hanging.over.is_set() or not hanging.asked, "one that was not read yet need not be ended"
    assert not ground.vault.points()


class _Hanging(io.RawIOBase):
    """Gives nothing until it is ended by another thread."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.asked = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        self.asked = True
        assert self.over.wait(20)
        raise HaechiError("ended by a signal")

    def end(self) -> None:
        self.over.set()


def test_ctrl_c_leaves_nothing_that_counts(ground: Ground) -> None:
    ground.source.fail_in, ground.source.problem = "a.bin", KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        back_up(ground.service(), ground.desk, SILENT)
    assert not ground.vault.points()
    assert not ground.archive.points()
    assert ground.desk.journal.runs()[0].outcome is Outcome.INTERRUPTED


def test_a_second_backup_of_the_service_is_refused(ground: Ground) -> None:
    service = ground.service(ground.vault)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with ground.desk.alone_with("papers"):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert entered.wait(10)
        with pytest.raises(VaultLocked):
            back_up(service, ground.desk, SILENT)
    finally:
        leave.set()
        thread.join()
    assert back_up(service, ground.desk, SILENT).point


def test_a_restore_is_proof(ground: Ground) -> None:
    service = ground.service()
    back_up(service, ground.desk, SILENT)
    planned = restore.plan(service, SILENT, wanted=Wanted())
    brought = restore.execute(planned, ground.desk, SILENT)
    assert brought.restored.equal
    assert ground.source.restored == ground.source.state
    (row,) = listing.list_points([service], ground.desk, SILENT)
    assert row.state is ProofState.RESTORED
    (standing,) = status.standings([service], ground.desk, SILENT)
    assert standing.rto_measured is not None
    assert standing.rpo_proven is not None


def test_what_comes_back_different_is_no_proof(ground: Ground) -> None:
    service = ground.service(ground.archive)
    back_up(service, ground.desk, SILENT)
    planned = restore.plan(service, SILENT, wanted=Wanted())
    lying = {"lengths": {"a.bin": 25000, "b.bin": 41999}}
    object.__setattr__(planned.point, "facts", lying)
    assert not restore.execute(planned, ground.desk, SILENT).restored.equal
    (row,) = listing.list_points([service], ground.desk, SILENT)
    assert row.state is ProofState.FAILED


def test_over_what_is_there_only_after_it_has_been_saved(ground: Ground) -> None:
    service = ground.service(ground.vault)
    first = back_up(service, ground.desk, SILENT).point
    ground.source.state["a.bin"] = b"changed since"
    planned = restore.plan(service, SILENT, wanted=Wanted(in_place=True))
    brought = restore.execute(planned, ground.desk, SILENT)
    assert brought.point.id == first.id
    assert brought.safety is not None
    with ground.vault.open_part(ground.vault.points()[-1], "a.bin") as stream:
        assert stream.read() == b"changed since"
    again = restore.plan(service, SILENT, wanted=Wanted())
    assert again.point.id == first.id, "the safety point is not what `latest` means"


def test_damage_is_found_and_the_other_copy_still_counts(ground: Ground) -> None:
    service = ground.service()
    back_up(service, ground.desk, SILENT)
    packs = [p for p in (ground.root / "vault" / "data").rglob("*") if p.is_file()]
    for pack in packs:
        data = bytearray(pack.read_bytes())
        data[20] ^= 1
        pack.chmod(0o600)
        pack.write_bytes(data)
    results = verify.verify(service, ground.desk, SILENT)
    assert [(r.where, r.problem is None) for r in results] == [("vault.main", False), ("archive.nas", True)]
    assert isinstance(results[0].problem, Damaged)
    (row,) = listing.list_points([service], ground.desk, SILENT)
    assert row.state is ProofState.VERIFIED


def test_old_points_go_and_the_newest_never_does(ground: Ground) -> None:
    service = ground.service(keep=Keep(last=2))
    points = [back_up(service, ground.desk, SILENT).point for _n in range(4)]
    for destination in (ground.vault, ground.archive):
        assert [p.id for p in destination.points()] == [p.id for p in points[2:]]
    assert {p.id for p in ground.desk.journal.points()} == {p.id for p in points[2:]}


def test_unasked_it_never_lets_go_of_more_than_stays(ground: Ground) -> None:
    for _n in range(4):
        back_up(ground.service(ground.archive), ground.desk, SILENT)
    careful = ground.service(ground.archive, keep=Keep(last=1))
    back_up(careful, ground.desk, SILENT)
    assert len(ground.archive.points()) == 5
    (plan,) = retain.plan(careful, ground.desk, SILENT)
    assert len(plan.going) == 4
    retain.execute(plan, ground.desk, SILENT)
    assert len(ground.archive.points()) == 1


def test_a_held_point_stays(ground: Ground) -> None:
    service = ground.service(keep=Keep(last=1))
    held = back_up(service, ground.desk, SILENT).point
    for destination in (ground.vault, ground.archive):
        destination.hold(destination.points()[0], True)
    for _n in range(2):
        back_up(service, ground.desk, SILENT)
    for destination in (ground.vault, ground.archive):
        assert held.id in [p.id for p in destination.points()]
        assert len(destination.points()) == 2
