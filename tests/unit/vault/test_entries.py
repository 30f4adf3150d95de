"""Things that lie in no file system, in a vault: taken by many threads, known again, kept as plain files."""

from __future__ import annotations

import io
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from haechi.errors import ServerUnavailable, SourceChanged, UsageMistake
from haechi.testing.memory_store import MemoryStore
from haechi.vault import entries, nodes, trees
from haechi.vault.repository import Vault
from haechi.vault.snapshots import Snapshot
from haechi.vault.treewalk import TreeReport
from tests.vault_ground import new_vault

NOW = datetime(2026, 1, 28, 12, 0, 0, 5000, tzinfo=UTC)


@dataclass
class Thing:
    """One entry, and what is there when it is opened."""

    path: str
    data: bytes
    fingerprint: str = ""
    time: datetime = NOW
    attributes: dict[str, str] = field(default_factory=dict)
    opened: int = 0
    given_up: str = ""
    problem: Callable[[int], Exception | None] = lambda _count: None

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def stream(self) -> io.BytesIO:
        return io.BytesIO(self.data)

    def open(self) -> Thing | None:
        self.opened += 1
        if problem := self.problem(self.opened):
            raise problem
        return None if self.data == b"gone" else self

    def give_up(self, reason: str) -> None:
        self.given_up = reason


def keep(vault: Vault, things: list[Thing], parent: Snapshot | None = None) -> tuple[Snapshot, TreeReport]:
    with vault.writer() as writer:
        report = writer.entries(things, at="/objects", parent=parent, at_once=4)
        return writer.commit(time=NOW, tags=[], hostname="here"), report


def kept(vault: Vault, snapshot: Snapshot) -> dict[str, tuple[bytes, dict[str, str], str]]:
    top = vault.node(snapshot, "/objects")
    assert top.subtree
    found = {}
    for one in entries.stored(vault.blobs.tree, top.subtree):
        with vault.open_node(one.node) as stream:
            found[one.path] = (stream.read(), one.attributes, one.fingerprint)
    return found


def things() -> list[Thing]:
    chance = random.Random(1)
    paths = ["a", "b/1", "b/2", "b/c/d", "b-1", "empty", "large", *(f"many/{n:04d}/x" for n in range(300))]
    made = [
        Thing(path, chance.randbytes(chance.randrange(1, 3000)), f"e-{path}", NOW, {"content-type": "x"})
        for path in paths
    ]
    made[paths.index("empty")].data = b""
    made[paths.index("large")].data = chance.randbytes(3 << 20)
    return made


@pytest.fixture
def vault() -> Iterator[Vault]:
    yield new_vault(MemoryStore())


def test_all_of_them_come_back(vault: Vault) -> None:
    given = things()
    snapshot, report = keep(vault, given)
    assert kept(vault, snapshot) == {t.path: (t.data, t.attributes, t.fingerprint) for t in given}
    assert (report.files, report.unchanged) == (len(given), 0)
    assert report.size == sum(t.size for t in given)


def test_what_is_known_is_not_opened(vault: Vault) -> None:
    first, _report = keep(vault, things())
    given = things()
    given[0].fingerprint = "another"
    given[1].time = NOW.replace(second=1)
    given[2].data += b"x"
    second, report = keep(vault, given, first)
    assert [t.path for t in given if t.opened] == ["a", "b/1", "b/2"]
    assert report.unchanged == len(given) - 3
    assert kept(vault, second).keys() == kept(vault, first).keys()


def test_the_same_things_make_the_same_trees(vault: Vault) -> None:
    first, _report = keep(vault, things())
    second, _report = keep(vault, things(), first)
    assert vault.node(first, "/objects").subtree == vault.node(second, "/objects").subtree


_ODD = (
    "a",
    "옷",
    'q"u',
    "back\\slash",
    "<&>",
    "tab\there",
    "no\udcffutf8",
    '},{"name":"x","type":"',
    "empty",
)


def odd_things() -> list[Thing]:
    made = [
        Thing(f"d/{name}", f"of {name!r}".encode(), f'"{name}"', NOW, {"tags": "},{" + name}) for name in _ODD
    ]
    made[0].attributes = {}
    made[-1].data = b""
    return made


