"""Milvus's columns and Arrow's, one to the other, without an object of Python for each number of a vector.

A message with packed numbers is a tag, a length and the numbers as they lie in memory: so they are taken out of it
and put into it as bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from haechi.errors import VersionMismatch
from haechi.i18n import _
from haechi.sources._milvus.driver import arrow, messages

META = "$meta"  # what a collection with dynamic fields holds besides its schema, as JSON

# Milvus's name of a type: the message that holds it, Arrow's type.
_SCALARS = {
    "Bool": ("bool_data", "bool_"),
    "Int8": ("int_data", "int8"),
    "Int16": ("int_data", "int16"),
    "Int32": ("int_data", "int32"),
    "Int64": ("long_data", "int64"),
    "Float": ("float_data", "float32"),
    "Double": ("double_data", "float64"),
    "VarChar": ("string_data", "string"),
    "String": ("string_data", "string"),
    "Text": ("string_data", "string"),
    "JSON": ("json_data", "string"),
}
# Vectors that lie one after another in one string of bytes: its message, bits of one number.
BYTES = {
    "BinaryVector": ("binary_vector", 1),
    "Float16Vector": ("float16_vector", 16),
    "BFloat16Vector": ("bfloat16_vector", 16),
    "Int8Vector": ("int8_vector", 8),
}


@dataclass(frozen=True)
class Column:
    """One field of a collection. `kind` and `element` are Milvus's names of types."""

    name: str
    kind: str
    element: str = ""
    dim: int = 0
    primary: bool = False
    nullable: bool = False

    @property
    def width(self) -> int:
        """Bytes of one vector, where all are as long."""
        if self.kind == "FloatVector":
            return 4 * self.dim
        return self.dim * BYTES[self.kind][1] // 8 if self.kind in BYTES else 0


def columns_of(schema: Any) -> list[Column]:
    """The fields whose contents are stored: not those that the server works out from others. Raises VersionMismatch
    for what is not known: nothing is left out in silence."""
    names = messages().schema.DataType.Name
    found = []
    for field in schema.fields:
        kind = names(field.data_type)
        dim = next((int(p.value) for p in field.type_params if p.key == "dim"), 0)
        element = names(field.element_type) if kind == "Array" else ""
        if field.is_function_output:
            continue
        found.append(Column(field.name, kind, element, dim, field.is_primary_key, field.nullable))
    if schema.enable_dynamic_field and not any(c.name == META for c in found):
        found.append(Column(META, "JSON"))
    known = {*_SCALARS, *BYTES, "FloatVector", "SparseFloatVector", "Array"}
    odd = [c for c in found if c.kind not in known or (c.element and c.element not in _SCALARS)]
    odd_names = [f"{c.name} ({c.kind})" for c in odd] + [f.name for f in schema.struct_array_fields]
    if odd_names:
        raise VersionMismatch(
            _("Fields of these types are not understood: {names}").format(names=", ".join(odd_names)),
            hint=_("Exclude the collection, and save etcd and the bucket of this Milvus instead."),
        )
    return found


