"""What the ending of a file's name says: how it is compressed, and which forms of data it may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Compression = Literal["gzip", "zstd", "none"]


@dataclass(frozen=True)
class Ending:
    text: str
    compression: Compression
    form: str = ""  # the one form that it holds; any, where this is empty

    def fits(self, form: str) -> bool:
        return self.form in ("", form)


_KNOWN = (
    Ending(".sql.gz", "gzip", "sql"),
    Ending(".sql.zst", "zstd", "sql"),
    Ending(".sql", "none", "sql"),
    Ending(".dump.gz", "gzip", "pg-custom"),
    Ending(".dump.zst", "zstd", "pg-custom"),
    Ending(".dump", "none", "pg-custom"),  # compressed inside, or not: that is the source's affair
    Ending(".tar.gz", "gzip", "tar"),
    Ending(".tgz", "gzip", "tar"),
    Ending(".tar.zst", "zstd", "tar"),
    Ending(".tar", "none", "tar"),
    Ending(".archive.gz", "gzip", "bson-archive"),
    Ending(".archive.zst", "zstd", "bson-archive"),
    Ending(".archive", "none", "bson-archive"),
    Ending(".gz", "gzip"),
    Ending(".zst", "zstd"),
)


def ending_of(name: str) -> Ending:
    """The ending that this name bears. One that is not known is kept and means: as it is."""
    for ending in _KNOWN:
        if name.endswith(ending.text):
            return ending
    last = name.rsplit("/", 1)[-1]
    dot = last.rfind(".")
    known = dot > 0 and last[dot + 1 :].isalnum()
    return Ending(last[dot:] if known else "", "none")
