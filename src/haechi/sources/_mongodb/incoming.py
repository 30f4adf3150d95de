"""A part on its way in, without what it may be packed in."""

from __future__ import annotations

from typing import BinaryIO

from haechi.sources._base import PartReader
from haechi.sources._postgresql.incoming import unpacked


def opened(part: PartReader) -> BinaryIO:
    """A fresh stream, without gzip (`mongodump --gzip`) or zstd around it."""
    return unpacked(part.open(), part.info.name)
