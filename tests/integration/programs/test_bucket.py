"""Buckets into vaults and archives and back, with all that may happen to objects meanwhile."""

from __future__ import annotations

import json
import random
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import AlreadyThere, NotThere, NotVerified, UsageMistake
from haechi.events import SILENT, Reporter
from haechi.operations import restore
from haechi.places.local import LocalPlace
from haechi.sources import _entrytar, bucket
from haechi.sources._base import Wanted
from haechi.sources._bucket import interface, reading, uploading
from tests.listening import Heard
from tests.unit.sources.bucket_ground import BEGAN, MemoryBucket
from tests.unit.sources.ground import Installation, install

AWKWARD = (
    *("plain.txt", "a", "a/b", "a/", "a//b", "/leading", "..", "x/../y", "%2F", "a-b", "a.b"),
    *("한글/김 1.jpg", "long/" + "x" * 300, "tab\tline\n", "empty", "deep/" * 30 + "end"),
)
SMALL_PIECE = 1 << 16


class Ground:
    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, **options: Any):
        self.here, self.there = MemoryBucket(), MemoryBucket("memory://other")
        buckets = {"s3://here": self.here, "s3://there": self.there}
        monkeypatch.setattr(bucket, "open_bucket", lambda url, _options: buckets[url])
        given = {"url": "s3://here", "at_once": 4, **options}
        source = bucket.build("documents", bucket.Options.model_validate(given), LocalPlace())
        self.it: Installation = install(root / "it", "bucket", source, "documents_{time}.tar")

    def fill(self) -> None:
        for number, key in enumerate(AWKWARD):
            about = {"content-type": f"text/{number}", "metadata": json.dumps({"owner": "김"})}
            self.here.put(key, b"" if key == "empty" else key.encode() * 3, about)

    def back(self, copy: str = "vault.main", **target: Any) -> restore.Brought:
        wanted = Wanted(target={"url": "s3://there", **target})
        planned = restore.plan(self.it.service, SILENT, copy=copy, wanted=wanted)
        return restore.execute(planned, self.it.desk, SILENT)

    def in_place(self, **target: Any) -> tuple[restore.RestorePlan, Callable[[], restore.Brought]]:
        wanted = Wanted(target=target, in_place=True)
        planned = restore.plan(self.it.service, SILENT, copy="vault.main", wanted=wanted)
        return planned, lambda: restore.execute(planned, self.it.desk, SILENT)


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    for module in (interface, _entrytar, reading, uploading):
        monkeypatch.setattr(module, "PIECE", SMALL_PIECE)
    monkeypatch.setattr(uploading, "_WHOLE", 2 * SMALL_PIECE)
    monkeypatch.setattr(uploading, "_SMALL", SMALL_PIECE)
    return Ground(tmp_path, monkeypatch)


@pytest.mark.parametrize("copy", ["vault.main", "archive.nas"])
def test_every_key_comes_back_with_all_that_belongs_to_it(ground: Ground, copy: str) -> None:
    ground.fill()
    ground.here.put("large", random.Random(1).randbytes(2_000_000), {"content-type": "x/large"})
    point = ground.it.back_up()
    assert point.facts["objects"] == len(AWKWARD) + 1
    assert point.facts["prefixes"]["a/"]["objects"] == 3
    brought = ground.back(copy)
    assert brought.restored.equal
    assert len(brought.restored.comparisons) >= 4
    assert ground.there.state == ground.here.state


def test_what_has_not_changed_is_not_read_again(ground: Ground) -> None:
    ground.it.service = _only_vault(ground.it)
    ground.fill()
    ground.it.back_up()
    ground.here.gets.clear()
    ground.here.put("a/b", b"new", {})
    ground.here.delete("plain.txt")
    ground.it.back_up()
    assert ground.here.gets == ["a/b"]
    ground.back()
    assert ground.there.state == ground.here.state


