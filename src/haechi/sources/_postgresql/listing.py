"""Reads dumps to their end with pg_restore, into nothing: its table of contents, and every block of every table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from haechi.errors import Damaged, HaechiError, ProgramFailed, ProgramMissing, UsageMistake, VersionMismatch
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources._base import PartReader
from haechi.sources._postgresql import clients, incoming, problems
from haechi.sources._postgresql.feeding import Counting
from haechi.sources._postgresql.incoming import Incoming

_DATA = " TABLE DATA "


def listing(point: RestorePoint, parts: Mapping[str, PartReader], reporter: Reporter) -> Mapping[str, int]:
    """What is in there. SQL text has no table of contents: its end is looked at by whoever reads it."""
    found = {"entries": 0, "tables": 0}
    for name, part in parts.items():
        if part.info.form == "sql":
            continue
        dump = _recognised(part)
        if dump.kind != "custom":
            continue
        try:
            pg_restore = _program(point)
            entries = _listed(pg_restore, dump)
            _read_to_its_end(pg_restore, dump, reporter)
        except (ProgramMissing, VersionMismatch) as problem:
            reporter.note(
                _("{name} was not read by pg_restore: {reason}").format(name=name, reason=problem.message)
            )
            return {}
        found["entries"] += len(entries)
        found["tables"] += sum(_DATA in entry for entry in entries)
    return found if found["entries"] else {}


def _recognised(part: PartReader) -> Incoming:
    try:
        return incoming.recognise(part)
    except UsageMistake as problem:
        raise _damaged(problem.message) from None


def _program(point: RestorePoint) -> str:
    """A pg_restore of this host that reads what the point's pg_dump wrote."""
    major = int(str(point.facts.get("client", "0")).split(".")[0])
    return clients.fitting(clients.find(LocalPlace(), None), major).program("pg_restore")


def _listed(pg_restore: str, dump: Incoming) -> list[str]:
    with (
        _explained(dump),
        dump.open() as stream,
        LocalPlace().start([pg_restore, "--list"], stdin=stream) as running,
    ):
        said = running.stdout.read().decode(errors="replace")
        running.check()
    return [line for line in said.splitlines() if line and not line.startswith(";")]


def _read_to_its_end(pg_restore: str, dump: Incoming, reporter: Reporter) -> None:
    title = _("Reading {name} as its own format").format(name=dump.reader.info.name)
    with reporter.step(title, dump.size or None) as step, _explained(dump):
        stream = Counting.open(dump.open(), step)
        with stream, LocalPlace().start([pg_restore, "--file=/dev/null"], stdin=stream) as running:
            running.stdout.read()
            running.check()


@contextmanager
def _explained(dump: Incoming) -> Iterator[None]:
    """What pg_restore cannot read is damaged, unless it is merely newer than the program."""
    try:
        yield
    except ProgramFailed as problem:
        meant = problems.explain(problem.detail, _("pg_restore cannot read it"))
        if isinstance(meant, VersionMismatch):
            raise meant from problem
        raise _damaged(f"{dump.reader.info.name}: {meant.message}") from problem


def _damaged(message: str) -> HaechiError:
    return Damaged(message, hint=_("Use another copy of this restore point, or an older one."))
