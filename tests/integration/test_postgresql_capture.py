"""A capture is one moment, or it is an error that says what to do; never a short dump."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from haechi.errors import (
    AccessRefused,
    HaechiError,
    NotThere,
    ProgramMissing,
    ServerUnavailable,
    SourceChanged,
    VersionMismatch,
)
from haechi.events import SILENT
from haechi.model import PartInfo
from tests.integration.postgresql_ground import AWKWARD, bring_back, database, service, take, text, unequal
from tests.servers.postgres import Postgres, bindir, running

pytestmark = pytest.mark.server

ROWS = "create table t as select i, md5(i::text) as what from generate_series(1, 1000) i"
BIG = "create table big as select i, repeat(md5(i::text), 20) as what from generate_series(1, 60000) i"


def test_dump_and_facts_are_of_the_same_moment(postgres: Postgres) -> None:
    with database(postgres, ROWS) as name:
        erp = service(postgres, database=name)
        with erp.capture(SILENT) as capture:
            postgres.psql("delete from t where i > 10; create table later ()", name)
            with capture.parts[0].open() as stream:
                data = stream.read()
            facts = capture.facts()["databases"][name]
        assert facts["tables"]["public.t"]["rows"] == 1000
        assert "public.later" not in facts["tables"]
        assert b"later" not in data
        kept = take(erp)
        kept.data[facts["part"]] = data
        changed = kept.point.facts["databases"][name]
        changed.clear()
        changed.update(facts)
        assert unequal(bring_back(erp, kept)) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("update t set what = 'x' where i = 77", "public.t"),
        ("delete from t where i = 5", "public.t"),
        ("insert into t select * from t where i = 5", "public.t"),
        ("update t set i = 1001 - i", "public.t"),
        ("drop table t", "public.t"),
        ("drop view v", "views"),
        ("drop index t_what", "indexes"),
        ("select lo_unlink(4711)", "large objects"),
        ("alter sequence s restart 3", "sequences"),
        ("drop function f()", "functions"),
    ],
)
def test_every_difference_is_found(postgres17: Postgres, change: str, what: str) -> None:
    from haechi.sources._postgresql import facts

    sql = f"""{ROWS}; create index t_what on t (what); create table other (); create view v as select 1;
    select lo_create(4711); create sequence s; select setval('s', 10); create function f() returns int
    language sql as 'select 1'"""
    with database(postgres17, sql) as name:
        erp = service(postgres17, database=name)
        known = take(erp).point.facts["databases"][name]
        with erp.server().session(name) as session:
            assert all(c.equal for c in facts.compare(session, known))
        postgres17.psql(change, name)
        with erp.server().session(name) as session:
            different = [c.what for c in facts.compare(session, known) if not c.equal]
        assert any(what in line for line in different), different


def test_large_tables_are_sampled_by_their_key_wherever_rows_lie(postgres17: Postgres) -> None:
    from haechi.sources._postgresql import facts

    sql = """
    create table big (id int primary key, what text);
    insert into big select i, md5(i::text) from generate_series(1, 300000) i;
    analyze big;
    """
    with database(postgres17, sql) as name:
        erp = service(postgres17, database=name)
        began = time.monotonic()
        with erp.server().session(name) as session:
            session.execute("begin isolation level repeatable read")
            known = facts.gather(session, "sampled")
        cost = time.monotonic() - began
        assert known["tables"]["public.big"]["every"] == 2
        postgres17.psql("create table other as select * from big order by what", name)
        postgres17.psql("drop table big; alter table other rename to big", name)
        with erp.server().session(name) as session:
            assert all(c.equal for c in facts.compare(session, known, ["public.big"]))
        postgres17.psql("update big set what = 'x' where id % 100 = 0", name)
        with erp.server().session(name) as session:
            assert not any(c.equal for c in facts.compare(session, known, ["public.big"]))
        assert cost < 10


def test_all_databases_with_roles_are_one_script_for_psql(postgres17: Postgres) -> None:
    """The parts one after another are what pg_dumpall writes: psql alone brings them back on a bare server."""
    postgres17.psql("create role clerk login password 'secret'; create role staff; grant staff to clerk")
    try:
        with (
            database(postgres17, AWKWARD.read_text(), name="joined_one") as one,
            database(postgres17, "create table u as select 7 as n", name="joined Two") as two,
            running(17) as bare,
        ):
            postgres17.psql(f"alter database {one} owner to clerk")
            erp = service(postgres17, databases="all", exclude_databases=["t_*"], format="plain")
            kept = take(erp)
            assert next(iter(kept.data)) == "globals.sql"
            script = b"".join(kept.data.values())
            # Somebody else carries it out, because it gives `postgres` the password it had.
            bare.psql("create role restorer superuser login password 'x'")
            env = {**os.environ, **bare.env, "PGUSER": "restorer", "PGPASSWORD": "x"}
            reset = f"\n\\connect postgres\nalter role postgres password '{bare.password}';\n"
            psql = [
                bare.bindir / "psql",
                "-X",
                "-q",
                "-d",
                "postgres",
                "-v",
                "ON_ERROR_STOP=0",
                "-f",
                "-",
                "-o",
                "/dev/null",
            ]
            done = subprocess.run(
                psql,
                input=script + reset.encode(),
                env=env,
                capture_output=True,
                timeout=100,
                check=False,
            )
            errors = [line for line in done.stderr.decode().splitlines() if "rror" in line]
            assert [line for line in errors if 'role "postgres" already exists' not in line] == []
            reordered = "--exclude-table=public.dog"
            assert text(bare, one, reordered) == text(postgres17, one, reordered)
            assert bare.psql("select n from u", two) == "7"
            assert bare.psql(
                "select rolname from pg_roles where pg_has_role('clerk', oid, 'member') order by 1"
            ) == ("clerk\nstaff")

            # And one of them comes back beside out of the joined file, as an archive keeps it.
            joined = take(erp)
            joined.data = {"erp.sql": script}
            point = joined.point
            joined.point = type(point)(
                point.id, point.service, point.source, point.time, facts=point.facts, parts=(_info(script),)
            )
            restored = bring_back(erp, joined, one)
            assert unequal(restored) == []
            assert text(postgres17, restored.where, reordered) == text(postgres17, one, reordered)
    finally:
        postgres17.psql("drop role clerk; drop role staff")


def _info(script: bytes) -> PartInfo:
    return PartInfo("erp.sql", "sql", len(script))


def test_onto_another_server_with_the_missing_roles(postgres15: Postgres) -> None:
    postgres15.psql("create role keeper login password 'secret'; create role team; grant team to keeper")
    try:
        with database(postgres15, f"{ROWS}; alter table t owner to keeper") as name, running(17) as other:
            erp = service(postgres15, database=name, globals=True)
            kept = take(erp)
            target = {"url": other.url, "bindir": str(other.bindir)}
            restored = bring_back(erp, kept, target=target)
            assert unequal(restored) == []
            assert (
                other.psql("select tableowner from pg_tables where tablename = 't'", restored.where)
                == "keeper"
            )
            assert postgres15.psql(f"select count(*) from pg_database where datname like '{name}%'") == "1"
            # The other server's own administrator keeps its password.
            assert other.psql("select 1") == "1"
    finally:
        postgres15.psql("drop role if exists keeper; drop role team")


def test_a_refused_password_says_so(postgres17: Postgres) -> None:
    erp = service(postgres17, url=f"postgresql://postgres:wrong@127.0.0.1:{postgres17.port}/")
    with pytest.raises(AccessRefused) as raised:
        erp.probe()
    assert "password" in raised.value.hint
    assert "wrong" not in repr(raised.value.as_dict())


def test_a_server_that_is_not_there_says_so(postgres17: Postgres, free_port: int) -> None:
    erp = service(postgres17, url=f"postgresql://postgres@127.0.0.1:{free_port}/")
    with pytest.raises(ServerUnavailable) as raised:
        erp.probe()
    assert raised.value.retryable
    assert "refused" in raised.value.message


def test_a_database_that_is_not_there_says_so(postgres17: Postgres) -> None:
    with pytest.raises(NotThere) as raised:
        take(service(postgres17, database="nowhere"))
    assert "postgres" in raised.value.hint


def test_a_pg_dump_older_than_the_server_is_not_used(postgres17: Postgres) -> None:
    erp = service(postgres17, bindir=str(bindir(15)))
    with pytest.raises(VersionMismatch) as raised:
        erp.probe()
    assert "postgresql-client" in raised.value.hint
    with pytest.raises(VersionMismatch):
        take(erp)


def test_the_nearest_client_is_found_by_itself(postgres15: Postgres, postgres17: Postgres) -> None:
    for server in (postgres15, postgres17):
        erp = service(server, bindir=None)
        assert erp.probe().details["client"].startswith(f"{server.version}.")


def test_a_missing_pg_dump_says_so(postgres17: Postgres, tmp_path: Path) -> None:
    with pytest.raises(ProgramMissing):
        service(postgres17, bindir=str(tmp_path)).probe()


def test_a_user_without_rights_says_so(postgres17: Postgres) -> None:
    postgres17.psql("create role guest login password 'guest'")
    try:
        with database(postgres17, ROWS) as name:
            erp = service(
                postgres17,
                url=f"postgresql://guest:guest@127.0.0.1:{postgres17.port}/postgres",
                database=name,
            )
            with pytest.raises(AccessRefused) as raised:
                take(erp)
            assert "pg_read_all_data" in raised.value.hint
    finally:
        postgres17.psql("drop role guest")


@pytest.mark.parametrize("form", ["custom", "plain"])
def test_a_connection_lost_half_way_is_an_error_and_no_short_dump(postgres17: Postgres, form: str) -> None:
    with database(postgres17, BIG) as name:
        erp = service(postgres17, database=name, format=form, facts="none")
        with erp.capture(SILENT) as capture, capture.parts[0].open() as stream:
            assert stream.read(1 << 20)
            postgres17.psql(
                f"select pg_terminate_backend(pid) from pg_stat_activity "
                f"where datname = '{name}' and query like 'COPY%'"
            )
            with pytest.raises(HaechiError) as raised:
                while stream.read(1 << 20):
                    pass
        assert raised.value.retryable
        assert isinstance(raised.value, ServerUnavailable)


def test_a_pg_dump_that_is_killed_is_an_error(postgres17: Postgres) -> None:
    with database(postgres17, BIG) as name:
        erp = service(postgres17, database=name)
        with erp.capture(SILENT) as capture, capture.parts[0].open() as stream:
            assert stream.read(1 << 20)
            os.kill(stream.raw._output.running.pid, signal.SIGKILL)  # type: ignore[attr-defined]
            with pytest.raises(HaechiError) as raised:
                while stream.read(1 << 20):
                    pass
        assert raised.value.retryable


def test_a_snapshot_that_is_gone_is_an_error_to_be_retried(postgres17: Postgres) -> None:
    with database(postgres17, ROWS) as name:
        erp = service(postgres17, database=name)
        with erp.capture(SILENT) as capture:
            capture.facts()
            postgres17.psql(
                f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
            )
            with pytest.raises(SourceChanged) as raised, capture.parts[0].open() as stream:
                stream.read()
        assert raised.value.retryable


def test_a_migration_in_between_neither_waits_nor_hurts(postgres17: Postgres) -> None:
    """Between the snapshot and the dump no table is locked: nobody may queue behind a backup that has not begun."""
    with database(postgres17, ROWS) as name:
        erp = service(postgres17, database=name)
        with erp.capture(SILENT) as capture:
            capture.facts()
            postgres17.psql(
                "set lock_timeout = '5s'; alter table t add column n int; create table later ()", name
            )
            with capture.parts[0].open() as stream:
                data = stream.read()
            assert b"later" not in data
            assert data.startswith(b"PGDMP")


@pytest.mark.parametrize(
    "change", ["truncate t", "alter table t alter column i type bigint", "vacuum full t"]
)
@pytest.mark.parametrize("form", ["custom", "plain"])
def test_a_table_emptied_before_the_dump_locks_it_is_not_saved_as_empty(
    postgres17: Postgres, change: str, form: str
) -> None:
    with database(postgres17, ROWS) as name:
        erp = service(postgres17, database=name, format=form)
        with erp.capture(SILENT) as capture:
            postgres17.psql(change, name)
            with pytest.raises(SourceChanged) as raised, capture.parts[0].open() as stream:
                stream.read()
        assert raised.value.retryable


def test_leaving_a_capture_early_leaves_no_session(postgres17: Postgres) -> None:
    with database(postgres17, ROWS) as name:
        erp = service(postgres17, database=name)
        with erp.capture(SILENT) as capture:
            capture.parts[0].open().read(10)
        until = time.monotonic() + 20
        asked = f"select count(*) from pg_stat_activity where datname = '{name}'"
        while postgres17.psql(asked) != "0" and time.monotonic() < until:
            time.sleep(0.05)
        assert postgres17.psql(asked) == "0"


def test_no_password_in_any_argv(postgres17: Postgres) -> None:
    """Whoever may list processes looks all the time: from before the first program begins until after the last."""
    seen: set[bytes] = set()
    dumping, enough = threading.Event(), threading.Event()

    def look() -> None:
        while not enough.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    line = (process / "cmdline").read_bytes()
                    seen.add(line)
                    if b"--snapshot=" in line:
                        dumping.set()

    watcher = threading.Thread(target=look)
    with database(postgres17, BIG) as name:
        erp = service(postgres17, database=name)
        watcher.start()
        try:
            with erp.capture(SILENT) as capture, capture.parts[0].open() as stream:
                assert stream.read(1)
                # More is to come than its pipe holds, so it stays until it has been seen.
                assert dumping.wait(30)
                while stream.read(1 << 20):
                    pass
        finally:
            enough.set()
            watcher.join()
    assert not any(postgres17.password.encode() in line for line in seen)


def test_a_full_disk_at_the_spool_falls_back_to_one_job(
    postgres17: Postgres, monkeypatch: pytest.MonkeyPatch, open_directory: Path
) -> None:
    """No room for the spooled dump: the restore still goes on, from the stream."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a small file system wants root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", open_directory], check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with database(postgres17, ROWS) as name:
            erp = service(postgres17, database=name)
            kept = take(erp)
            monkeypatch.setenv("TMPDIR", str(open_directory))
            assert bring_back(erp, kept, jobs=2).equal
    finally:
        subprocess.run(["umount", open_directory], check=True)
