"""A stretch of a tree, so that several writers can each take some of it.

Paths stand in the order in which a walk meets them: a directory before all that lies in it, and what lies beside each
other by the bytes of its name. A stretch goes from one path, which belongs to it, up to another one, which does not.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stretch:
    """As it is seen from one directory: the names along both paths below it. Without `end`: up to the last path."""

    begin: tuple[bytes, ...] = ()
    end: tuple[bytes, ...] | None = None

    @classmethod
    def between(cls, begin: bytes, end: bytes | None) -> Stretch:
        """Of paths with slashes; an empty one is the directory itself."""
        return cls(_names(begin), None if end is None else _names(end))

    @property
    def is_empty(self) -> bool:
        return self.end == ()

    def holds(self, name: bytes) -> bool:
        """Whether what has this name here belongs to it."""
        return self.begin <= (name,) and self._ends_after(name)

    def reaches(self, name: bytes) -> bool:
        """The same, or something that lies below it does."""
        return self.begin[:1] <= (name,) and self._ends_after(name)

    def below(self, name: bytes) -> Stretch | None:
        """As it is seen from the directory of this name; None: all of that belongs to it."""
        begin = self.begin[1:] if self.begin[:1] == (name,) else ()
        end = self.end[1:] if self.end and self.end[0] == name else None
        return Stretch(begin, end) if begin or end is not None else None

    def _ends_after(self, name: bytes) -> bool:
        return self.end is None or (name,) < self.end


def _names(path: bytes) -> tuple[bytes, ...]:
    return tuple(path.split(b"/")) if path else ()
