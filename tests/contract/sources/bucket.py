"""Buckets, in a SeaweedFS behind a port that can be shut."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import bucket
from haechi.sources._base import PartReader, Restored, Source, Wanted
from haechi.sources._bucket.interface import Bucket
from haechi.sources._bucket.opening import open_bucket
from haechi.stores import objects
from tests.servers import seaweedfs
from tests.servers.gate import Gate

SERVER = True
_SIZES = (0, 1, 100, 4096, 70_000, 300_000, 1_100_000)
_AWKWARD = (
    "plain.txt",
    "a b+c&d%25=é한글.txt",
    "%2F",
    "%",
    "~tilde",
    "x" * 210 + ".bin",
    "한" * 80,
    "q?x#y",
    "a-b",
    "a/b",
    "a.b",
    "deep/er/and/deeper/still/file",
    "tab\tin",
)


@contextmanager
def ground(tmp_path: Path) -> Iterator[BucketGround]:
    with seaweedfs.running() as server, Gate.before(server.endpoint) as gate:
        yield BucketGround(server, gate)


class BucketGround:
    kind = "bucket"

    def __init__(self, server: seaweedfs.SeaweedFS, gate: Gate):
        self._server = server
        self._gate = gate
        self._name = server.bucket()
        self._numbers = itertools.count()

    def source(self, **options: object) -> Source:
        given = {
            **self._server.options,
            "endpoint": self._gate.url,
            "url": f"s3://{self._name}",
            "retries": 1,
            "patience": 3,
            "timeout": 5,
            "object_tags": True,
            **options,
        }
        return bucket.build("documents", bucket.Options.model_validate(given), LocalPlace())

    def fill(self, amount: int) -> None:
        chance = random.Random(amount)
        with self._bucket(f"s3://{self._name}") as there:
            self._fill(there, amount, chance)

    def _fill(self, there: Bucket, amount: int, chance: random.Random) -> None:
        for found in list(there.list()):
            there.delete(found.key)
        for unit in range(amount):
            for number, name in enumerate(_AWKWARD):
                attributes = {
                    "content-type": f"text/x-{number}",
                    "metadata": json.dumps({"owner": "김철수", "number": str(number)}),
                    "tags": json.dumps({"unit": str(unit)} if number % 3 == 0 else {}),
                }
                data = chance.randbytes(_SIZES[number % len(_SIZES)])
                there.put(f"unit-{unit}/{name}", data, attributes)

    def state(self) -> object:
        return self._state(f"s3://{self._name}")

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        target = f"s3://{self._name}-restores/{next(self._numbers)}"
        self._server.make(f"{self._name}-restores")
        restored = self.source().restore(point, parts, Wanted(target={"url": target}), SILENT)
        return restored, self._state(target)

    def break_off(self) -> None:
        self._gate.shut()

    def mend(self) -> None:
        self._gate.open()

    def leftovers(self) -> list[str]:
        return []

    def _bucket(self, url: str) -> AbstractContextManager[Bucket]:
        return closing(open_bucket(url, objects.Options.model_validate(self._server.options)))

    def _state(self, url: str) -> object:
        found = {}
        with self._bucket(url) as there:
            for listed in there.list():
                got = there.get(listed.key)
                digest = hashlib.sha256(got.data).hexdigest()
                found[listed.key] = (digest, dict(got.attributes), dict(there.tags(listed.key)))
        return found