def test_what_changes_under_way_is_kept_as_it_is_then_and_named(ground: Ground) -> None:
    ground.it.service = _only_vault(ground.it)
    ground.fill()
    ground.here.without_versions()

    def change(key: str, _start: int) -> None:
        if key == "plain.txt" and not done:
            done.append(key)
            ground.here.put("plain.txt", b"another", {"content-type": "x/new"})
            ground.here.delete("a-b")

    done: list[str] = []
    ground.here.before_get = change
    heard = Heard()
    point = ground.it.back_up(Reporter(heard))
    assert point.facts["changed"] == ["plain.txt"]
    assert set(point.facts["vanished"]) <= {"a-b"}  # unless it had been read before
    assert any("plain.txt" in line for line in heard.said)
    brought = ground.back()
    assert brought.restored.equal
    assert ground.there.state["plain.txt"] == (b"another", {"content-type": "x/new"})


def test_what_vanishes_under_way_is_named_and_no_failure(ground: Ground) -> None:
    ground.it.service = _only_vault(ground.it)
    ground.fill()
    ground.here.without_versions()

    def vanish(key: str, _start: int) -> None:
        if key == "plain.txt":
            ground.here.delete(key)

    ground.here.before_get = vanish
    heard = Heard()
    point = ground.it.back_up(Reporter(heard))
    assert point.facts["vanished"] == ["plain.txt"]
    assert point.facts["objects"] == len(AWKWARD) - 1
    assert any("plain.txt" in line for line in heard.said)
    brought = ground.back()
    assert brought.restored.equal
    assert ground.there.state == ground.here.state


def test_a_large_one_that_changes_half_way_is_read_anew(ground: Ground) -> None:
    ground.it.service = _only_vault(ground.it)
    before, after = (random.Random(n).randbytes(3_000_000) for n in (1, 2))
    ground.here.put("large", before, {})
    ground.here.without_versions()

    def change(_key: str, start: int) -> None:
        if start > 1_000_000 and ground.here.state["large"][0] == before:
            ground.here.put("large", after, {})
            ground.here.without_versions()

    ground.here.before_get = change
    point = ground.it.back_up()
    assert point.facts["changed"] == ["large"]
    ground.back()
    assert ground.there.state["large"][0] == after


def test_one_that_never_stands_still_is_left_out_and_named(ground: Ground) -> None:
    ground.it.service = _only_vault(ground.it)
    ground.fill()

    def change(key: str, start: int) -> None:
        if key == "restless" and start:
            ground.here.put(key, random.randbytes(3_000_000), {})
            ground.here.without_versions()

    ground.here.put("restless", bytes(3_000_000), {})
    ground.here.without_versions()
    ground.here.before_get = change
    point = ground.it.back_up()
    assert "restless" in point.facts["left_out"]
    assert ground.back().restored.equal
    assert "restless" not in ground.there.state


def test_where_versions_are_kept_reading_holds_to_the_one_that_was_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = Ground(tmp_path, monkeypatch, versions=True)
    ground.it.service = _only_vault(ground.it)
    ground.fill()
    before = dict(ground.here.state)
    ground.here.before_get = lambda key, _start: ground.here.put(key, b"overwritten", {})
    point = ground.it.back_up()
    assert (point.facts["changed"], point.facts["vanished"]) == ([], [])
    assert ground.back().restored.equal
    assert ground.there.state == before


def test_what_lies_where_it_cannot_be_read_is_left_out_and_named(ground: Ground) -> None:
    ground.fill()
    ground.here.archived = frozenset(["plain.txt"])
    heard = Heard()
    point = ground.it.back_up(Reporter(heard))
    assert point.facts["left_out"] == ["plain.txt"]
    assert any("it lies in the archive" in line for line in heard.said)
    assert ground.back().restored.equal


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    ground = Ground(tmp_path, monkeypatch, versions=True)
    ground.it.service = _only_vault(ground.it)
    ground.here.put("a", b"one", {"content-type": "x/1"})  # 12:01
    ground.here.put("b", b"gone later", {})
    ground.here.put("a", b"two", {})
    ground.here.delete("b")  # 12:04
    ground.here.put("c", b"new", {})
    ground.here.put("a", b"three", {})
    point = ground.it.back_up()
    assert point.facts["versions"]["versions"] == 4
    return ground


