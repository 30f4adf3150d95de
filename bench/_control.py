"""What one run costs a fleet's control database, by itself: `python -m bench._control [RUNS]`.

The figures of docs/design/fleet-on-paper.md: a PostgreSQL of its own, a daemon that does real backups of a small
service, and what has come to the database's tables and its processes when they are over. Then every statement is
counted, by the database itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from haechi import clock
from haechi.app import open_home, serving
from haechi.engine import caller
from haechi.engine.ledger import Ledger
from haechi.events import SILENT
from haechi.sources._postgresql import embedded

_PLAN = """
[plan]
name = "units"
language = "en"
[server]
state = "{root}/state"
journal = {{ env = "HAECHI_JOURNAL" }}
parallel = 2
[vault.main]
url = "{root}/vault"
key = {{ env = "HAECHI_BENCH_KEY" }}
"""
_SERVICE = """
[service.s{n}]
source = "command"
dump = ["echo", "{n}"]
to = "vault.main"
backup = "{when}"
"""
_SERVICES = 10
_IDLE = 30.0
_IDLE_COUNTED = 120.0
_WHEN = "yearly 01-01 03:00"
_OWN = (
    "pg_stat_statements",
    "workflow_uuid LIKE $1 AND status = ",
)  # what is asked here to count and to wait
_COUNTS = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.max": "5000"}


def main(count: int) -> None:
    root = Path(tempfile.mkdtemp(prefix="haechi-units-"))
    root.chmod(0o711)  # PostgreSQL does not run as root, and its user passes through here
    server = embedded.create(root / "pg")
    embedded.launch(server, settings={**embedded.THROWAWAY, **_COUNTS})
    try:
        _measure(root, server, count)
    finally:
        server.stop()


def _measure(root: Path, server: embedded.EmbeddedServer, count: int) -> None:
    url = f"postgresql://{server.user}:{server.password.reveal()}@127.0.0.1:{server.port}/postgres"
    os.environ |= {"HAECHI_JOURNAL": url, "HAECHI_BENCH_KEY": "a long passphrase"}
    plan = root / "haechi.toml"
    plan.write_text(
        _PLAN.format(root=root) + "".join(_SERVICE.format(n=n, when=_WHEN) for n in range(_SERVICES))
    )
    home = open_home(plan)
    home.create_vault("main")
    log = root / "log"
    with log.open("wb") as out:
        argv = [sys.executable, "-m", "haechi", "--plan", str(plan), "serve"]
        daemon = subprocess.Popen(argv, stdout=out, stderr=out)
    while "Ready" not in log.read_text():
        time.sleep(0.1)
    try:
        names = [f"s{n}" for n in range(_SERVICES)]
        at = {name: serving.near(home, name) for name in names}
        caller.back_up(home.state, home.plan.digest, names, SILENT, at=at)  # what is made once is there now
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE EXTENSION pg_stat_statements")
        idle = _cpu(server.pid)
        time.sleep(_IDLE)
        idle = _cpu(server.pid) - idle
        print(f"idle: {idle / _IDLE * 100:.2f} % of a core")
        with engine.connect() as connection:
            before = dict(_tables(connection))
        cpu, began = _cpu(server.pid), time.monotonic()
        for _turn in range(count // _SERVICES):
            caller.back_up(home.state, home.plan.digest, names, SILENT, at=at)
        seconds = time.monotonic() - began
        cpu = _cpu(server.pid) - cpu
        with engine.connect() as connection:
            after = dict(_tables(connection))
        runs = count // _SERVICES * _SERVICES
        print(f"{runs} runs in {seconds:.0f} s, less what {seconds:.0f} idle seconds cost:")
        print(f"CPU of the database a run: {(cpu - idle / _IDLE * seconds) / runs * 1000:.1f} ms")
        total = Counter[str]()
        for name, (rows, size) in after.items():
            grown, larger = rows - before[name][0], size - before[name][1]
            if grown:
                print(f"  {name}: {grown / runs:.1f} rows, {larger / runs:.0f} bytes with indexes")
            total["rows"] += grown
            total["bytes"] += larger
        print(f"  together: {total['rows'] / runs:.1f} rows, {total['bytes'] / runs:.0f} bytes")
        _count(engine, names)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(90)


def _count(engine: Engine, names: Sequence[str]) -> None:
    """Statements and transactions of a minute without work, and of a run that was due, less what that time costs
    anyway."""
    idle = _counted(engine, lambda: time.sleep(_IDLE_COUNTED))
    print(f"a minute without work: {_spoken({k: v * 60 / _IDLE_COUNTED for k, v in idle.items()})}")
    began = time.monotonic()
    busy = _counted(engine, lambda: _made_up_for(engine, names))
    share = (time.monotonic() - began) / _IDLE_COUNTED
    print(f"a run: {_spoken({k: (busy[k] - idle[k] * share) / len(names) for k in busy})}")


def _made_up_for(engine: Engine, names: Sequence[str]) -> None:
    """As if this host had slept: each has missed its turn, and nobody waits for it at the door."""
    ledger = Ledger(engine)
    for name in names:
        ledger.fire(f"backup {name}", _WHEN, clock.now() - timedelta(days=500))
    ended = (
        "SELECT count(*) FROM dbos.workflow_status WHERE workflow_uuid LIKE %(turn)s AND status = 'SUCCESS'"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while (connection.exec_driver_sql(ended, {"turn": "%T%Z"}).scalar() or 0) < len(names):
            time.sleep(1)


def _counted(engine: Engine, work: Callable[[], object]) -> Counter[str]:
    """What the database is asked meanwhile by others than us."""
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_stat_statements_reset()")
        connection.commit()
    work()
    found = Counter[str]()
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT query, calls FROM pg_stat_statements").all()
    for query, calls in rows:
        word = query.split(None, 1)[0].upper()
        if word.startswith(("BEGIN", "START")):
            found["transactions"] += calls
        elif not word.startswith(("COMMIT", "ROLLBACK")) and not any(own in query for own in _OWN):
            found["statements"] += calls
            found["of these of the engine's library"] += calls * ("dbos." in query)
    return found


def _spoken(counts: Mapping[str, float]) -> str:
    return ", ".join(f"{count:.1f} {what}" for what, count in counts.items())


def _tables(connection: object) -> Iterator[tuple[str, tuple[int, int]]]:
    """Rows, and bytes with indexes and what is stored beside."""
    found = connection.execute(  # type: ignore[attr-defined]
        text(
            "SELECT schemaname || '.' || relname, quote_ident(schemaname) || '.' || quote_ident(relname) "
            "FROM pg_stat_user_tables ORDER BY 1"
        )
    ).all()
    for name, quoted in found:
        counted = f"SELECT count(*), pg_total_relation_size('{quoted}') FROM {quoted}"
        rows, size = connection.execute(text(counted)).one()  # type: ignore[attr-defined]
        yield name, (rows, size)


def _cpu(postmaster: int) -> float:
    """User and system seconds of the server with all its processes, those that have ended too."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == postmaster:
            ticks += sum(int(field) for field in fields[11:15])
        elif int(fields[1]) == postmaster:
            ticks += sum(int(field) for field in fields[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
