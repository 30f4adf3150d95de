"""A part read back: the definition first, then file after file of rows, and at the end whether those are all."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from haechi.errors import Damaged
from haechi.i18n import _
from haechi.sources._milvus import packing
from haechi.sources._milvus.definition import Definition
from haechi.sources._milvus.driver import arrow

_LARGEST = 1 << 30  # bytes of a file; they are some mebibytes


@dataclass
class Unpacked:
    """A part that is being read. `rows` is to be iterated once, to its end."""

    definition: Definition
    rows: Iterator[tuple[str, Any]]  # the partition, and a table
    counts: dict[str, int] = field(default_factory=dict)


def unpack(stream: BinaryIO) -> Unpacked:
    """Raises Damaged, here and while the rows are read."""
    try:
        tar = tarfile.open(fileobj=stream, mode="r|")  # noqa: SIM115 - it is read on by whoever iterates
        first = tar.next()
        if first is None or first.name != packing.HEAD:
            raise _damaged(_("it does not begin with a definition"))
        definition = Definition.from_json(_read(tar, first))
    except tarfile.TarError as problem:
        raise _damaged(problem) from None
    found = Unpacked(definition, iter(()))
    found.rows = _rows(tar, found.counts)
    return found


def _rows(tar: tarfile.TarFile, counts: dict[str, int]) -> Iterator[tuple[str, Any]]:
    ended = False
    try:
        while (member := tar.next()) is not None:
            if member.name == packing.END:
                told = json.loads(_read(tar, member))["rows"]
                if {k: v for k, v in told.items() if v} != counts:
                    raise _damaged(_("it has not as many rows as it says"))
                ended = True
                continue
            _rows_word, *partition, _file = member.name.split("/")
            table = arrow().parquet.read_table(arrow().pa.BufferReader(_read(tar, member)))
            name = "/".join(partition)
            counts[name] = counts.get(name, 0) + table.num_rows
            yield name, table
    except (tarfile.TarError, ValueError, KeyError, arrow().pa.ArrowException) as problem:
        raise _damaged(problem) from None
    if not ended:
        raise _damaged(_("its end is missing"))


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    if file is None or member.size > _LARGEST:
        raise _damaged(member.name)
    data = file.read()
    if len(data) != member.size:
        raise _damaged(_("its end is missing"))
    return data


def _damaged(reason: object) -> Damaged:
    return Damaged(
        _("A copy of a collection cannot be read: {reason}").format(reason=reason),
        hint=_("Use another copy of this restore point, or an older one."),
    )
