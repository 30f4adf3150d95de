"""A small installation for tests of operations: a source of bytes, a real vault, a real archive, a real journal."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from haechi import clock
from haechi.archive.archive import Archive
from haechi.credentials import Secret
from haechi.events import Reporter
from haechi.journal.book import Journal
from haechi.model import Keep, PartInfo, RestorePoint
from haechi.operations.desk import Desk
from haechi.operations.destinations.into_vault import VaultDestination
from haechi.operations.service import PlanRecord, Service
from haechi.sources._base import Capture, Comparison, Part, PartReader, Probe, Restored, Wanted
from haechi.stores._open import open_store
from haechi.vault.repository import Vault

SEOUL = ZoneInfo("Asia/Seoul")


@dataclass
class Papers:
    """A source whose state is a mapping of names to bytes; restoring brings them back into `restored`."""

    state: dict[str, bytes]
    fail_in: str = ""
    problem: BaseException | None = None
    failures: int = 1_000_000  # so many times; then it goes well
    meeting: threading.Barrier | None = None  # where the streams wait for one another
    restored: dict[str, bytes] = field(default_factory=dict)
    captures: int = 0

    def probe(self) -> Probe:
        return Probe("1", sum(map(len, self.state.values())))

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        self.captures += 1
        frozen = dict(self.state)
        yield Capture(
            time=clock.now(),
            parts=[
                Part(PartInfo(name, "bytes"), partial(self._open, name, data), len(data))
                for name, data in frozen.items()
            ],
            facts=lambda: {"lengths": {name: len(data) for name, data in frozen.items()}},
        )

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        comparisons = []
        for name, part in parts.items():
            with part.open() as stream:
                self.restored[name] = stream.read()
            if known := point.facts.get("lengths"):
                comparisons.append(Comparison(name, known[name], len(self.restored[name])))
        return Restored("memory", tuple(comparisons))

    def _open(self, name: str, data: bytes) -> Any:
        if self.meeting:
            self.meeting.wait(20)
        if name != self.fail_in or not self.failures:
            return io.BytesIO(data)
        self.failures -= 1
        return _Failing(data, self.problem)


class _Failing(io.BytesIO):
    def __init__(self, data: bytes, problem: BaseException | None):
        super().__init__(data)
        self._problem = problem

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        if not count and self._problem:
            raise self._problem
        return count


@dataclass
class Ground:
    root: Path
    source: Papers
    desk: Desk
    vault: VaultDestination
    archive: Archive

    def service(self, *destinations: Any, keep: Keep | None = None, checks: tuple[Any, ...] = ()) -> Service:
        chosen = destinations or (self.vault, self.archive)
        return Service(
            name="papers",
            kind="papers",
            source=self.source,
            destinations=chosen,
            zone=SEOUL,
            keep={d.name: keep for d in chosen} if keep else {},
            checks=checks,
        )


def lay(root: Path) -> Ground:
    """Everything below `root`."""
    vault = Vault.create(open_store(str(root / "vault")), Secret("correct horse"))
    archive = Archive(
        "archive.nas", open_store(str(root / "nas")), "{service}/{part}_{time:%Y%m%d_%H%M%S}.bin", zone=SEOUL
    )
    journal = Journal.open(f"sqlite:///{root}/journal.sqlite")
    desk = Desk(journal, root / "state", PlanRecord('[plan]\nname = "papers"\n', "digest"))
    source = Papers({"a.bin": b"first" * 5000, "b.bin": b"second" * 7000})
    return Ground(root, source, desk, VaultDestination("vault.main", vault), archive)
