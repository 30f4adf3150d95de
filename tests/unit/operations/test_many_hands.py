"""A part by several hands, as they are asked and as they answer: nothing that one of them has to say gets lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from haechi.errors import AccessRefused, HaechiError, SourceChanged, StoreFull
from haechi.events import Reporter
from haechi.model import PartInfo
from haechi.operations.destinations.many_hands import Crew, Task, deliver
from haechi.sources._base import Hands, Part, Portion, Portioned, Source, Tree
from haechi.testing.memory_store import MemoryStore
from haechi.vault.repository import Vault
from tests.listening import Heard
from tests.unit.vault.ground import NOON
from tests.vault_ground import new_vault


@dataclass
class Directory:
    """Satisfies `TakesPortions`: a portion is a directory whose name was written."""

    gone: str = ""
    number: int = errno.ENOENT

    @contextmanager
    def portion(self, part: str, path: Path, elsewhere: bool) -> Iterator[Portioned]:
        tree = Tree((Path(path.read_text()),), lambda _path: False, look=self._look, whole=elsewhere)
        yield Portioned(lambda: {"part": part}, tree=tree)

    def _look(self, _root: Path, found: os.DirEntry[str]) -> os.stat_result:
        if found.name == self.gone:
            raise OSError(self.number, "as it is", found.path)
        return found.stat(follow_symlinks=False)


@dataclass(eq=False)
class Hand:
    """Satisfies `Hired`, in this process."""

    vault: Vault
    source: Directory
    fails: list[BaseException]

    def take(self, task: Task) -> Mapping[str, Any]:
        if self.fails:
            raise self.fails.pop()
        plain = task.plain
        source = cast(Source, self.source)
        return deliver(self.vault, source, plain["part"], task.portion.path, plain["parent"], Reporter())

    def stop(self) -> None: ...

    def close(self) -> None: ...


@dataclass
class Hiring:
    vault: Vault
    source: Directory
    fails: list[BaseException]
    elsewhere: bool = False

    def __call__(self, _number: int) -> Hand:
        return Hand(self.vault, self.source, self.fails)


@dataclass
class Ground:
    vault: Vault
    roots: Sequence[Path]
    heard: Heard
    reports: list[Mapping[str, Any]]

    def take(self, *fails: BaseException, gone: str = "") -> list[str]:
        """What lies in the vault then."""
        part = Part(PartInfo("files", "tar"), lambda: cast(Any, None), hands=Hands(2, self._divide))
        waiting = list(fails)
        crew = Crew(Hiring(self.vault, Directory(gone), waiting), "it", "vault.main")
        with self.vault.writer() as writer:
            delivered = crew.take(part, "", Reporter(self.heard))
            assert delivered
            writer.join(delivered)
            snapshot = writer.commit(time=NOON, tags=[], hostname="h")
        return [Path(path).name for path, node in self.vault.walk(snapshot) if node.type == "file"]

    def _divide(self, directory: Path, _elsewhere: bool) -> list[Portion]:
        made = []
        for number, root in enumerate(self.roots):
            path = directory / str(number)
            path.write_text(str(root))
            made.append(Portion(path, 1, self.reports.append))
        return made


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    roots = [tmp_path / name for name in "abc"]
    for root in roots:
        root.mkdir()
        for number in range(3):
            (root / f"{root.name}{number}").write_text(root.name)
    return Ground(new_vault(MemoryStore()), roots, Heard(), [])


def test_all_of_it_is_taken_and_each_report_is_heard(ground: Ground) -> None:
    assert sorted(ground.take()) == [f"{name}{number}" for name in "abc" for number in range(3)]
    assert ground.reports == [{"part": "files"}] * 3
    assert ground.heard.warnings == []


def test_what_a_hand_could_not_take_is_told(ground: Ground) -> None:
    found = ground.take(gone="b1")
    assert len(found) == 8
    assert ground.heard.warnings == [f"{ground.roots[1]}/b1 was left out: as it is"]


@pytest.mark.parametrize(
    ("number", "raised", "said"),
    [
        (errno.EACCES, AccessRefused, "b1 cannot be read on this host: as it is"),
        (errno.EIO, AccessRefused, "b1 cannot be read on this host: as it is"),
        (errno.ENOENT, SourceChanged, "b1 went away"),
        (errno.ESTALE, SourceChanged, "b1 went away"),
    ],
)
def test_elsewhere_all_is_taken_or_nothing(
    ground: Ground, tmp_path: Path, number: int, raised: type[HaechiError], said: str
) -> None:
    """Where it was divided it may well be readable."""
    path = tmp_path / "portion"
    path.write_text(str(ground.roots[1]))
    source = cast(Source, Directory("b1", number))
    with pytest.raises(raised, match=said):
        deliver(ground.vault, source, "files", path, "", Reporter(), elsewhere=True)


def test_no_room_for_portions_is_told(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: Ground, _directory: Path, _elsewhere: bool) -> list[Portion]:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/haechi-1/0")

    monkeypatch.setattr(Ground, "_divide", full)
    with pytest.raises(StoreFull, match="No space is left for /tmp/haechi-1/0"):
        ground.take()


def test_what_may_help_is_tried_once_more(ground: Ground) -> None:
    assert len(ground.take(SourceChanged("It moved."))) == 9
    assert ground.heard.warnings == ["it: a portion is taken once more. It moved."]
