"""Milvus: 100,000 vectors out and in, beside PyMilvus's own iterator and insertion, and the memory that it takes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench._base import Comparison
from tests.servers.milvus import running

_ROWS = 100_000
_PEAK = 300  # MiB of our process

# In a process of its own, whose memory is ours alone. It says how long it took once it had begun, and the most that
# it held, in MiB: whoever it is compared with has imported PyMilvus before.
_OURS = """
import json, sys, time
from dataclasses import replace
from functools import partial
from pathlib import Path
from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import milvus
from haechi.sources._base import PartReader, Wanted

url, where, what = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
source = milvus.Milvus("m", milvus.Options(url=url, collections=("vectors",)), LocalPlace())
source.probe()
began = time.monotonic()
if what == "out":
    infos = []
    with source.capture(SILENT) as capture:
        for part in capture.parts:
            with part.open() as stream, (where / part.info.name).open("wb") as file:
                while data := stream.read(1 << 20):
                    file.write(data)
                infos.append(replace(part.info, size=file.tell()))
        facts = capture.facts()
    point = RestorePoint("p", "m", "milvus", capture.time, facts=facts, parts=tuple(infos))
    (where / "point.json").write_text(json.dumps(point.as_dict()))
else:
    point = RestorePoint.from_dict(json.loads((where / "point.json").read_text()))
    parts = {i.name: PartReader(i, partial((where / i.name).open, "rb")) for i in point.parts}
    restored = source.restore(point, parts, Wanted(), SILENT)
    assert restored.equal and len(restored.comparisons) > 5, restored.comparisons
seconds = time.monotonic() - began
if what == "in":
    source.finish("vectors")
for line in Path("/proc/self/status").read_text().splitlines():
    if line.startswith("VmHWM"):
        print(seconds, int(line.split()[1]) / 1024)
"""


def rows(quick: bool, work: Path) -> Iterable[Comparison]:
    from tests.integration import milvus_ground as it

    with running() as server:
        client = it.client(server.url)
        it.make_numbers(client, "vectors", _ROWS)
        client.flush("vectors")
        client.load_collection("vectors")

        def ours(what: str) -> tuple[float, float]:
            env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            argv = [sys.executable, "-c", _OURS, server.url, str(work), what]
            said = subprocess.run(argv, env=env, stdout=subprocess.PIPE, check=True).stdout.split()
            return float(said[0]), float(said[1])

        ours("out")
        yield Comparison(
            "Milvus: vectors out, beside PyMilvus's iterator into a file",
            ours=lambda: ours("out")[0],
            theirs=lambda: theirs_out(client, work),
            goal=1.0,
            runs=3,
        )
        yield Comparison(
            "Milvus: vectors in and compared, beside PyMilvus alone, which compares nothing",
            ours=lambda: ours("in")[0],
            theirs=lambda: theirs_in(client, work),
            goal=1.5,
            runs=3,
        )
        yield Comparison(
            "Milvus: memory, vectors out", ours=lambda: ours("out")[1], goal=_PEAK, unit="MiB", runs=1
        )
        yield Comparison(
            "Milvus: memory, vectors in", ours=lambda: ours("in")[1], goal=_PEAK, unit="MiB", runs=1
        )
        client.close()


def theirs_out(client: Any, work: Path) -> None:
    """As a script of a team does it."""
    import numpy as np

    ids: list[int] = []
    vectors: list[Any] = []
    pages = client.query_iterator("vectors", batch_size=10_000, output_fields=["*"])
    while page := pages.next():
        ids += [row["id"] for row in page]
        vectors += [np.asarray(row["vector"], dtype=np.float32) for row in page]
    pages.close()
    np.savez(work / "theirs.npz", ids=np.array(ids), vectors=np.stack(vectors))


def theirs_in(client: Any, work: Path) -> None:
    import numpy as np
    from pymilvus import DataType

    from tests.integration.milvus_ground import index

    kept = np.load(work / "theirs.npz")
    ids, vectors = kept["ids"], kept["vectors"]
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=vectors.shape[1])
    client.create_collection("theirs", schema=schema)
    for begin in range(0, len(ids), 5000):
        part = slice(begin, begin + 5000)
        client.insert(
            "theirs", [{"id": int(i), "vector": v} for i, v in zip(ids[part], vectors[part], strict=True)]
        )
    client.flush("theirs")
    index(client, "theirs", "vector", "FLAT", "L2")
    client.load_collection("theirs")
    client.drop_collection("theirs")
