"""What has come back in a throwaway: asked by the names that its databases had, wherever they lie now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from haechi.sources import _base, _columns, _standing
from haechi.sources._postgresql import asking
from haechi.sources._postgresql.server import Server


@dataclass(frozen=True)
class Standing:
    """`databases`: as they were called when they were saved, and as they are called here."""

    server: Server
    databases: Mapping[str, str]

    def execute(self, sql: str, seconds: float) -> None:
        asking.execute(self.server, _standing.asked(self.databases, ""), sql, seconds)

    def values(self, sql: str, database: str = "", *, beside: bool = False) -> Iterator[str]:
        return asking.values(self.server, _standing.asked(self.databases, database), sql)

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        column = _columns.column(where)
        return asking.missing(self.server, _standing.asked(self.databases, column.database), column, values)

    def address(self) -> _base.Address:
        """Of the server; and of the database, where there is but one."""
        settings, password = self.server.address.settings, self.server.address.password
        host, port, user = (settings.get(name, "") for name in ("PGHOST", "PGPORT", "PGUSER"))
        name = _standing.only(self.databases)
        return _base.Address(
            url=_standing.url("postgresql", host, port, user, password, name),
            host=host,
            port=int(port) if port else None,
            user=user,
            password=password,
            name=name,
        )
