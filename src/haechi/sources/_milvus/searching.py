"""Searches that are made when a collection is saved, and again when it has come back: do they find the same?

An exact index finds the same rows at the same distances. Others are built anew and find nearly the same; there it is
enough that most of the rows are, and that those are as near as they were, or that all that is found is nearer. A
server that has just loaded a collection answers out of a makeshift until it has indexed: then it is asked again.
"""

from __future__ import annotations

import json
import math
import struct
from base64 import b64decode, b64encode
from typing import Any

from haechi import clock
from haechi.errors import HaechiError
from haechi.sources._base import Comparison
from haechi.sources._milvus import columns
from haechi.sources._milvus.columns import Column
from haechi.sources._milvus.definition import Definition, Index
from haechi.sources._milvus.driver import messages
from haechi.sources._milvus.reading import from_the_first, literal
from haechi.sources._milvus.server import AS_OF, Refused, Server

_NEAREST = 10
_ENOUGH = 0.6  # of the rows found, where the index is not exact
_TOLERANCE = 1e-4
_LARGEST = 1 << 14  # bytes of a vector that is kept among the facts
_PATIENCE = 60.0  # seconds in which an index that is not exact may settle
_POOL = 1000  # rows among which the vectors are chosen
_LESS_IS_NEARER = {"L2", "HAMMING", "JACCARD", "TANIMOTO", "SUBSTRUCTURE", "SUPERSTRUCTURE"}
_PLACEHOLDER = {"FloatVector": 101, "BinaryVector": 100, "Float16Vector": 102, "BFloat16Vector": 103}


