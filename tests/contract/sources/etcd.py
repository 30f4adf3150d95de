"""etcd, by HTTP; what comes back is proven by etcdctl."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import etcd
from haechi.sources._base import PartReader, Restored, Source, Wanted
from tests.servers.etcd import EtcdServer, running

SERVER = True
_AWKWARD = (
    "plain",
    "with space",
    "한글/열쇠",
    "line\nbreak",
    "nul\0inside",
    "/registry/pods/a",
    "\U0001f600",
    " ",
)


@contextmanager
def ground(tmp_path: Path) -> Iterator[EtcdGround]:
    with running() as server:
        yield EtcdGround(server, tmp_path)


class EtcdGround:
    kind = "etcd"

    def __init__(self, server: EtcdServer, directory: Path):
        self._server = server
        self._directory = directory
        self._staging = directory / "staging"
        self._staging.mkdir()
        self._restores = 0

    def source(self, **options: object) -> Source:
        given = {"url": self._server.url, "staging": str(self._staging), **options}
        return etcd.build("etcd", etcd.Options.model_validate(given), LocalPlace())

    def fill(self, amount: int) -> None:
        chance = random.Random(amount)
        self._server.clear()
        self._server.put({f"{_AWKWARD[n % 8]}/{n}": chance.randbytes(20_000) for n in range(amount * 100)})
        self._server.put(dict.fromkeys(_AWKWARD, b""))
        self._server.tidy()

    def state(self) -> object:
        return self._server.contents()

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        self._restores += 1
        target = self._directory / f"restore-{self._restores}"
        restored = self.source().restore(point, parts, Wanted(target={"directory": str(target)}), SILENT)
        with running(target) as server:
            return restored, server.contents()

    def break_off(self) -> None:
        self._server.stop()

    def mend(self) -> None:
        self._server.start()

    def leftovers(self) -> list[str]:
        lost = [p.name for p in self._directory.iterdir() if "under-way" in p.name]
        return lost + [path.name for path in self._staging.iterdir()]
