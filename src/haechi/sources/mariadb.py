"""MariaDB and MySQL: dumps by the server's own programs, brought back beside what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from haechi import clock
from haechi.errors import UsageMistake
from haechi.events import Reporter
from haechi.i18n import _, plural
from haechi.model import RestorePoint
from haechi.places._base import Place
from haechi.places._open import open_place
from haechi.sources import _columns
from haechi.sources._base import Capture, PartReader, Probe, Rehearsed, Restored, Source, Wanted
from haechi.sources._mariadb import asking, beside, capture, restore
from haechi.sources._mariadb.options import Options, Target
from haechi.sources._mariadb.server import Server, literal
from haechi.sources._mariadb.standing import Standing

__all__ = ["Options", "Target", "MariaDB", "build"]


def build(name: str, options: Options, place: Place) -> Source:
    return MariaDB(name, options, place)


def main_form(_options: Options) -> str:
    """What archives must be able to hold."""
    return capture.FORM


class MariaDB:
    """One server of the plan. Satisfies `Source`, `Exchangeable`, `Rehearsable` and what audits and hooks ask."""

    kept_as = "__before_"

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    def server(self) -> Server:
        """As it is now: the secrets are fetched here."""
        settings, password, _database = self.options.login()
        return Server(self.place, settings, password, self.options.run_as)

    def databases(self, server: Server) -> list[str]:
        """The databases that a capture would take now."""
        return capture.databases(server, self.options, self.options.login()[2])

    def probe(self) -> Probe:
        self.place.probe()
        server = self.server()
        names = self.databases(server)
        among = ", ".join(map(literal, names)) or "''"
        size = server.rows(
            f"select coalesce(sum(data_length), 0) from information_schema.tables where table_schema in ({among})"
        )
        others = server.rows(
            "select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE' and"
            f" engine not in ('InnoDB', 'MEMORY', 'SEQUENCE') and table_schema in ({among})"
        )
        warnings: tuple[str, ...] = ()
        if others:
            warnings = (
                plural(
                    "{count} table is not kept by InnoDB, so what is written meanwhile may be in by half: {names}",
                    "{count} tables are not kept by InnoDB, so what is written meanwhile may be in by half: {names}",
                    len(others),
                    names=", ".join(".".join(one) for one in others[:5]),
                ),
            )
        details = {"databases": names, "client": server.dump}
        return Probe(server.version, int(size[0][0]) or None, details, warnings)

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        server = self.server()
        with capture.capture(server, self.databases(server), self.options, reporter) as captured:
            yield captured

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        target = Target.read(wanted.target)
        server = self._target_server(target)
        dumps = restore.chosen(parts, wanted, self._alone(server))
        restored = restore.restore(server, point, parts, dumps, target.database, reporter)
        if not wanted.in_place or not restored.equal:
            return restored
        kept = {
            name: beside.exchange(server, name, beside.RESTORED, beside.BEFORE) for name in restored.names
        }
        return Restored(", ".join(kept), restored.comparisons, {"databases": list(kept), "kept": kept})

    @contextmanager
    def rehearse(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> Iterator[Rehearsed]:
        """In new databases of the same server, or of the server at `into` (a URL); they are removed again."""
        target = Target.read({**wanted.target, **({"url": into} if into else {})})
        server = self._target_server(target)
        began = clock.monotonic()
        dumps = restore.chosen(parts, wanted, self._alone(server))
        restored = restore.restore(server, point, parts, dumps, None, reporter)
        rehearsed = Rehearsed(restored, restored.where, clock.monotonic() - began, apart=target.elsewhere)
        standing = Standing(server, restored.details["beside"])
        rehearsed.standing, rehearsed.address = standing, standing.address()
        made = list(standing.databases.values())
        try:
            yield rehearsed
        finally:
            for name in made:
                beside.drop(server, name)
            there = {row[0] for row in server.rows("show databases")}
            rehearsed.left = tuple(name for name in made if name in there)

    def lying_beside(self) -> Sequence[beside.Beside]:
        return beside.marked(self.server())

    def swap(self, name: str) -> str:
        return beside.exchange(self.server(), name, beside.RESTORED, beside.BEFORE)

    def undo(self, name: str) -> str:
        return beside.exchange(self.server(), name, beside.BEFORE, beside.RESTORED)

    def finish(self, name: str) -> Sequence[str]:
        return beside.finish(self.server(), name)

    def execute(self, sql: str, seconds: float) -> None:
        server = self.server()
        server.run(sql, self._alone(server) or "", doing=_("The statement failed"), seconds=seconds)

    def values(self, sql: str, database: str = "", *, beside: bool = False) -> Iterator[str]:
        server = self.server()
        return asking.values(server, self._asked(server, database, beside), sql)

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        server = self.server()
        column = _columns.column(where)
        database = column.database or (column.table[0] if len(column.table) > 1 else "")
        return asking.missing(server, self._asked(server, database, beside), column, values)

    def _asked(self, server: Server, database: str, restored: bool) -> str:
        """The database of this name, the one there is if none is named, or what came back and lies beside it."""
        name = database or self._alone(server)
        if not name:
            raise UsageMistake(
                _("“{service}” has several databases.").format(service=self.name),
                hint=_("Say which one is asked: {names}").format(names=", ".join(self.databases(server))),
            )
        waiting = [b for b in beside.marked(server) if b.of == name and b.state == beside.RESTORED]
        return waiting[-1].name if restored and waiting else name

    def _alone(self, server: Server) -> str | None:
        """The database of this service, if it is one."""
        chosen = self.options.databases or self.options.login()[2] or "all"
        if isinstance(chosen, tuple):
            return chosen[0] if len(chosen) == 1 else None
        return chosen if chosen != "all" else None

    def _target_server(self, target: Target) -> Server:
        if not target.elsewhere:
            return self.server()
        settings, password, _database = target.login()
        place = open_place(target.at) if target.at else self.place
        return Server(place, settings, password, target.run_as)
