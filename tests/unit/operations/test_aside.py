"""A portion on its way through the vault: whole on the other side, and in nobody's way afterwards."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from haechi.errors import Damaged, UsageMistake, VaultLocked
from haechi.events import SILENT
from haechi.operations.destinations import aside
from haechi.sources._base import Entry, Portioned
from haechi.testing.memory_store import MemoryStore
from haechi.vault import prune
from haechi.vault.repository import Vault
from haechi.vault.writer import Delivered
from tests.unit.vault.test_entries import NOW, Thing, kept
from tests.vault_ground import again, new_vault

LONG = random.Random(1).randbytes(5 << 20)  # several blobs


@dataclass
class Source:
    """Satisfies `TakesPortions`."""

    seen: list[bytes] = field(default_factory=list)

    @contextmanager
    def portion(self, part: str, path: Path, elsewhere: bool) -> Iterator[Portioned]:
        assert elsewhere
        self.seen.append(path.read_bytes())
        yield Portioned(
            lambda: {"left_out": {"b\udcff": part}}, lambda: iter(cast(list[Entry], [Thing("a", b"first")]))
        )


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def vault(store: MemoryStore) -> Vault:
    return new_vault(store)


def written(tmp_path: Path) -> Path:
    path = tmp_path / "portion"
    path.write_bytes(LONG)
    return path


def test_there_and_back(vault: Vault, tmp_path: Path) -> None:
    here, there, source = vault, again(vault), Source()
    with here.writer() as parent:
        laid = aside.lay_aside(here, written(tmp_path))
        assert len(laid["content"]) > 1
        said = aside.deliver_from(there, source, "objects", laid, "", SILENT)  # type: ignore[arg-type]
        assert source.seen == [LONG]
        found = aside.taken_up(here, said)
        assert found["report"] == {"left_out": {"b\udcff": "objects"}}
        with pytest.raises(VaultLocked):  # what was delivered is safe until it counts
            prune.execute(there, prune.plan(there))
        parent.join([Delivered(**found["delivered"])])
        snapshot = parent.commit(time=NOW, tags=[], hostname="here")
    assert list(kept(again(vault), snapshot)) == ["a"]
    assert len(again(vault).snapshots()) == 1


def test_what_was_laid_aside_goes_with_the_next_prune(
    vault: Vault, store: MemoryStore, tmp_path: Path
) -> None:
    laid = aside.lay_aside(vault, written(tmp_path))
    assert vault.open_aside(laid["content"]).read() == LONG
    prune.execute(vault, prune.plan(vault))
    with pytest.raises(Damaged):
        again(vault).open_aside(laid["content"])
    assert sum(len(data) for key, data in store.objects.items() if key.startswith("data/")) == 0


def test_the_same_again_stores_nothing_new(vault: Vault, store: MemoryStore, tmp_path: Path) -> None:
    path = written(tmp_path)
    laid = aside.lay_aside(vault, path)
    before = {key for key in store.objects if key.startswith(("data/", "index/"))}
    assert aside.lay_aside(again(vault), path) == laid
    assert {key for key in store.objects if key.startswith(("data/", "index/"))} == before


def test_who_has_another_vault_under_that_name_does_not_take_it(vault: Vault, tmp_path: Path) -> None:
    laid, other, source = aside.lay_aside(vault, written(tmp_path)), new_vault(MemoryStore()), Source()
    with pytest.raises(UsageMistake, match="another vault"):
        aside.deliver_from(other, source, "objects", laid, "", SILENT)  # type: ignore[arg-type]
    assert source.seen == []


def test_one_that_does_not_come_to_its_end_is_not_laid_aside(vault: Vault) -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _buffer: object) -> int:
            raise OSError("it broke")

    with pytest.raises(OSError, match="it broke"), vault.writer() as writer:
        writer.lay_aside(io.BufferedReader(Broken()))