def test_nodes_are_written_as_all_nodes_are(vault: Vault) -> None:
    snapshot, _report = keep(vault, odd_things())
    for _path, node in vault.walk(snapshot):
        if node.subtree:
            tree = vault.blobs.tree(node.subtree)
            assert trees.encode(map(nodes.encode, trees.decode(tree))) == tree


@pytest.mark.parametrize("user", [os.getuid(), os.getuid() + 1])
def test_odd_ones_are_known_again_whoever_takes_them(
    vault: Vault, user: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _report = keep(vault, odd_things())
    monkeypatch.setattr(os, "getuid", lambda: user)
    again = odd_things()
    again[1].fingerprint += " "
    second, report = keep(vault, again, first)
    assert ([t.path for t in again if t.opened], report.unchanged) == (["d/옷"], len(again) - 1)
    assert {path: of[:2] for path, of in kept(vault, second).items()} == {
        path: of[:2] for path, of in kept(vault, first).items()
    }


def test_without_a_fingerprint_nothing_is_known(vault: Vault) -> None:
    first, _report = keep(vault, [Thing("a", b"x")])
    again = [Thing("a", b"x")]
    keep(vault, again, first)
    assert again[0].opened == 1


def test_what_has_gone_leaves_no_trace(vault: Vault) -> None:
    snapshot, report = keep(vault, [Thing("a", b"x"), Thing("b/c/d", b"gone"), Thing("e", b"y")])
    assert set(kept(vault, snapshot)) == {"a", "e"}
    assert report.files == 2
    names = [
        node.name for node in trees.decode(vault.blobs.tree(vault.node(snapshot, "/objects").subtree or ""))
    ]
    assert names == ["a", "e"]


def test_what_changes_is_opened_again_and_given_up_in_the_end(vault: Vault) -> None:
    once = Thing("once", b"x", problem=lambda count: SourceChanged("it changed") if count == 1 else None)
    ever = Thing("restless", b"y", problem=lambda _count: SourceChanged("it changed"))
    snapshot, _report = keep(vault, [once, ever])
    assert set(kept(vault, snapshot)) == {"once"}
    assert (once.given_up, ever.given_up) == ("", "it changed")


def test_a_source_that_fails_fails_the_whole(vault: Vault) -> None:
    given = things()
    given[50].problem = lambda _count: ServerUnavailable("it is away")
    with pytest.raises(ServerUnavailable):
        keep(vault, given)
    assert vault.snapshots() == []
    assert not [t for t in threading.enumerate() if t.name.startswith("vault-entry")]


@pytest.mark.parametrize("paths", [("a/1", "b", "a/2"), ("a", "a"), ("a", "a/b")], ids=str)
def test_what_would_lose_something_is_refused(vault: Vault, paths: tuple[str, ...]) -> None:
    """A directory in two pieces, a path twice, a file that is a directory as well."""
    with pytest.raises(UsageMistake):
        keep(vault, [Thing(path, b"x") for path in paths])


def test_only_a_window_is_open_at_a_time(vault: Vault) -> None:
    given = [Thing(f"{n:04d}", bytes(10)) for n in range(2000)]
    taken = seen = 0

    def counted() -> Iterator[Thing]:
        nonlocal taken
        for taken, thing in enumerate(given, 1):  # noqa: B007
            yield thing

    def wait(_count: int) -> None:
        """The first one comes only when no more are asked for."""
        nonlocal seen
        while seen < 5 or seen != taken:
            seen = taken
            time.sleep(0.2)

    given[0].problem = wait  # type: ignore[assignment]
    with vault.writer() as writer:
        writer.entries(counted(), at="/objects", at_once=4)
    assert seen <= 4 * entries._WINDOW + entries._FEW
    assert taken == len(given)


def test_what_broke_off_may_have_promised_contents_that_never_came(vault: Vault) -> None:
    """A small one waits for company; where the next cannot be read, it is never sent."""
    content = random.Random(4).randbytes(900)
    broken = [
        Thing("one", content),
        Thing("two", b"2", problem=lambda _count: ServerUnavailable("It is gone.", hint="Start it.")),
    ]
    with vault.writer() as writer:
        with pytest.raises(ServerUnavailable):
            writer.entries(broken, at="/objects")
        writer.small_file("/same", content)
        with pytest.raises(SourceChanged, match="objects"):
            writer.commit(time=NOW, tags=[], hostname="here")
    assert vault.snapshots() == []