@pytest.mark.parametrize(
    ("minute", "expected"),
    [
        (0, {}),
        (1, {"a": b"one"}),
        (2, {"a": b"one", "b": b"gone later"}),
        (3, {"a": b"two", "b": b"gone later"}),
        (4, {"a": b"two"}),
        (6, {"a": b"three", "c": b"new"}),
    ],
)
def test_a_moment_comes_back(history: Ground, minute: int, expected: dict[str, bytes]) -> None:
    moment = BEGAN + timedelta(minutes=minute, seconds=30)
    brought = history.back(time=moment.isoformat())
    assert brought.restored.equal
    assert {key: data for key, (data, _about) in history.there.state.items()} == expected


def test_old_versions_come_back_in_their_order(history: Ground) -> None:
    assert history.back(versions=True).restored.equal
    for key, kept in history.here.versions.items():
        came = [(v.data, v.marker) for v in history.there.versions[key]]
        assert came == [(v.data, v.marker) for v in kept]


def test_a_prefix_or_one_key(ground: Ground) -> None:
    ground.fill()
    ground.it.back_up()
    wanted = Wanted(only=("a/", "한글/김 1.jpg"), target={"url": "s3://there"})
    planned = restore.plan(ground.it.service, SILENT, wanted=wanted)
    assert restore.execute(planned, ground.it.desk, SILENT).restored.equal
    assert set(ground.there.state) == {"a/b", "a/", "a//b", "한글/김 1.jpg"}
    assert set(ground.there.listed) == {"a/", "한글/김 1.jpg"}  # of what lies elsewhere there may be millions
    with pytest.raises(NotThere):
        restore.plan(
            ground.it.service, SILENT, wanted=Wanted(only=("nothing/",), target={"url": "s3://there"})
        )


def test_nothing_is_overwritten_unasked(ground: Ground) -> None:
    ground.fill()
    ground.it.back_up()
    ground.there.put("plain.txt", b"mine", {})
    ground.there.put("surplus", b"mine", {})
    with pytest.raises(AlreadyThere, match=r"plain\.txt"):
        ground.back()
    assert set(ground.there.puts) == {"plain.txt", "surplus"}
    planned = restore.plan(
        ground.it.service, SILENT, wanted=Wanted(target={"url": "s3://there", "over": True})
    )
    assert planned.foretold.destructive and "1 are overwritten" in planned.foretold.lines[0]
    assert ground.back(over=True).restored.equal
    assert ground.there.state["surplus"][0] == b"mine"


def test_what_broke_off_is_taken_up_again(ground: Ground) -> None:
    ground.fill()
    ground.it.back_up()
    ground.back()
    ground.there.delete("a/b")
    ground.there.puts.clear()
    assert ground.back().restored.details == {"uploaded": 1, "same": len(AWKWARD) - 1}
    assert ground.there.puts == ["a/b"]


def test_in_place_and_deletion_only_when_asked(ground: Ground) -> None:
    ground.fill()
    before = dict(ground.here.state)
    ground.it.back_up()
    ground.here.put("plain.txt", b"spoilt", {})
    ground.here.put("surplus", b"new", {})
    ground.here.puts.clear()
    planned, execute = ground.in_place()
    assert not any("deleted" in line for line in planned.foretold.lines)
    assert execute().restored.equal
    assert ground.here.puts == ["plain.txt"]
    assert ground.here.state == {**before, "surplus": (b"new", {})}
    planned, execute = _again(ground, delete=True)
    assert planned.foretold.destructive
    assert "surplus" in planned.foretold.lines[1]
    assert execute().restored.details["deleted"] == 1
    assert ground.here.state == before


