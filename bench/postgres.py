"""PostgreSQL: whole commands against what most teams run, on a database whose dump is over a gigabyte.

The limit is what pg_dump itself takes into /dev/null; nobody who uses it can be faster.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench._base import Comparison
from bench._memory import peak_of
from haechi.sources._postgresql import embedded

_BINDIR = Path(
    "/usr/lib/postgresql/15/bin"
)  # the version that teams have, and pg_dump's figures are known of
_ROWS, _QUICK_ROWS = 6_500_000, 300_000
LEFT_OUT = "the vault, the restore, and by how much pg_dump | gzip is to be beaten"
_TABLES = """
create table customer (id int primary key, name text, email text, since timestamptz);
create table orders (id bigint, customer int, at timestamptz, amount numeric(12, 2), status text, note text);
insert into customer select i, md5(i::text), md5((i * 7)::text) || '@example.com',
       '2020-01-01'::timestamptz + i * interval '1 minute' from generate_series(1, 200000) i;
"""
_FILL = """
insert into orders select i, 1 + (i::bigint * 7919) % 200000, '2024-01-01'::timestamptz + i * interval '7 seconds',
       (hashint4(i) & 1048575) / 100.0, (array['new', 'paid', 'sent', 'done'])[1 + i % 4],
       md5(i::text) || ' ' || md5((i / 3)::text) || ' order of customer, please deliver before noon'
