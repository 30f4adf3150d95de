"""What has come back in a throwaway: searched by the names that its collections had."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from haechi.credentials import Secret
from haechi.sources._base import Address
from haechi.sources._milvus import asking, names
from haechi.sources._milvus.server import Server


@dataclass(frozen=True)
class Standing:
    """`collections`: as they were called when they were saved, and as they are called here."""

    server: Callable[[], AbstractContextManager[Server]]
    url: str
    collections: Mapping[str, str]

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        there = {called: names.split(now) for called, now in self.collections.items()}
        with self.server() as server:
            yield from asking.missing_in(server, there, values, where)

    def address(self) -> Address:
        """Of the server; and of the collection, where there is but one."""
        alone = next(iter(self.collections.values())) if len(self.collections) == 1 else ""
        return Address(url=Secret(self.url), name=alone)
