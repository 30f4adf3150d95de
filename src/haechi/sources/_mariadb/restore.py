"""Loads dumps into new databases beside those that are in use, and counts again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from haechi.errors import HaechiError, NotThere, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.process import BUFFER
from haechi.sources._base import Comparison, PartReader, Restored, Wanted
from haechi.sources._mariadb import beside, facts
from haechi.sources._mariadb.capture import ENDING, EVENTS
from haechi.sources._mariadb.server import Server, explain


def chosen(parts: Mapping[str, PartReader], wanted: Wanted, alone: str | None) -> dict[str, PartReader]:
    """The dumps that are to come back, by the databases that they are of."""
    dumps = {name.removesuffix(ENDING): part for name, part in parts.items() if not name.endswith(EVENTS)}
    if alone and len(dumps) == 1:  # a file of somebody else's, by whatever name
        dumps = {alone: next(iter(dumps.values()))}
    if unknown := [name for name in wanted.only if name not in dumps]:
        raise NotThere(
            _("This restore point has no {names}.").format(names=", ".join(unknown)),
            hint=_("It has: {parts}").format(parts=", ".join(dumps)),
        )
    return {name: part for name, part in dumps.items() if not wanted.only or name in wanted.only}


def restore(
    server: Server,
    point: RestorePoint,
    parts: Mapping[str, PartReader],
    dumps: Mapping[str, PartReader],
    name: str | None,
    reporter: Reporter,
) -> Restored:
    """Each into a database of its own; all of them, or none."""
    if name and len(dumps) > 1:
        raise UsageMistake(
            _("{count} databases cannot come back as one.").format(count=len(dumps)),
            hint=_("Name one of them: {names}").format(names=", ".join(dumps)),
        )
    known: Mapping[str, Any] = point.facts.get("databases", {})
    came: dict[str, str] = {}
    comparisons: list[Comparison] = []
    if set(dumps) == _all(parts) and (lost := sorted(known.keys() - dumps.keys())):
        comparisons.append(Comparison("databases missing", [], lost))
    try:
        for database, part in dumps.items():
            beside.sweep(server, database)
            about = known.get(database, {})
            made = beside.create(server, database, about.get("charset", ""), about.get("collation", ""), name)
            came[database] = made
            _load(server, made, part, reporter)
            events = parts.get(f"{database}{EVENTS}")
            text = _read(events) if events else ""
            comparisons += _compare(server, database, made, about, reporter)
            beside.settle(server, made, text)
    except BaseException:
        for made in came.values():
            with suppress(HaechiError):
                beside.drop(server, made)
        raise
    return Restored(", ".join(came.values()), tuple(comparisons), {"beside": came, "databases": list(came)})


def _all(parts: Mapping[str, PartReader]) -> set[str]:
    """The databases of which there are dumps."""
    return {name.removesuffix(ENDING) for name in parts if not name.endswith(EVENTS)}


def _load(server: Server, database: str, part: PartReader, reporter: Reporter) -> None:
    doing = _("Loading {part}").format(part=part.info.name)
    with (
        reporter.step(part.info.name, part.info.size or None) as step,
        part.open() as stream,
        server.loading(database) as running,
    ):
        talk = threading.Thread(
            target=lambda: deque(iter(lambda: running.stdout.read(BUFFER), b""), 0), daemon=True
        )
        talk.start()
        try:
            while data := stream.read(BUFFER):
                view = memoryview(data)
                while view:
                    view = view[running.stdin.write(view) :]
                step.advance(len(data))
        except BrokenPipeError:
            pass  # why, is in what it said
        with suppress(OSError):
            running.stdin.close()
        talk.join()
        if running.wait() != 0:
            raise explain(running.said, doing)


def _compare(
    server: Server, database: str, made: str, about: Mapping[str, Any], reporter: Reporter
) -> Sequence[Comparison]:
    if "tables" not in about:
        return ()
    depth = "full" if any("digest" in one for one in about["tables"].values()) else "counts"
    title = _("{name}: counting what came back").format(name=database)
    with reporter.step(title, unit=""), server.session() as session:
        found = facts.count(session.execute, made, depth)
    return facts.compare(database, dict(about), found)


def _read(part: PartReader) -> str:
    with part.open() as stream:
        return stream.read().decode(errors="surrogateescape")
