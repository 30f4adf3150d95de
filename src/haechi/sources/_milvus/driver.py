"""PyMilvus, as far as it is used: Milvus's own messages. Imported late, for it takes two seconds.

Its calls would turn every number of every vector into an object of Python. The messages hold them as they are, and
name the fields of newer servers too.
"""

from __future__ import annotations

import os
from functools import cache
from types import SimpleNamespace

from haechi.errors import DriverMissing


@cache
def messages() -> SimpleNamespace:
    """`milvus`, `schema`, `common` and `Stub`. Raises DriverMissing."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it writes to standard error by itself
    try:
        from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2
    except ImportError:
        raise DriverMissing.of("pymilvus", "milvus") from None
    return SimpleNamespace(
        milvus=milvus_pb2, schema=schema_pb2, common=common_pb2, Stub=milvus_pb2_grpc.MilvusServiceStub
    )


@cache
def arrow() -> SimpleNamespace:
    """pyarrow as `pa`, its Parquet as `parquet`, its `compute`, numpy as `np`. Raises DriverMissing."""
    try:
        import numpy
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise DriverMissing.of("pyarrow", "milvus") from None
    return SimpleNamespace(pa=pyarrow, parquet=pyarrow.parquet, compute=pyarrow.compute, np=numpy)
