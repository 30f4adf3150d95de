"""What has come back in a throwaway: asked by the names that its databases had, whatever they are called now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from haechi.i18n import _
from haechi.sources import _columns, _standing
from haechi.sources._base import Address
from haechi.sources._mariadb import asking
from haechi.sources._mariadb.server import Server


@dataclass(frozen=True)
class Standing:
    """`databases`: as they were called when they were saved, and as they are called here."""

    server: Server
    databases: Mapping[str, str]

    def execute(self, sql: str, seconds: float) -> None:
        self.server.run(
            sql, _standing.asked(self.databases, ""), doing=_("The statement failed"), seconds=seconds
        )

    def values(self, sql: str, database: str = "", *, beside: bool = False) -> Iterator[str]:
        return asking.values(self.server, _standing.asked(self.databases, database), sql)

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        column = _columns.column(where)
        database = column.database or (column.table[0] if len(column.table) > 1 else "")
        return asking.missing(self.server, _standing.asked(self.databases, database), column, values)

    def address(self) -> Address:
        """Of the server; and of the database, where there is but one."""
        settings, password = self.server.settings, self.server.password
        host, port, user = (settings.get(name, "") for name in ("host", "port", "user"))
        name = _standing.only(self.databases)
        return Address(
            url=_standing.url("mysql", host or "localhost", port, user, password, name),
            host=host,
            port=int(port) if port else None,
            user=user,
            password=password,
            path=settings.get("socket", ""),
            name=name,
        )