def _again(ground: Ground, **target: Any) -> tuple[restore.RestorePlan, Callable[[], restore.Brought]]:
    """The first point: the one since is the safety copy."""
    wanted = Wanted(target=target, in_place=True)
    planned = restore.plan(ground.it.service, SILENT, copy="vault.main", wanted=wanted)
    return planned, lambda: restore.execute(planned, ground.it.desk, SILENT)


def test_deletion_touches_only_what_the_service_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = Ground(tmp_path, monkeypatch, prefixes=["dm/", "voice/"], exclude=["*.tmp"])
    ground.it.service = _only_vault(ground.it)
    for key in ("dm/1", "dm/cache.tmp", "voice/1", "other/1", "dm-not/1"):
        ground.here.put(key, key.encode(), {})
    assert ground.it.back_up().facts["objects"] == 2
    ground.here.put("dm/2", b"surplus", {})
    _planned, execute = ground.in_place(delete=True)
    assert execute().restored.details["deleted"] == 1
    assert set(ground.here.state) == {"dm/1", "dm/cache.tmp", "voice/1", "other/1", "dm-not/1"}


def test_nothing_is_deleted_when_something_did_not_come_back(ground: Ground) -> None:
    ground.fill()
    ground.it.back_up()
    ground.there.put("surplus", b"x", {})
    ground.there.spoils = "plain.txt"
    with pytest.raises(NotVerified, match=r"plain\.txt"):
        ground.back(delete=True)
    assert "surplus" in ground.there.state


@pytest.mark.parametrize(
    ("target", "in_place"),
    [
        ({}, False),
        ({"url": "s3://here"}, False),
        ({"url": "s3://there"}, True),
        ({"time": "2026-01-01"}, False),
    ],
    ids=["nowhere", "the-bucket-in-use", "another-in-place", "a-moment-nowhere"],
)
def test_targets_that_are_refused(ground: Ground, target: dict[str, Any], in_place: bool) -> None:
    ground.fill()
    ground.it.back_up()
    with pytest.raises(UsageMistake):
        restore.plan(ground.it.service, SILENT, wanted=Wanted(target=target, in_place=in_place))


def test_a_moment_wants_a_point_with_versions(ground: Ground) -> None:
    ground.fill()
    ground.it.back_up()
    with pytest.raises(NotThere, match="versions"):
        ground.back(time="2026-01-28T12:00:00+00:00")


def test_it_comes_back_as_files(ground: Ground, tmp_path: Path) -> None:
    ground.fill()
    ground.it.back_up()
    wanted = Wanted(target={"directory": str(tmp_path / "back")})
    planned = restore.plan(ground.it.service, SILENT, wanted=wanted)
    assert restore.execute(planned, ground.it.desk, SILENT).restored.equal
    back = tmp_path / "back"
    assert (back / "a" / "b").read_bytes() == b"a/b" * 3
    assert (back / "%=a").read_bytes() == b"aaa"
    assert (back / "한글" / "김 1.jpg").read_bytes() == "한글/김 1.jpg".encode() * 3


def test_the_archive_is_a_tar_that_anybody_opens(ground: Ground, tmp_path: Path) -> None:
    ground.fill()
    ground.it.back_up()
    (made,) = (ground.it.root / "nas").glob("*.tar")
    with tarfile.open(made) as tar:
        member = tar.getmember("plain.txt")
        content = tar.extractfile(member)
        assert content and content.read() == b"plain.txt" * 3
        assert member.pax_headers["SCHILY.xattr.user.haechi.content-type"] == "text/0"


def test_which_keys_are_missing(ground: Ground) -> None:
    ground.fill()
    source: Any = ground.it.service.source
    assert list(source.missing(["a", "nope", "", "a/b"])) == ["nope", ""]
    assert list(source.missing(["b", "c"], "a/")) == ["c"]


def _only_vault(it: Installation) -> Any:
    return replace(it.service, destinations=(it.vault,))