def vectors(server: Server, definition: Definition, count: int, as_of: int) -> list[dict[str, Any]]:
    """Some vectors of each indexed field, as facts keep them."""
    wanted = [c for c in definition.columns if c.kind in _PLACEHOLDER and c.width <= _LARGEST]
    wanted = [c for c in wanted if index_of(definition, c)]
    found: list[dict[str, Any]] = []
    for column in wanted if count else ():
        key = definition.key
        keys = columns.fields_by_name(
            server.query(
                definition.database,
                definition.name,
                from_the_first(key),
                [key.name],
                limit=_POOL,
                as_of=as_of,
            )
        )[key.name].scalars
        there = list(keys.string_data.data) or list(keys.long_data.data)
        chosen = there[:: max(1, len(there) // count)][:count]
        if not chosen:
            continue
        expression = f"{key.name} in [{', '.join(literal(value) for value in chosen)}]"
        answer = server.query(
            definition.database, definition.name, expression, [column.name], limit=len(chosen), as_of=as_of
        )
        data = columns.fields_by_name(answer).get(column.name)
        if data is None:
            continue
        rows = len(data.valid_data) or _rows(column, data)
        found += [
            {"field": column.name, "vector": b64encode(_raw(column, value)).decode()}
            for value in columns.to_arrow(column, data, rows).to_pylist()
            if value is not None
        ]
    return found


def search(
    server: Server, definition: Definition, name: str, wanted: dict[str, Any], as_of: int
) -> dict[str, Any]:
    """The nearest rows of this vector: their keys and distances."""
    column = next(c for c in definition.columns if c.name == wanted["field"])
    index = index_of(definition, column)
    assert index
    common = messages().common
    group = common.PlaceholderGroup(
        placeholders=[
            common.PlaceholderValue(
                tag="$0", type=_PLACEHOLDER[column.kind], values=[b64decode(wanted["vector"])]
            )
        ]
    )
    how = {
        "anns_field": column.name,
        "topk": _NEAREST,
        "metric_type": index.params.get("metric_type", "L2"),
        "params": json.dumps(_effort(index)),
        "round_decimal": -1,
    }
    answer = server.call(
        "Search",
        definition.database,
        collection_name=name,
        dsl_type=common.BoolExprV1,
        placeholder_group=group.SerializeToString(),
        search_params=server.pairs(how),
        nq=1,
        consistency_level=AS_OF,
        guarantee_timestamp=as_of,
    ).results
    ids = list(answer.ids.str_id.data) or list(answer.ids.int_id.data)
    return {"keys": ids, "distances": [float(score) for score in answer.scores]}


def gather(
    server: Server, definition: Definition, wanted: list[dict[str, Any]], as_of: int
) -> list[dict[str, Any] | None]:
    """What each of them finds; None where it cannot be searched for."""
    found: list[dict[str, Any] | None] = []
    for one in wanted:
        try:
            found.append(search(server, definition, definition.name, one, as_of))
        except Refused:
            found.append(None)
    return found


def compare(
    server: Server, definition: Definition, name: str, expected: list[dict[str, Any]], *, keyed: bool
) -> list[Comparison]:
    """Without `keyed` the rows have other keys than they had: then their distances must be the same."""
    settled = clock.monotonic() + _PATIENCE
    compared = []
    for number, one in enumerate(expected, 1):
        what = f"{definition.full_name}: search {number}"
        column = next(c for c in definition.columns if c.name == one["field"])
        index = index_of(definition, column)
        exact = bool(index and index.exact)
        farther = index is not None and index.params.get("metric_type", "L2") in _LESS_IS_NEARER
        try:
            found = search(server, definition, name, one, server.now())
            while not (same := _same(one, found, exact=exact, keyed=keyed, farther=farther)):
                if exact or clock.monotonic() > settled:
                    break
                clock.sleep(1)
                found = search(server, definition, name, one, server.now())
        except HaechiError as problem:
            compared.append(Comparison(what, one["keys"], problem.message))
            continue
        shown = found["keys"] if keyed else found["distances"]
        then = one["keys"] if keyed else one["distances"]
        if shown == then and not same:
            shown = found["distances"]
        compared.append(Comparison(what, then, then if same else shown))
    return compared


def steady(then: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether the same server found the same, but for noise in the last digits."""
    return _same(then, now, exact=True, keyed=True)


def _same(
    then: dict[str, Any], now: dict[str, Any], *, exact: bool, keyed: bool, farther: bool = True
) -> bool:
    """`farther` says that a greater distance is one, as it is not for the product of two vectors."""
    before, after = then["distances"], now["distances"]
    found_again = not keyed or then["keys"][:1] == now["keys"][:1]
    if not exact and before and found_again and _nearer(before, after, 1 if farther else -1):
        return True
    if not keyed:
        agree = sum(_close(a, b) for a, b in zip(before, after, strict=False))
        return agree >= (len(before) if exact else _ENOUGH * len(before))
    if exact and not (len(before) == len(after) and all(map(_close, before, after))):
        return False
    known = dict(zip(then["keys"], before, strict=True))
    again = dict(zip(now["keys"], after, strict=True))
    # Rows that are equally far may change places, and one of them may fall off the end.
    edge = before[-1] if before else 0.0
    missing = [key for key in known if key not in again]
    if exact:
        return all(_close(known[key], edge) for key in missing)
    shared = [key for key in known if key in again]
    return len(shared) >= _ENOUGH * len(known) and all(_close(known[k], again[k], 1e-2) for k in shared)


def _nearer(before: list[float], after: list[float], sign: int) -> bool:
    return len(after) >= len(before) and all(
        sign * now <= sign * then or _close(now, then) for then, now in zip(before, after, strict=False)
    )


def _close(one: float, other: float, tolerance: float = _TOLERANCE) -> bool:
    return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)


def _effort(index: Index) -> dict[str, int]:
    """An index that looks only into a share is told to look into nearly all: two that were built one after the other
    find the same only if neither stops early. It is a handful of searches."""
    kind = index.params.get("index_type", "")
    if "IVF" in kind or kind == "SCANN":
        return {"nprobe": int(json.loads(index.params.get("params", "{}")).get("nlist", 128))}
    if "HNSW" in kind:
        return {"ef": 4096}
    return {"search_list": 1024} if kind == "DISKANN" else {}


def index_of(definition: Definition, column: Column) -> Index | None:
    return next((index for index in definition.indexes if index.field == column.name), None)


def _rows(column: Column, data: Any) -> int:
    if column.kind == "FloatVector":
        return len(data.vectors.float_vector.data) // column.dim
    holder = columns.BYTES[column.kind][0]
    return len(getattr(data.vectors, holder)) // column.width


def _raw(column: Column, value: Any) -> bytes:
    return value if isinstance(value, bytes) else struct.pack(f"<{column.dim}f", *value)
