"""What has come back in a throwaway: asked by the names that its databases had, wherever they lie now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from haechi.credentials import Secret
from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.sources import _base, _columns
from haechi.sources._postgresql import asking
from haechi.sources._postgresql.server import Server


@dataclass(frozen=True)
class Standing:
    """`databases`: as they were called when they were saved, and as they are called here."""

    server: Server
    databases: Mapping[str, str]

    def execute(self, sql: str, seconds: float) -> None:
        asking.execute(self.server, self._asked(""), sql, seconds)

    def values(self, sql: str, database: str = "", *, beside: bool = False) -> Iterator[str]:
        return asking.values(self.server, self._asked(database), sql)

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        column = _columns.column(where)
        return asking.missing(self.server, self._asked(column.database), column, values)

    def address(self) -> _base.Address:
        """Of the server; and of the database, where there is but one."""
        settings, password = self.server.address.settings, self.server.address.password
        host, port, user = (settings.get(name, "") for name in ("PGHOST", "PGPORT", "PGUSER"))
        name = next(iter(self.databases.values())) if len(self.databases) == 1 else ""
        login = quote(user, safe="") + (f":{quote(password.reveal(), safe='')}" if password else "")
        where = f"{login}@{host}" + (f":{port}" if port else "")
        return _base.Address(
            url=Secret(f"postgresql://{where}/{quote(name, safe='')}"),
            host=host,
            port=int(port) if port else None,
            user=user,
            password=password,
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
