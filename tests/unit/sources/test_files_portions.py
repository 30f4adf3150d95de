"""A tree divided and written: each entry is in one portion, and who sees another tree is not believed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import AccessRefused, SourceChanged, UsageMistake
from haechi.events import SILENT
from haechi.operations.destinations.planting import plant
from haechi.places.local import LocalPlace
from haechi.sources import files
from haechi.sources._base import Capture, Portion, Tree
from haechi.sources._files import portions, proof
from haechi.sources._files.here import Files
from haechi.testing.memory_store import MemoryStore
from haechi.vault.repository import Vault
from haechi.vault.snapshots import Snapshot
from tests.unit.vault.ground import NOON
from tests.vault_ground import new_vault


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "_LEAST", 10 * portions._OPENING)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "media"
    for number in range(90):
        path = root / f"{number % 4}" / f"{number % 3}" / f"{number} 김.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}")
    (root / "1/skip.tmp").write_text("left out")
    (tmp_path / "alone").write_text("a root of its own")
    (tmp_path / "few").mkdir()
    (tmp_path / "few/one").write_text("one")
    return root


def service(root: Path, hands: int = 3, **more: Any) -> Files:
    paths = [root, root.parent / "alone", root.parent / "few"]
    options = {"paths": paths, "exclude": ["*.tmp"], "hands": hands, **more}
    made = files.build("media", files.Options.model_validate(options), LocalPlace())
    assert isinstance(made, Files)
    return made


@pytest.fixture
def taking() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def divided(
    source: Files, directory: Path, taking: ExitStack, *, elsewhere: bool = True
) -> tuple[Capture, list[Portion]]:
    capture = taking.enter_context(source.capture(SILENT))
    hands = capture.parts[0].hands
    assert hands
    return capture, list(hands.divide(directory, elsewhere))


def carried(source: Files, portion: Portion, *, elsewhere: bool) -> tuple[dict[str, str], Mapping[str, Any]]:
    """What a vault gets of it, and what is said of that."""
    vault = new_vault(MemoryStore())
    with source.portion("files", portion.path, elsewhere) as portioned, vault.writer() as writer:
        assert portioned.tree
        planted = plant(writer, "files", portioned.tree, None, SILENT)
        snapshot = writer.commit(time=NOON, tags=[], hostname="h")
        assert planted.size == portion.size
        return contents(vault, snapshot), portioned.report()


def contents(vault: Vault, snapshot: Snapshot) -> dict[str, str]:
    files = [path for path, node in vault.walk(snapshot) if node.type == "file"]
    return {path: vault.read_file(snapshot, path).decode() for path in files}


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("hands", [2, 3, 64])
def test_each_file_is_in_one_portion(
    root: Path, tmp_path: Path, taking: ExitStack, hands: int, elsewhere: bool
) -> None:
    source = service(root, hands)
    (tmp_path / "made").mkdir()
    _capture, made = divided(source, tmp_path / "made", taking, elsewhere=elsewhere)
    assert 2 <= len(made) <= hands * 4
    assert all(portion.stays != elsewhere for portion in made)
    found: dict[str, str] = {}
    for portion in made:
        some, report = carried(source, portion, elsewhere=elsewhere)
        assert not found.keys() & some.keys()
        found |= some
        if elsewhere:
            portion.believe(report)
    roots = (root, root.parent / "alone", root.parent / "few")
    here = [path for top in roots for path in (top, *top.rglob("*")) if path.is_file()]
    assert found == {f"/files{path}": path.read_text() for path in here if path.suffix != ".tmp"}


def test_little_is_not_divided(root: Path, tmp_path: Path, taking: ExitStack) -> None:
    shutil.rmtree(root)
    root.mkdir()
    assert divided(service(root), tmp_path, taking)[1] == []
    with service(root, hands=1).capture(SILENT) as capture:
        assert capture.parts[0].hands is None


def test_the_size_counts_as_well(root: Path, tmp_path: Path, taking: ExitStack) -> None:
    with (root / "0/large").open("wb") as file:
        file.truncate(portions._LEAST * 100)
    (tmp_path / "made").mkdir()
    source = service(root)
    _capture, made = divided(source, tmp_path / "made", taking)
    found = [carried(source, portion, elsewhere=False)[0] for portion in made]
    (with_it,) = [some for some in found if f"/files{root}/0/large" in some]
    assert list(with_it)[-1] == f"/files{root}/0/large"  # it is enough for one
    assert 3 <= len(found) <= 12
    assert all(len(some) > 5 for some in found)  # and what is after it is divided no less evenly


def meddle(root: Path, how: str) -> None:
    path = sorted(root.glob("2/2/*.txt"))[0]
    if how == "contents":
        path.write_text("other")
    elif how == "gone":
        path.unlink()
    elif how == "more":
        path.with_name("more").write_text("more")
    elif how == "mode":
        path.parent.chmod(0o700)
    elif how == "owner":
        os.chown(path.parent, 12345, 54321)
    elif how == "another file":  # as a copy of the disk has it
        kept = path.stat()
        path.unlink()
        path.write_text("1" * kept.st_size)
        os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))


@pytest.mark.parametrize(
    "how",
    ["contents", "gone", "more", "mode", "another file"] + ["owner"] * (os.geteuid() == 0),
)
def test_who_sees_another_tree_is_not_believed(
    root: Path, tmp_path: Path, taking: ExitStack, how: str
) -> None:
    source = service(root)
    (tmp_path / "made").mkdir()
    _capture, made = divided(source, tmp_path / "made", taking)
    meddle(root, how)
    wrong = 0
    for portion in made:
        with (
            source.portion("files", portion.path, True) as portioned,
            new_vault(MemoryStore()).writer() as it,
        ):
            assert portioned.tree
            plant(it, "files", portioned.tree, None, SILENT)
        try:
            portion.believe(portioned.report())
        except SourceChanged:
            wrong += 1
    assert wrong == 1


def elsewhere(source: Files, portion: Portion) -> Tree:
    with source.portion("files", portion.path, True) as portioned:
        assert portioned.tree
        return portioned.tree


def test_another_plan_or_other_directories_are_told_at_once(
    root: Path, tmp_path: Path, taking: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = service(root)
    (tmp_path / "made").mkdir()
    _capture, (first, *_more) = divided(source, tmp_path / "made", taking)
    with pytest.raises(UsageMistake, match="other directories"):
        elsewhere(service(root, paths=[root.parent / "few"]), first)
    with pytest.raises(UsageMistake, match="other directories"):
        elsewhere(service(root, exclude=[]), first)
    with monkeypatch.context() as another, pytest.raises(AccessRefused, match="cannot be read on this host"):
        another.setattr(os, "access", lambda *_asked: False)
        elsewhere(source, first)
    tree = elsewhere(source, first)
    assert tree.roots
    top = tree.roots[0]
    top.rename(top.with_name("moved"))
    with pytest.raises(SourceChanged, match="is not the one that is being saved"):
        elsewhere(source, first)
    top.write_text("something else")
    with pytest.raises(SourceChanged, match="is not the one that is being saved"):
        elsewhere(source, first)


def test_who_sees_other_names_or_attributes_is_not_believed(
    root: Path, tmp_path: Path, taking: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = service(root)
    (tmp_path / "made").mkdir()
    _capture, (first, *_more) = divided(source, tmp_path / "made", taking)
    for name, other in (("user_name", lambda _uid: "else"), ("extended", lambda _path: (("user.a", b"b"),))):
        with monkeypatch.context() as another:
            another.setattr(proof, name, other)
            with pytest.raises(SourceChanged, match="is not the one that is being saved"):
                elsewhere(source, first)
        with monkeypatch.context() as another, source.portion("files", first.path, True) as portioned:
            another.setattr(proof, name, other)  # of later ones only
            assert portioned.tree
            with new_vault(MemoryStore()).writer() as writer:
                plant(writer, "files", portioned.tree, None, SILENT)
            with pytest.raises(SourceChanged, match="did not see these files"):
                first.believe(portioned.report())
    first.believe(carried(source, first, elsewhere=True)[1])


def test_what_goes_from_one_directory_to_the_next_is_noticed(
    tmp_path: Path, taking: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps its place in the order, and stands in another directory of the plan."""
    monkeypatch.setattr(portions, "_LEAST", 3 * portions._OPENING + 1)
    one, two = tmp_path / "one", tmp_path / "two"
    (one / "z").mkdir(parents=True)
    two.mkdir()
    for path in (one / "y", two / "zz"):
        path.write_text(path.name)
    with (one / "a").open("wb") as large:
        large.truncate(10 << 20)
    source = service(one, paths=[one, two])
    (tmp_path / "made").mkdir()
    _capture, (_large, rest) = divided(source, tmp_path / "made", taking)
    rest.believe(carried(source, rest, elsewhere=True)[1])
    (one / "z").rename(two / "z")
    with pytest.raises(SourceChanged):
        rest.believe(carried(source, rest, elsewhere=True)[1])


