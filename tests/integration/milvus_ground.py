"""Awkward contents for Milvus, and what is looked at to see whether they came back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient

WORDS = ("plain", "", "it's", 'with "quotes"', "back\\slash", "line\nbreak", "한글", "\U0001f600", " ")


def client(url: str) -> MilvusClient:
    return MilvusClient(uri=url)


def make_docs(it: MilvusClient, name: str, rows: int, *, dim: int = 64, seed: int = 1) -> None:
    """Keys of text, dynamic fields, partitions, an array, an exact index and an alias."""
    schema = it.create_schema(auto_id=False, enable_dynamic_field=True, description="문서")
    schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=100)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    schema.add_field("price", DataType.DOUBLE)
    schema.add_field("small", DataType.INT8)
    schema.add_field("yes", DataType.BOOL)
    schema.add_field("about", DataType.JSON)
    schema.add_field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=8, max_length=50)
    it.create_collection(name, schema=schema)
    it.create_partition(name, "archive")
    chance = np.random.default_rng(seed)
    for begin in range(0, rows, 2000):
        count = min(2000, rows - begin)
        vectors = chance.random((count, dim), dtype=np.float32)
        data = [
            {
                "key": f"{WORDS[n % len(WORDS)]}/{n}",
                "vector": vectors[n - begin],
                "price": n / 7,
                "small": n % 100 - 50,
                "yes": n % 2 == 0,
                "about": {"n": n, "word": WORDS[n % len(WORDS)]},
                "tags": list(WORDS[: n % 4]),
                "extra": n,
                "object_key": f"uploads/{n}.pdf",
            }
            for n in range(begin, begin + count)
        ]
        it.insert(name, data, partition_name="archive" if begin else "_default")
    index(it, name, "vector", "FLAT", "L2")


def make_numbers(it: MilvusClient, name: str, rows: int, *, dim: int = 128, kind: str = "FLAT") -> None:
    """Keys of numbers, the smallest and the largest included."""
    schema = it.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    it.create_collection(name, schema=schema)
    chance = np.random.default_rng(7)
    for begin in range(0, rows, 5000):
        count = min(5000, rows - begin)
        vectors = chance.random((count, dim), dtype=np.float32)
        ids = [n - rows // 2 for n in range(begin, begin + count)]
        it.insert(name, [{"id": i, "vector": v} for i, v in zip(ids, vectors, strict=True)])
    index(it, name, "vector", kind, "L2")


def make_bits(it: MilvusClient, name: str, rows: int) -> None:
    """Binary vectors, and keys that the server makes."""
    schema = it.create_schema(auto_id=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("bits", DataType.BINARY_VECTOR, dim=128)
    schema.add_field("n", DataType.INT64)
    it.create_collection(name, schema=schema)
    chance = np.random.default_rng(3)
    it.insert(name, [{"bits": chance.bytes(16), "n": n} for n in range(rows)])
    index(it, name, "bits", "BIN_FLAT", "HAMMING")


def index(it: MilvusClient, name: str, field: str, kind: str, metric: str) -> None:
    params = it.prepare_index_params()
    params.add_index(field, index_type=kind, metric_type=metric, params={"M": 8, "efConstruction": 64})
    it.create_index(name, params)


def rows_of(it: MilvusClient, name: str, key: str, *, only: str = "") -> dict[Any, str]:
    """Every row by its key, as PyMilvus's own iterator gives it."""
    found: dict[Any, str] = {}
    pages = it.query_iterator(name, batch_size=2000, filter=only, output_fields=["*"])
    while page := pages.next():
        for row in page:
            plain = {k: _plain(v) for k, v in sorted(row.items())}
            found[row[key]] = json.dumps(plain, ensure_ascii=False)
    pages.close()
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, bytes):
        return value.hex()
    return float(value) if isinstance(value, np.floating) else value
