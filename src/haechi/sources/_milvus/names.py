"""Collections that lie beside those they are to replace: their names say what they are, for another day."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from haechi import clock
from haechi.sources._milvus.options import DEFAULT

RESTORED, BEFORE, UNDER_WAY, DRILL = "restored", "before", "under way", "drill"
_WORDS = {RESTORED: "haechi", BEFORE: "before", UNDER_WAY: "under_way", DRILL: "drill"}
_NAMED = re.compile(r"(?P<of>.+)__(?P<word>haechi|before|under_way|drill)_(?P<time>\d{8}_\d{6}(?:_\d+)?)")


@dataclass(frozen=True)
class Beside:
    """One that lies beside `of`; both by the names that plans use."""

    database: str
    collection: str
    original: str
    state: str
    time: str

    @property
    def name(self) -> str:
        return shown(self.database, self.collection)

    @property
    def of(self) -> str:
        return shown(self.database, self.original)


def shown(database: str, collection: str) -> str:
    return collection if database == DEFAULT else f"{database}.{collection}"


def split(name: str) -> tuple[str, str]:
    """Back from `shown`."""
    database, _dot, collection = name.rpartition(".")
    return database or DEFAULT, collection


def owner_of(collection: str) -> str | None:
    match = _NAMED.fullmatch(collection)
    return match["of"] if match else None


def read(database: str, collection: str) -> Beside | None:
    match = _NAMED.fullmatch(collection)
    if match is None:
        return None
    state = next(state for state, word in _WORDS.items() if word == match["word"])
    return Beside(database, collection, match["of"], state, match["time"])


def fresh(collection: str, state: str, taken: Collection[str]) -> str:
    """A name that nothing has yet."""
    stamp = f"{collection}__{_WORDS[state]}_{clock.now():%Y%m%d_%H%M%S}"
    name, number = stamp, 2
    while name in taken:
        name, number = f"{stamp}_{number}", number + 1
    return name
