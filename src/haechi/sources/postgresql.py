"""# Back up and restore PostgreSQL

Haechi takes dumps with the server's own programs, wherever those are, and brings them back beside what is there.
Versions 11 to 18 are understood; 15, 17 and 18 are tested.

```toml
[service.erp]
source    = "postgresql"
at        = "docker:erp-postgres"       # or compose:db, ssh:backup@host; without it, this host
user      = "postgres"
databases = "all"                       # or "erp", or ["erp", "shop"]
backup    = "daily 02:00"
to        = ["vault.main", "archive.nas"]
checks    = [{ sql = "select count(*) from tenants", expect = "> 0" }]

[service.shop]
source = "postgresql"
url    = { env = "DATABASE_URL" }       # postgresql://user:password@host:5432/shop
```

## How the server is reached

By `url`, or by `host`, `port`, `user` and `password`; without a host by the local socket. `at` says where pg_dump
and psql run: with `docker:…` nothing needs to be installed here, and no port needs to be open. For peer
authentication, `run_as = "postgres"` runs them as that system user.

The password travels in the environment of those programs and in no command line. Let the user be a superuser, or
give it `pg_read_all_data`: a dump that leaves out what its user may not see is an error, not a smaller dump. Only
subscriptions are left out without one, because pg_dump shows them to superusers alone; a restore then says so.

Of several versions of pg_dump the nearest to the server is used that is not older than it. `bindir` names another.

## What is saved

| option | what it does |
|---|---|
| `databases` | `"all"`, a name or a list; without it the one that `url` names, or else all |
| `exclude_databases` | with all: shell patterns, such as `["test_*"]` |
| `globals` | roles, memberships and tablespaces too; by default with `databases = "all"` |
| `role_passwords` | `false` for a user that may not read them |
| `format` | `"custom"` (default), from which single tables come back, or `"plain"`: SQL text for psql |
| `what` | `"all"`, `"schema"` or `"data"` |
| `tables`, `schemas`, `exclude_tables`, `exclude_schemas`, `exclude_table_data` | pg_dump's patterns |
| `dump_options` | further options for pg_dump, such as `["--no-comments"]` |
| `facts` | what is counted for comparison: `"sampled"` (default), `"full"`, `"counts"`, `"none"` |

Dumps are not compressed by pg_dump: the vault and the archive do that better, and a vault finds in them what it has
already. Several plain dumps one after another are still one script, as pg_dumpall writes it: it makes the databases
and connects to each. The plain dump of one named database connects nowhere by itself: it goes into whichever
database psql is told, `gunzip -c backup.sql.gz | psql -d somewhere_else`.

All databases are dumped as of one moment (with more than twenty, the first twenty), each under a snapshot of its
own, as many at once as `[server] parallel` says. A dump that breaks off is begun anew, twice at most, under another
snapshot. So is a dump that meets a table which was truncated or rewritten between the snapshot and the dump's locks:
pg_dump alone would save it as empty.

## Facts

Under the very snapshot of the dump, the server counts the rows of each table and adds up a digest of them that does
not depend on their order. Tables above 100,000 rows or 32 MB are counted whole, and a share of their rows, chosen
by their key, goes into the digest: a lost row is always found, a changed one only if it is in the share. `full`
digests every row, and costs about as much as the dump itself. After a restore the same is counted again, and the
restore names the tables of which a share was compared.

## Bringing it back

`haechi restore erp` makes a new database beside the old one, `erp__haechi_20260128_120000`, loads the dump by
several jobs, counts again, and asks the plan's checks. The old database is not touched. Then:

- `haechi beside swap erp` exchanges the two by name, within one transaction. Sessions are cut off, and find the new
  one when they connect again. The old one is kept as `erp__before_20260128_120500`.
- `haechi beside undo erp` takes that back. `haechi beside finish erp` removes the old one for good.

If the restore fails or is killed, what it has made is removed, at the latest by the next one.

In place, whole and from `format = "custom"`: what the dump has replaces what the database has, in one transaction.
Tables that are not in the dump stay. Subscriptions let go of their slots before, because one with a slot cannot be
dropped in a transaction, and take them up again if it fails. Any other dump is loaded beside and exchanged if it is
equal.

Single tables come back with their indexes, keys, triggers and sequences, and with the types and functions that they
need: `erp:public.orders`; a schema as `erp:sales.*`; a database out of many as `erp`. They lie beside, to be copied
from. From a vault only their own rows are fetched, not the whole dump.

A restore may go elsewhere, with the target's own `url` (or `host`, …) and `at`:

| option of the target | what it does |
|---|---|
| `database` | the name of the new database |
| `roles` | owners by new names, `{ old = "new" }`, for roles that do not exist there |
| `owners` | `false`: all belongs to the user who restores |

Roles that are missing there are made from the globals; those that exist are left as they are.

Subscriptions come back switched off, and on their old slots: `alter subscription … enable` when the old database
has let go of them. What lies beside is removed without a word to the publisher.

Somebody else's dumps are taken too: SQL text of pg_dump or pg_dumpall, custom and tar format, also packed by gzip or
zstd; in an archive's tree, or any file by itself: `haechi restore erp --file /mnt/usb/backup.sql.gz`. It comes back
beside, and because nothing was counted when it was made, the plan's checks alone are asked. A dump that does not say
whose it is counts as that of the one database which the plan names; else name it, or it is called as its file is.
SQL text is a program: restore only what you trust.

## Rehearsed

A drill brings it back in a server of its own that is as new as the service's, in a container of any image
(`into = "docker:postgres:15-alpine"`), or in a scratch database beside or on another server, and has `pg_amcheck`
look at every heap and every B-tree. `haechi verify` reads what is stored with pg_restore, and needs no server for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from haechi.errors import UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.places._base import Place
from haechi.places._open import open_place
from haechi.sources import _columns
from haechi.sources._base import Capture, PartReader, Probe, Rehearsed, Restored, Source, Wanted
from haechi.sources._postgresql import (
    asking,
    beside,
    capture,
    catalog,
    dump,
    listing,
    rehearsal,
    restore,
    slots,
)
from haechi.sources._postgresql.beside import Beside
from haechi.sources._postgresql.options import Options, Target
from haechi.sources._postgresql.server import Server

__all__ = ["Options", "Target", "PostgreSQL", "build"]


def build(name: str, options: Options, place: Place) -> Source:
    return PostgreSQL(name, options, place)


def fitted(options: Options, forms: Collection[str]) -> Options:
    """The same options with streams that archives can hold: an archive of `.sql.gz` wants SQL text. What the plan
    says itself is left as it is."""
    if "format" in options.model_fields_set or "sql" not in forms:
        return options
    return options.model_copy(update={"format": "plain"})


def check_into(into: str) -> None:
    """Whether a plan may name this as the place of a drill. Raises UsageMistake."""
    rehearsal.check_into(into)


def place_of_drill(into: str) -> str:
    """What is to be said about this place beforehand; nothing if it is ready. Raises what a drill would."""
    return rehearsal.ready(into)


def main_form(options: Options) -> str:
    """The form of the dumps: the plan looks whether the archives' layouts can hold it."""
    return dump.FORMS[options.format]


