"""Milvus: collections as Parquet files, with all that makes them again; searched when saved, and when back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from haechi import clock
from haechi.errors import UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.places._base import Place
from haechi.sources._base import Capture, Comparison, PartReader, Probe, Rehearsed, Restored, Source, Wanted
from haechi.sources._milvus import asking, capture, exchange, names
from haechi.sources._milvus import definition as definitions
from haechi.sources._milvus.driver import arrow
from haechi.sources._milvus.names import Beside
from haechi.sources._milvus.options import Options, Target, _Server
from haechi.sources._milvus.restore import Restore, wanted_parts
from haechi.sources._milvus.server import Server
from haechi.sources._milvus.standing import Standing

__all__ = ["Options", "Target", "Milvus", "build"]


def build(name: str, options: Options, place: Place) -> Source:
    return Milvus(name, options, place)


def main_form(_options: Options) -> str:
    """What archives must be able to hold."""
    return capture.FORM


class Milvus:
    """Satisfies `Source`, `Rehearsable`, `Exchangeable`, `TakesStatements` and `Searchable`."""

    kept_as = "__before_"

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    def server(self, target: Target | None = None) -> Server:
        """As it is now: the secrets are fetched here."""
        self._only_from_here()
        arrow()
        where: _Server = target if target is not None and target.url else self.options
        return Server(where)

    def probe(self) -> Probe:
        with self.server() as server:
            version = server.call("GetVersion").version
            found = capture.chosen(server, self.options)
            for one in found:
                definitions.look_up(server, *one).columns  # noqa: B018 - it raises for what is not understood
        return Probe(version, None, {"collections": [names.shown(*one) for one in found]})

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        with ExitStack() as stack:
            server = stack.enter_context(self.server())
            taking = [
                capture.Taking(server, definitions.look_up(server, *one), self.options, reporter)
                for one in capture.chosen(server, self.options)
            ]
            for one in taking:
                one.prepare(stack)
            version = server.call("GetVersion").version
            yield Capture(
                clock.now(),
                [one.part for one in taking],
                lambda: {
                    "server": version,
                    "collections": {one.definition.full_name: one.facts() for one in taking},
                },
            )

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        return self._restore(point, parts, wanted, reporter, names.RESTORED)

    def _restore(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        reporter: Reporter,
        state: str,
    ) -> Restored:
        target = Target.read(wanted.target)
        chosen = wanted_parts(parts, wanted.only)
        with self.server(target) as server:
            under_way = Restore(server, point, target, wanted, reporter, state)
            with ExitStack() as undo:
                coming = under_way.bring(chosen, undo)
                came_back = under_way.settle(coming)
                undo.pop_all()
            equal = all(one.equal for one in coming)
            if wanted.in_place and equal and not target.elsewhere:
                for name in came_back:
                    aside = exchange.exchange(server, name, names.RESTORED, names.BEFORE, "all")
                    if aside:
                        database, collection = names.split(aside)
                        server.call("DropCollection", database, collection_name=collection, seconds=600)
                came_back = {name: name for name in came_back}
        known = point.facts.get("collections", {})
        lost = [] if wanted.only else sorted(known.keys() - {part.info.name for part in chosen})
        missing = [Comparison("collections missing", [], lost)] if lost else []
        return Restored(
            ", ".join(came_back.values()),
            (*missing, *(c for one in coming for c in one.comparisons)),
            {
                "server": server.shown,
                "came_back": came_back,
                "beside": not wanted.in_place and not target.elsewhere,
                "partial": bool(wanted.only),
            },
        )

    @contextmanager
    def rehearse(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> Iterator[Rehearsed]:
        """`into`: the address of another server; else beside the collections of this one."""
        target = {**wanted.target, **({"url": into} if into else {})}
        began = clock.monotonic()
        restored = self._restore(
            point, parts, replace(wanted, target=target, in_place=False), reporter, names.DRILL
        )
        seconds = clock.monotonic() - began
        came_back, there = restored.details["came_back"], Target.read(target)
        rehearsed = Rehearsed(
            restored, f"{restored.details['server']}: {restored.where}", seconds, apart=bool(into)
        )
        rehearsed.standing = standing = Standing(
            lambda: self.server(there), there.url or self.options.url, came_back
        )
        rehearsed.address = standing.address()
        left = []
        try:
            yield rehearsed
        finally:
            with self.server(there) as server:
                for name in came_back.values():
                    database, collection = names.split(name)
                    server.call("DropCollection", database, collection_name=collection, seconds=600)
                    if collection in server.call("ShowCollections", database).collection_names:
                        left.append(name)
            rehearsed.left = tuple(left)

    def lying_beside(self) -> Sequence[Beside]:
        with self.server() as server:
            return exchange.lying(server, self.options.databases)

    def swap(self, name: str) -> str:
        with self.server() as server:
            return exchange.exchange(server, name, names.RESTORED, names.BEFORE, self.options.databases)

    def undo(self, name: str) -> str:
        with self.server() as server:
            return exchange.exchange(server, name, names.BEFORE, names.RESTORED, self.options.databases)

    def finish(self, name: str) -> Sequence[str]:
        with self.server() as server:
            return exchange.finish(server, name, self.options.databases)

    def execute(self, sql: str, seconds: float) -> None:
        """`flush`, or `flush docs`: until all that was written is in the bucket, as before etcd and it are saved."""
        with self.server() as server:
            asking.execute(server, self.options, sql)

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        with self.server() as server:
            yield from asking.missing(server, self.options, values, where, beside=beside)

    def _only_from_here(self) -> None:
        if not self.place.is_local:
            raise UsageMistake(
                _("Milvus is spoken to from this host, not from {place}.").format(place=self.place.name),
                hint=_("Leave `at` out, and give its address with `url`."),
            )
