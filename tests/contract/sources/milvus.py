"""Milvus, the whole server in a network of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import milvus
from haechi.sources._base import PartReader, Restored, Source, Wanted
from tests.servers.milvus import MilvusServer, running

SERVER = True
SLOW = True  # to write out, to index and to load takes Milvus seconds, each time
GROUP = "milvus"
_ROWS = 8000  # of 128 floats: four mebibytes


@contextmanager
def ground(tmp_path: Path) -> Iterator[MilvusGround]:
    with running() as server:
        yield MilvusGround(server)


class MilvusGround:
    kind = "milvus"

    def __init__(self, server: MilvusServer):
        self._server = server
        self._filled = 0
        self._restores = 0

    def source(self, **options: object) -> Source:
        given = {"url": self._server.url, **options}
        return milvus.build("vectors", milvus.Options.model_validate(given), LocalPlace())

    def fill(self, amount: int) -> None:
        """What is there already is not made again: to write, index and load it takes seconds."""
        from tests.integration import milvus_ground as it

        if self._filled == amount:
            return
        client = it.client(self._server.url)
        if self._filled:
            client.drop_alias("current")
        for name in client.list_collections():
            client.drop_collection(name)
        it.make_docs(client, "docs", 100 * amount, seed=amount)
        it.make_numbers(client, "numbers", _ROWS * amount)
        client.create_alias("docs", "current")
        for name in ("docs", "numbers"):
            client.load_collection(name)
        client.close()
        self._filled = amount

    def state(self) -> object:
        return self._state("default")

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        self._restores += 1
        database = f"restore_{self._restores}"
        restored = self.source().restore(point, parts, Wanted(target={"database": database}), SILENT)
        state = self._state(database)
        self._drop(database)
        return restored, state

    def break_off(self) -> None:
        self._server.stop()

    def mend(self) -> None:
        self._server.start()

    def leftovers(self) -> list[str]:
        client = self._client("default")
        found = [name for name in client.list_collections() if "__" in name]
        client.close()
        return found

    def _state(self, database: str) -> object:
        """Definitions, and every row of what may be read."""
        from tests.integration.milvus_ground import rows_of

        client = self._client(database)
        found: dict[str, Any] = {}
        for name in client.list_collections():
            told = client.describe_collection(name)
            found[name] = [
                [(f["name"], f["type"], f["params"]) for f in told["fields"]],
                told["enable_dynamic_field"],
                sorted(client.list_partitions(name)),
                [client.describe_index(name, i)["index_type"] for i in client.list_indexes(name)],
            ]
        client.load_collection("docs")
        found["rows"] = rows_of(client, "docs", "key")
        client.close()
        return found

    def _client(self, database: str) -> Any:
        from pymilvus import MilvusClient

        return MilvusClient(uri=self._server.url, db_name=database)

    def _drop(self, database: str) -> None:
        client = self._client(database)
        for name in client.list_collections():
            client.drop_collection(name)
        client.drop_database(database)
        client.close()
