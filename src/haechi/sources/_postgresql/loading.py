"""Carries one dump into one empty database: by pg_restore, several jobs at once, or by psql."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from haechi.events import Reporter, Step
from haechi.i18n import _
from haechi.sources._postgresql import blocks, contents, problems, several
from haechi.sources._postgresql.blocks import Blocks
from haechi.sources._postgresql.contents import Wish
from haechi.sources._postgresql.feeding import Counting, as_lines, conninfo, run, scratch
from haechi.sources._postgresql.incoming import Incoming
from haechi.sources._postgresql.script import Body
from haechi.sources._postgresql.server import Server

_MARGIN = 64 << 20  # bytes that stay free beside a spooled dump


@dataclass(frozen=True)
class Manner:
    """How a dump is brought in."""

    jobs: int = 1
    owners: bool = True
    tablespaces: bool = True
    over: bool = False  # into a database with something in it: what the dump has is replaced, all or nothing
    wishes: tuple[Wish, ...] = ()


def load(
    server: Server,
    database: str,
    incoming: Incoming,
    body: str | None,
    manner: Manner,
    reporter: Reporter,
    client: int,
    ends: Sequence[int] = (),
) -> None:
    """Bring it in, or raise. `body`: which database's of a script of many; `client`: the pg_dump that wrote it;
    `ends`: where the rows of its tables end, if that was noted."""
    title = _("Loading {name}").format(name=database)
    with reporter.step(title, total=incoming.size or None) as step:
        if incoming.kind == "sql":
            _by_psql(server, database, Counting.open(Body.open(incoming.open(), body), step))
        else:
            found = blocks.find(incoming.reader, ends) if incoming.kind == "custom" else None
            _by_pg_restore(server, database, incoming, found, manner, reporter, step, client)


def _by_psql(server: Server, database: str, stream: BinaryIO) -> None:
    psql = server.fitting().program("psql")
    argv = [
        psql,
        "--no-psqlrc",
        "--quiet",
        "--no-password",
        "--output=/dev/null",
        "--set=ON_ERROR_STOP=1",
        "--file=-",
    ]
    with stream:
        run(server, argv, database, stream)


def _by_pg_restore(
    server: Server,
    database: str,
    incoming: Incoming,
    found: Blocks | None,
    manner: Manner,
    reporter: Reporter,
    step: Step,
    client: int,
) -> None:
    pg_restore = server.fitting(client).program("pg_restore")
    argv = [pg_restore, "--no-password", f"--dbname={conninfo(database)}", "--exit-on-error"]
    if not manner.owners:
        argv += ["--no-owner", "--no-privileges"]
    if not manner.tablespaces:
        argv.append("--no-tablespaces")
    if manner.over:
        argv += ["--clean", "--if-exists", "--single-transaction"]
    if server.major < 17 <= client:
        # These write a setting that older servers do not know; nothing else may fail.
        argv.remove("--exit-on-error")
    with scratch(server) as directory:
        if manner.wishes:
            lines = _chosen(server, pg_restore, incoming, found, manner.wishes)
            directory.put("list", as_lines(lines))
            argv.append(f"--use-list={directory.path}/list")
            if found:
                # Only what is wanted is fetched.
                with found.open({int(line.partition(";")[0]) for line in lines}) as stream:
                    run(server, argv, database, Counting.open(stream, step))
                return
        jobs = manner.jobs if incoming.parallel and not manner.over else 1
        if jobs > 1 and found:
            several.load(server, database, argv, found, jobs, directory, step)
            return
        if jobs > 1 and directory.free < incoming.size + _MARGIN:
            reporter.note(_("There is no room to spool the dump, so it is loaded by one job."))
            jobs = 1
        if jobs == 1:
            with incoming.open() as stream:
                run(server, argv, database, Counting.open(stream, step))
            return
        with incoming.open() as stream:
            directory.put("dump", Counting.open(stream, step))
        run(server, [*argv, f"--jobs={jobs}", f"{directory.path}/dump"], database, None)


def _chosen(
    server: Server, pg_restore: str, incoming: Incoming, found: Blocks | None, wishes: Sequence[Wish]
) -> list[str]:
    def say(*arguments: str) -> str:
        with (
            problems.translated(_("Reading what is in the dump failed")),
            found.open(()) if found else incoming.open() as stream,
            server.place.start([pg_restore, *arguments], stdin=stream, user=server.run_as) as running,
        ):
            said = running.stdout.read()
            running.check()
            return said.decode(errors="surrogateescape")

    return contents.choose(say("--schema-only", "--verbose", "--file=-"), say("--list"), wishes)