def test_two_names_of_one_file_stay_together_although_hosts_number_file_systems_otherwise(
    root: Path, tmp_path: Path, taking: ExitStack
) -> None:
    """As if it had been divided on a host where the same file system has another number."""
    source = service(root)
    (tmp_path / "made").mkdir()
    _capture, made = divided(source, tmp_path / "made", taking)
    device = root.stat().st_dev
    for portion in made:
        text = portion.path.read_text()
        portion.path.write_text(text.replace(f'"device": {device}', '"device": 4711'))
        vault = new_vault(MemoryStore())
        with source.portion("files", portion.path, True) as portioned, vault.writer() as writer:
            assert portioned.tree
            plant(writer, "files", portioned.tree, None, SILENT)
            writer.commit(time=NOON, tags=[], hostname="h")
        portion.believe(portioned.report())
        found = [node for _path, node in vault.walk(vault.snapshots()[0]) if node.type == "file"]
        assert {node.device_id for node in found} == {4711}
        for node in found:
            here = next(p for p in tmp_path.rglob(node.name) if p.stat().st_ino == node.inode)
            assert node.modified.timestamp() == pytest.approx(here.stat().st_mtime)
            assert node.mtime.partition(".")[2]  # to the nanosecond
            assert (node.uid, node.gid, node.size) == (
                here.stat().st_uid,
                here.stat().st_gid,
                here.stat().st_size,
            )


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="a file system within another")
def test_a_file_system_within_another_is_not_taken_elsewhere(
    tmp_path: Path, taking: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "_LEAST", 1)
    source = files.build(
        "dev",
        files.Options.model_validate({"paths": ["/dev"], "exclude": ["/*", "!/shm"], "hands": 2}),
        LocalPlace(),
    )
    assert isinstance(source, Files)
    _capture, made = divided(source, tmp_path, taking)
    assert all(portion.stays for portion in made)  # it is offered to nobody
    with pytest.raises(UsageMistake, match="a file system of its own"):
        for portion in made:
            carried(source, portion, elsewhere=True)