class PostgreSQL:
    """One PostgreSQL server of the plan."""

    kept_as = "__before_"

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    def server(self) -> Server:
        """As it is now: the secrets are fetched here."""
        options = self.options
        return Server(self.place, options.address(), options.maintenance, options.bindir, options.run_as)

    def databases(self, server: Server) -> Sequence[str]:
        """The databases that a capture would take now."""
        wanted = self.options.databases or server.address.database or "all"
        chosen = [wanted] if isinstance(wanted, str) and wanted != "all" else wanted
        with server.administration() as session:
            return catalog.choose(session, chosen, self.options.exclude_databases)

    def probe(self) -> Probe:
        self.place.probe()
        server = self.server()
        names = self.databases(server)
        clients = server.fitting()
        with server.administration() as session:
            size = catalog.size(session, names)
            waiting = slots.warnings(session)
        return Probe(
            version=f"{server.version // 10000}.{server.version % 10000}",
            size=size,
            details={"databases": list(names), "client": ".".join(map(str, clients.version))},
            warnings=waiting,
        )

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        server = self.server()
        names = self.databases(server)
        with capture.capture(server, names, self.options, reporter) as captured:
            yield captured

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        target = Target.read(wanted.target)
        server = self.target_server(target)
        chosen = restore.items(point, parts, wanted, self._alone(server, target))
        under_way = restore.Restore(server, point, target, wanted, reporter)
        return under_way.run(chosen, None if wanted.only else parts.get(dump.GLOBALS))

    def rehearse(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> AbstractContextManager[Rehearsed]:
        return rehearsal.rehearse(
            self.server,
            lambda there: self.restore(point, parts, there, reporter),
            point,
            parts,
            wanted,
            into,
            reporter,
        )

    def listing(
        self, point: RestorePoint, parts: Mapping[str, PartReader], reporter: Reporter
    ) -> Mapping[str, int]:
        return listing.listing(point, parts, reporter)

    def _alone(self, server: Server, target: Target) -> str | None:
        """The database of this service, if it is one."""
        chosen = self.options.databases
        if chosen is None and not target.elsewhere:
            return server.address.database
        return chosen[0] if isinstance(chosen, tuple) and len(chosen) == 1 else None

    def target_server(self, target: Target) -> Server:
        """Where a restore with these options goes: a server of its own, or the service's."""
        if not target.elsewhere:
            return self.server()
        place = open_place(target.at) if target.at else self.place
        return Server(place, target.address(), target.maintenance, target.bindir, target.run_as)

    def swap(self, database: str) -> str:
        """Put what came back beside this database in its place; gives back the name under which the old one is
        kept until `finish`."""
        return beside.swap(self.server(), database)

    def undo(self, database: str) -> str:
        """Put the old database back in its place; what had replaced it lies beside again."""
        return beside.undo(self.server(), database)

    def finish(self, database: str) -> list[str]:
        """Remove what lies beside this database, old or come back; gives back what is gone."""
        return beside.finish(self.server(), database)

    def lying_beside(self) -> list[Beside]:
        """What restores have left beside the databases, oldest first."""
        with self.server().administration() as session:
            return [lying for lying in beside.marked(session) if lying.state != beside.DRILLED]

    def execute(self, sql: str, seconds: float) -> None:
        """In the one database of this service, or in the maintenance database where there are several."""
        server = self.server()
        asking.execute(server, self._alone(server, Target.read({})) or self.options.maintenance, sql, seconds)

    def values(self, sql: str, database: str = "", *, beside: bool = False) -> Iterator[str]:
        server = self.server()
        return asking.values(server, self._asked(server, database, beside), sql)

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        server = self.server()
        column = _columns.column(where)
        return asking.missing(server, self._asked(server, column.database, beside), column, values)

    def _asked(self, server: Server, database: str, restored: bool) -> str:
        """The database of this name, the one there is if none is named, or what came back and lies beside it."""
        if not database and (alone := self._alone(server, Target.read({}))) is None:
            found = self.databases(server)
            if len(found) != 1:
                raise UsageMistake(
                    _("“{service}” has several databases.").format(service=self.name),
                    hint=_("Say which one is asked: {names}").format(names=", ".join(found)),
                )
            alone = found[0]
        database = database or alone or ""
        if restored:
            with server.administration() as session:
                waiting = beside.marked(session, database, beside.RESTORED)
            return waiting[-1].name if waiting else database
        return database
