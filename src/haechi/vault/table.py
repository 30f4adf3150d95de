"""Tables of millions of small things: compact where the package borghash is installed, a dict elsewhere.

borghash keeps an entry in some sixty bytes where a dict takes two hundred, and is as fast. It has to be compiled
when it is installed, which a machine without a compiler cannot, so it is an extra: `pip install 'haechi[compact]'`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol


class Table(Protocol):
    """Bytes of one length to bytes of another."""

    def __len__(self) -> int: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __setitem__(self, key: bytes, value: bytes, /) -> None: ...
    def get(self, key: bytes, /) -> bytes | None: ...
    def items(self) -> Iterable[tuple[bytes, bytes]]: ...


def new_table(key_size: int, value_size: int) -> Table:
    """An empty one for keys that are evenly distributed, as hashes are."""
    try:
        from borghash import HashTable
    except ImportError:
        return dict[bytes, bytes]()
    made: Any = HashTable(key_size=key_size, value_size=value_size)
    return made  # type: ignore[no-any-return]