from generate_series({first}, {last}) i;
"""
_INDEXES = """
alter table orders add primary key (id);
create index on orders (customer);
create index on orders (at);
"""
_SETTLE = "vacuum analyze"  # or the server does it by itself, in the middle of a run


@dataclass
class Ground:
    """A filled database and a plan for it."""

    server: embedded.EmbeddedServer
    work: Path
    peak: float = 0.0  # the most memory that any program of haechi has held since this was last set, in MiB
    vault_is_new: bool = False

    @property
    def env(self) -> dict[str, str]:
        key = {
            "HAECHI_STATE": str(self.work / "state"),
            "RESTIC_PASSWORD": "benchmark",
            "HAECHI_KEY": "benchmark",
        }
        return {**os.environ, **self.server.environment, **key, "TMPDIR": str(self.work)}

    def run(self, *argv: object) -> None:
        subprocess.run([str(a) for a in argv], env=self.env, stdout=subprocess.DEVNULL, check=True)

    def pipe(self, *commands: tuple[object, ...], into: Path | None = None) -> None:
        """Programs behind each other; each must end well."""
        children: list[subprocess.Popen[bytes]] = []
        with (into or Path(os.devnull)).open("wb") as last:
            for number, argv in enumerate(commands):
                out = last if number == len(commands) - 1 else subprocess.PIPE
                given = children[-1].stdout if children else None
                children.append(
                    subprocess.Popen([str(a) for a in argv], env=self.env, stdin=given, stdout=out)
                )
                if given:
                    given.close()
            if any(status for status in [child.wait() for child in children]):
                raise RuntimeError(f"failed: {commands}")

    def haechi(self, *argv: object) -> None:
        self.vault_is_new = False
        command = ("--plan", self.work / "haechi.toml", "--yes", "--quiet", *argv)
        self.peak = max(self.peak, peak_of(command, self.env))

    def psql(self, sql: str, database: str = "shop") -> None:
        self.run(_BINDIR / "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql)

    @property
    def pg_dump(self) -> tuple[object, ...]:
        return (_BINDIR / "pg_dump", "shop")

    def no_vault(self) -> None:
        if self.vault_is_new:
            return
        for name in ("vault", "state", "restic"):
            shutil.rmtree(self.work / name, ignore_errors=True)
        self.haechi("vault", "init", "main")
        if shutil.which("restic"):
            self.run("restic", "-q", "-r", self.work / "restic", "init")
        self.vault_is_new = True

    def plan(self) -> None:
        url = self.server.url_of("shop")
        (self.work / "haechi.toml").write_text(
            f"""
            [plan]
            name = "bench"
            timezone = "UTC"
            [vault.main]
            url = "{self.work}/vault"
            key = {{ env = "HAECHI_KEY" }}
            [archive.plain]
            url = "{self.work}/archive"
            layout = "{{service}}_{{time:%Y%m%d_%H%M%S}}.sql.gz"
            [service.vaulted]
            source = "postgresql"
            url = "{url}"
            bindir = "{_BINDIR}"
            to = ["vault.main"]
            [service.archived]
            source = "postgresql"
            url = "{url}"
            bindir = "{_BINDIR}"
            format = "plain"
            to = ["archive.plain"]
            """
        )


def comparisons(quick: bool, work: Path) -> Iterable[Comparison]:
    rows = _QUICK_ROWS if quick else _ROWS
    with embedded.start_embedded(work / "server", bindir=_BINDIR) as server:
        ground = Ground(server, work)
        ground.psql("create database shop", "postgres")
        ground.psql(_TABLES)
        for sql in (_FILL.format(first=1, last=rows), _INDEXES, _SETTLE):
            ground.psql(sql)
        ground.plan()
        if quick:
            yield from _archive(ground, f", {rows} rows")
            return
        yield from _archive(ground)
        yield from _vault(ground, rows)
        yield from _restore(ground)


def _archive(ground: Ground, few: str = "") -> Iterable[Comparison]:
    """With few rows the start of a whole command is a large share: it is to be no slower, and pg_dump's own time says
    nothing."""
    gzipped = ground.work / "gzip.sql.gz"

    def limit() -> None:
        ground.pipe(ground.pg_dump)

    def gzip() -> None:
        ground.pipe(ground.pg_dump, ("gzip",), into=gzipped)

    def ours() -> None:
        shutil.rmtree(ground.work / "archive", ignore_errors=True)
        ground.haechi("backup", "archived", "--no-prune")

    ground.peak = 0.0
    if few:
        yield Comparison(f"dump to .sql.gz, pg_dump | gzip{few}", ours, 1.0, gzip)
    else:
        yield Comparison("dump to .sql.gz, pg_dump | gzip", ours, 1 / 4.5, gzip, limit, limit_goal=1.4)
    yield Comparison(
        "size of the .sql.gz",
        lambda: max(path.stat().st_size for path in (ground.work / "archive").rglob("*.sql.gz")) / 1e6,
        1.02,
        theirs=lambda: gzipped.stat().st_size / 1e6,
        unit="MB",
        runs=1,
    )
    yield Comparison("memory of it", lambda: ground.peak, 300, unit="MiB", runs=1)
    gzipped.unlink()


def _vault(ground: Ground, rows: int) -> Iterable[Comparison]:
    def ours() -> None:
        ground.haechi("backup", "vaulted", "--no-prune")

    def restic() -> None:
        ground.vault_is_new = False
        ground.pipe(ground.pg_dump, ("restic", "-q", "-r", ground.work / "restic", "backup", "--stdin"))

    def limit() -> None:
        ground.pipe(ground.pg_dump)

    ground.peak = 0.0
    yield Comparison(
        "dump into a new vault, restic",
        ours,
        1 / 1.6,
        theirs=restic if shutil.which("restic") else None,
        limit=limit,
        before=ground.no_vault,
        limit_goal=1.5,
    )
    yield Comparison("memory of it", lambda: ground.peak, 300, unit="MiB", runs=1)
    ground.no_vault()
    ours()
    full = _size(ground.work / "vault")
    ground.psql(_FILL.format(first=rows + 1, last=rows + rows // 20))
    ground.psql(_SETTLE)

    def stored() -> float:
        before = _size(ground.work / "vault")
        ours()
        return (_size(ground.work / "vault") - before) / full

    yield Comparison("stored again after 5 % appended, share", stored, 0.08, unit="", runs=1)
    yield Comparison("dump again, the limit", ours, 1.25, limit=limit)


def _restore(ground: Ground) -> Iterable[Comparison]:
    dump = ground.work / "bare.dump"
    ground.run(_BINDIR / "pg_dump", "-Fc", "-Z0", "-f", dump, "shop")

    def clean() -> None:
        ground.haechi("beside", "finish", "vaulted") if _beside(ground) else None
        ground.psql("drop database if exists bare", "postgres")
        ground.psql("create database bare template template0", "postgres")

    def bare() -> None:
        ground.run(_BINDIR / "pg_restore", "-j2", "-d", "bare", dump)

    def ours() -> None:
        ground.haechi("restore", "vaulted", "--jobs", 2)

    yield Comparison("restore from the vault, pg_restore -j2 of a file", ours, 1.1, theirs=bare, before=clean)


def _beside(ground: Ground) -> bool:
    asked: list[str | Path] = [
        _BINDIR / "psql",
        "-XAtqd",
        "postgres",
        "-c",
        "select datname from pg_database",
    ]
    said = subprocess.run(asked, env=ground.env, capture_output=True, check=True).stdout
    return b"__haechi_" in said


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
