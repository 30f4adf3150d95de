"""etcd's snapshot and then the bucket of a running Milvus: a new one starts on both and finds the same."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import etcd, milvus
from haechi.sources._base import PartReader, Wanted
from tests.servers import etcd as etcds
from tests.servers import seaweedfs
from tests.servers.milvus import outside, running_in
from tests.servers.namespace import Namespace, namespace

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.xdist_group("milvus")]
KEYS = (seaweedfs.ACCESS_KEY, seaweedfs.SECRET_KEY)


def test_etcd_then_bucket_bring_the_whole_back(tmp_path: Path) -> None:
    from tests.integration import milvus_ground as it

    with namespace() as net, seaweedfs.running(net) as weed:
        bucket, other = weed.bucket(), weed.bucket()
        with (
            etcds.running(net=net) as first,
            running_in(net, settings(net, weed, first, bucket)) as server,
        ):
            client = it.client(server.url)
            it.make_docs(client, "docs", 3000)
            it.make_numbers(client, "numbers", 4000, kind="HNSW")
            client.create_alias("docs", "current")
            client.load_collection("docs")
            queries = [[float(n % 7) / 7 for n in range(start, start + 64)] for start in range(5)]
            found = search(client, "docs", queries)
            rows = it.rows_of(client, "docs", "key")
            assert len(rows) == 3000

            source = milvus.build("milvus", milvus.Options(url=server.url), LocalPlace())
            assert isinstance(source, milvus.Milvus)
            source.execute("flush", 60)
            kept = etcd.build("etcd", etcd.Options(url=first.url), LocalPlace())
            with kept.capture(SILENT) as capture:
                with capture.parts[0].open() as stream:
                    data = stream.read()
                facts = capture.facts()
            info = replace(capture.parts[0].info, size=len(data))
            point = RestorePoint("p", "etcd", "etcd", capture.time, facts=facts, parts=(info,))
            # Written after the snapshot: it is in the bucket, and the snapshot knows nothing of it.
            client.insert("numbers", [{"id": 10**9, "vector": [0.0] * 128}])
            source.execute("flush numbers", 60)
            copy(weed, bucket, other)
            client.close()
        target = tmp_path / "etcd"
        restored = kept.restore(
            point,
            {info.name: PartReader(info, partial(io.BytesIO, data))},
            Wanted(target={"directory": str(target)}),
            SILENT,
        )
        assert restored.equal
        with (
            etcds.running(target, net=net) as second,
            running_in(net, settings(net, weed, second, other)) as server,
        ):
            client = it.client(server.url)
            assert sorted(client.list_collections()) == ["docs", "numbers"]
            assert client.describe_alias("current")["collection_name"] == "docs"
            for name in ("docs", "numbers"):
                client.load_collection(name)
            assert it.rows_of(client, "docs", "key") == rows
            assert search(client, "current", queries) == found
            assert client.query("numbers", "", output_fields=["count(*)"])[0]["count(*)"] == 4000
            client.insert("numbers", [{"id": 1 << 40, "vector": [0.5] * 128}])
            assert client.query("numbers", f"id == {1 << 40}", consistency_level="Strong")
            client.close()


def settings(
    net: Namespace, weed: seaweedfs.SeaweedFS, server: etcds.EtcdServer, bucket: str
) -> dict[str, Any]:
    port = int(weed.endpoint.rpartition(":")[2])
    return outside(net, f"127.0.0.1:{server.port}", bucket, port, KEYS)


def search(client: Any, name: str, queries: list[list[float]]) -> list[Any]:
    answer = client.search(name, queries, limit=10, search_params={"metric_type": "L2"})
    return [[(hit["id"], round(hit["distance"], 4)) for hit in hits] for hits in answer]


def copy(weed: seaweedfs.SeaweedFS, source: str, target: str) -> None:
    """Every object, as any program that knows S3 does."""
    from obstore.store import S3Store

    stores = [
        S3Store(
            bucket,
            endpoint=weed.endpoint,
            region="us-east-1",
            access_key_id=KEYS[0],
            secret_access_key=KEYS[1],
            client_options={"allow_http": True},
        )
        for bucket in (source, target)
    ]
    copied = 0
    for page in stores[0].list():
        for found in page:
            stores[1].put(found["path"], bytes(stores[0].get(found["path"]).bytes()))
            copied += 1
    assert copied