def to_arrow(column: Column, data: Any, rows: int) -> Any:
    """One column of an answer."""
    pa = arrow().pa
    present = list(data.valid_data)
    if column.kind == "FloatVector":
        values = pa.py_buffer(_packed(data.vectors.float_vector))
        numbers = pa.Array.from_buffers(pa.float32(), len(values) // 4, [None, values])
        count = len(numbers) // column.dim
        found = pa.FixedSizeListArray.from_arrays(numbers, column.dim)
    elif column.kind in BYTES:
        values = getattr(data.vectors, BYTES[column.kind][0])
        count = len(values) // column.width
        found = pa.Array.from_buffers(pa.binary(column.width), count, [None, pa.py_buffer(values)])
    elif column.kind == "SparseFloatVector":
        found = pa.array(list(data.vectors.sparse_float_vector.contents), pa.binary())
    elif column.kind == "Array":
        holder, _kind = _SCALARS[column.element]
        found = pa.array(
            [list(getattr(row, holder).data) for row in data.scalars.array_data.data], _arrow_type(column)
        )
    else:
        holder, _kind = _SCALARS[column.kind]
        values = list(getattr(data.scalars, holder).data)
        if column.kind == "JSON":
            found = pa.array(values, pa.binary()).cast(pa.string())
        else:
            found = pa.array(values, _arrow_type(column))
    return _spread(found, present, rows)


def _spread(found: Any, present: list[bool], rows: int) -> Any:
    """With nulls where nothing is present: some answers hold a filler there, others nothing at all."""
    pa = arrow().pa
    if present and not all(present):
        if len(found) == rows:
            places = [i if p else None for i, p in enumerate(present)]
        else:
            numbers = iter(range(len(found)))
            places = [next(numbers) if p else None for p in present]
        found = found.take(pa.array(places, pa.int64()))
    assert len(found) == rows, (len(found), rows)
    return found


def to_message(column: Column, values: Any, message: Any) -> None:
    """One column of an insertion, out of Arrow's."""
    np = arrow().np
    message.field_name = column.name
    message.type = messages().schema.DataType.Value(column.kind)
    message.is_dynamic = column.name == META
    if column.nullable:
        message.valid_data.extend(values.is_valid().to_pylist())
        values = values.drop_null()
    if column.kind == "FloatVector":
        message.vectors.dim = column.dim
        numbers = np.ascontiguousarray(values.flatten().to_numpy(zero_copy_only=False), dtype="<f4")
        _pack(message.vectors.float_vector, numbers.tobytes())
    elif column.kind in BYTES:
        message.vectors.dim = column.dim
        setattr(message.vectors, BYTES[column.kind][0], b"".join(values.to_pylist()))
    elif column.kind == "SparseFloatVector":
        rows = values.to_pylist()
        message.vectors.sparse_float_vector.contents.extend(rows)
        widest = max((int.from_bytes(r[-8:-4], "little") + 1 for r in rows if r), default=0)
        message.vectors.sparse_float_vector.dim = message.vectors.dim = widest
    elif column.kind == "Array":
        holder, _kind = _SCALARS[column.element]
        array = message.scalars.array_data
        array.element_type = messages().schema.DataType.Value(column.element)
        for row in values.to_pylist():
            getattr(array.data.add(), holder).data.extend(row)
    else:
        holder, _kind = _SCALARS[column.kind]
        given = values.to_pylist()
        if column.kind == "JSON":
            given = [text.encode() for text in given]
        getattr(message.scalars, holder).data.extend(given)


def table_schema(columns: list[Column]) -> Any:
    """Of the Parquet files: each field says what it is in Milvus."""
    pa = arrow().pa
    return pa.schema(
        [pa.field(c.name, _arrow_type(c), metadata={"milvus": c.kind, "dim": str(c.dim)}) for c in columns]
    )


def _arrow_type(column: Column) -> Any:
    pa = arrow().pa
    if column.kind == "FloatVector":
        return pa.list_(pa.float32(), column.dim)
    if column.kind in BYTES:
        return pa.binary(column.width)
    if column.kind == "SparseFloatVector":
        return pa.binary()
    if column.kind == "Array":
        return pa.list_(getattr(pa, _SCALARS[column.element][1])())
    return getattr(pa, _SCALARS[column.kind][1])()


def _packed(message: Any) -> bytes:
    """The numbers of a message whose only field they are."""
    whole: bytes = message.SerializeToString()
    if not whole:
        return b""
    at = 1
    while whole[at] & 0x80:
        at += 1
    return whole[at + 1 :]


def _pack(message: Any, numbers: bytes) -> None:
    length, left = bytearray(), len(numbers)
    while True:
        length.append((left & 0x7F) | (0x80 if left > 0x7F else 0))
        left >>= 7
        if not left:
            break
    message.MergeFromString(b"\x0a" + bytes(length) + numbers)


def fields_by_name(answer: Any) -> Mapping[str, Any]:
    return {(META if field.is_dynamic else field.field_name): field for field in answer.fields_data}
