"""What has come back in a throwaway: asked by the names that its databases had, whatever they are called now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from haechi.credentials import Secret
from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.sources import _columns
from haechi.sources._base import Address
from haechi.sources._mariadb import asking
from haechi.sources._mariadb.server import Server


@dataclass(frozen=True)
class Standing:
    """`databases`: as they were called when they were saved, and as they are called here."""

    server: Server
    databases: Mapping[str, str]

    def execute(self, sql: str, seconds: float) -> None:
        self.server.run(sql, self._asked(""), doing=_("The statement failed"), seconds=seconds)

    def values(self, sql: str, database: str = "", *, beside: bool = False) -> Iterator[str]:
        return asking.values(self.server, self._asked(database), sql)

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        column = _columns.column(where)
        database = column.database or (column.table[0] if len(column.table) > 1 else "")
        return asking.missing(self.server, self._asked(database), column, values)

    def address(self) -> Address:
        """Of the server; and of the database, where there is but one."""
        settings, password = self.server.settings, self.server.password
        host, port, user = (settings.get(name, "") for name in ("host", "port", "user"))
        name = next(iter(self.databases.values())) if len(self.databases) == 1 else ""
        login = quote(user, safe="") + (f":{quote(password.reveal(), safe='')}" if password else "")
        where = f"{login}@{host or 'localhost'}" + (f":{port}" if port else "")
        return Address(
            url=Secret(f"mysql://{where}/{quote(name, safe='')}"),
            host=host,
            port=int(port) if port else None,
            user=user,
            password=password,
            path=settings.get("socket", ""),
            name=name,
        )

    def _asked(self, database: str) -> str:
        if database:
            return self.databases.get(database, database)
        if len(self.databases) != 1:
            raise UsageMistake(
                _("Several databases came back."),
                hint=_("Say which one is asked: {names}").format(names=", ".join(self.databases)),
            )
        return next(iter(self.databases.values()))
