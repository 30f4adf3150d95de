"""What came back takes the old one's place and gives it up again; whatever fails, the old one is as it was."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import AlreadyThere, Damaged, HaechiError, NotThere, ProgramFailed, UsageMistake
from haechi.events import Reporter
from haechi.sources._base import PartReader, Wanted
from haechi.sources._postgresql import facts
from tests.integration.postgresql_ground import (
    bring_back,
    database,
    relatives,
    service,
    take,
    text,
    unequal,
)
from tests.listening import Heard
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.server

SHOP = """
create table orders (id int primary key, what text);
insert into orders select i, md5(i::text) from generate_series(1, 20000) i;
create index on orders (what);
"""


def test_beside_then_swapped_then_undone_then_finished(postgres: Postgres) -> None:
    with database(postgres, SHOP) as name:
        erp = service(postgres, database=name)
        kept = take(erp)
        postgres.psql("delete from orders", name)
        restored = bring_back(erp, kept)
        assert unequal(restored) == []
        assert relatives(postgres, name) == [name, restored.where]
        assert postgres.psql("select count(*) from orders", name) == "0"

        old = erp.swap(name)
        assert postgres.psql("select count(*) from orders", name) == "20000"
        assert postgres.psql("select count(*) from orders", old) == "0"

        aside = erp.undo(name)
        assert postgres.psql("select count(*) from orders", name) == "0"
        assert postgres.psql("select count(*) from orders", aside) == "20000"

        erp.swap(name)
        assert [b.state for b in erp.lying_beside() if b.of == name] == ["before"]
        assert len(erp.finish(name)) == 1
        assert relatives(postgres, name) == [name]
        assert postgres.psql("select count(*) from orders", name) == "20000"
        with pytest.raises(NotThere):
            erp.undo(name)


def test_a_swap_under_fire_is_quick_and_whole(postgres17: Postgres) -> None:
    """A pool of impatient clients reconnects all the time: each sees the old or the new, and the gap is short."""
    with database(postgres17, SHOP) as name:
        erp = service(postgres17, database=name)
        kept = take(erp)
        postgres17.psql("update orders set what = 'old'", name)
        bring_back(erp, kept)
        stop, seen, gaps = threading.Event(), set(), []

        def client() -> None:
            import psycopg

            last = time.monotonic()
            while not stop.is_set():
                try:
                    with psycopg.connect(postgres17.url_of(name)) as connection:
                        while not stop.is_set():
                            row = connection.execute("select what = 'old', count(*) from orders group by 1")
                            seen.add(tuple(row.fetchall()))
                            gaps.append(time.monotonic() - last)
                            last = time.monotonic()
                except psycopg.Error:
                    pass

        pool = [threading.Thread(target=client) for _ in range(4)]
        for thread in pool:
            thread.start()
        while not seen:
            time.sleep(0.01)
        erp.swap(name)
        until = time.monotonic() + 10
        while len(seen) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        stop.set()
        for thread in pool:
            thread.join()
        assert seen == {((True, 20000),), ((False, 20000),)}
        assert max(gaps) < 5


def test_a_swap_that_fails_leaves_both_as_they_were(postgres17: Postgres) -> None:
    with database(postgres17, SHOP) as name:
        erp = service(postgres17, database=name)
        restored = bring_back(erp, take(erp))
        # A prepared transaction cannot be ended by ending sessions. Without max_prepared_transactions there is
        # none, so a replication slot's stand-in: a database that nobody may rename.
        postgres17.psql(
            f"create role nobody_much login password 'x'; grant connect on database {name} to nobody_much"
        )
        try:
            url = f"postgresql://nobody_much:x@127.0.0.1:{postgres17.port}/{name}"
            weak = service(postgres17, url=url, database=name)
            with pytest.raises(HaechiError, match="owner"):
                weak.swap(name)
        finally:
            postgres17.psql(f"revoke all on database {name} from nobody_much; drop role nobody_much")
        assert relatives(postgres17, name) == [name, restored.where]
        assert erp.swap(name)


@pytest.mark.parametrize("form", ["custom", "plain"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_dump_that_ends_too_early_leaves_nothing(postgres17: Postgres, form: str, jobs: int) -> None:
    with database(postgres17, SHOP) as name:
        erp = service(postgres17, database=name, format=form)
        kept = take(erp)
        kept.data = {part: data[: len(data) * 2 // 3] for part, data in kept.data.items()}
        before = text(postgres17, name)
        with pytest.raises((Damaged, ProgramFailed)):
            bring_back(erp, kept, jobs=jobs)
        assert relatives(postgres17, name) == [name]
        assert text(postgres17, name) == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_copy_that_cannot_be_read_to_its_end_leaves_nothing(postgres17: Postgres, jobs: int) -> None:
    class Broken(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            if size and not data:
                raise Damaged("a pack is broken")
            return data

    with database(postgres17, SHOP) as name:
        erp = service(postgres17, database=name)
        kept = take(erp)
        part, data = next(iter(kept.data.items()))
        reader = PartReader(kept.parts[part].info, lambda: Broken(data[: len(data) // 2]))
        with pytest.raises(Damaged, match="a pack is broken"):
            erp.restore(kept.point, {part: reader}, Wanted(jobs=jobs), Reporter())
        assert relatives(postgres17, name) == [name]


def test_pg_restore_killed_half_way_leaves_nothing(postgres17: Postgres) -> None:
    with database(postgres17, SLOW) as name:
        erp = service(postgres17, database=name)
        kept = take(erp)
        with killing(postgres17, name), pytest.raises(HaechiError) as raised:
            bring_back(erp, kept)
        assert "SIGKILL" in raised.value.message
        assert relatives(postgres17, name) == [name]


# An index whose expression takes its time: so that there is a middle to be killed in.
SLOW = """
create table t as select i from generate_series(1, 40) i;
create function public.slow(int) returns int language sql immutable as 'select $1 from pg_sleep(0.05)';
insert into t select 1000;
create index on t (public.slow(i)) where i < 300;
"""


@contextmanager
def killing(server: Postgres, name: str) -> Iterator[None]:
    """As soon as a pg_restore works on something beside this database, it is killed."""

    def kill() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    line = (process / "cmdline").read_bytes()
                except OSError:
                    continue
                if b"pg_restore" in line.split(b"\0")[0] and name.encode() + b"__haechi" in line:
                    time.sleep(0.3)
                    with suppress(ProcessLookupError):  # some of them are quick
                        os.kill(int(process.name), signal.SIGKILL)
                        return
            time.sleep(0.02)

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    thread.join()


def test_what_a_killed_restore_left_is_swept_by_the_next(postgres17: Postgres, tmp_path: Path) -> None:
    with database(postgres17, SLOW) as name:
        erp = service(postgres17, database=name)
        kept = take(erp)
        dump = tmp_path / "dump"
        dump.write_bytes(next(iter(kept.data.values())))
        child = subprocess.Popen(
            [sys.executable, "-c", _RESTORE, postgres17.url, str(postgres17.bindir), name, str(dump)],
            start_new_session=True,
        )
        until = time.monotonic() + 60
        while len(relatives(postgres17, name)) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        left = relatives(postgres17, name)[1]
        # Only haechi dies, and not what it started: they must not keep the next restore from sweeping.
        child.kill()
        child.wait()
        assert left in relatives(postgres17, name)
        heard = Heard()
        while not heard.said and time.monotonic() < until:
            restored = bring_back(erp, kept, reporter=Reporter(heard))
        assert restored.equal
        assert any(left in line for line in heard.said)
        assert relatives(postgres17, name) == [name, restored.where]


_RESTORE = """
import sys
from haechi import clock
from haechi.events import SILENT
from haechi.model import PartInfo, RestorePoint
from haechi.places._open import open_place
from haechi.sources import postgresql
from haechi.sources._base import PartReader, Wanted

url, bindir, name, path = sys.argv[1:]
options = postgresql.Options.model_validate({"url": url, "bindir": bindir, "database": name})
info = PartInfo(name + ".dump", "pg-custom")
point = RestorePoint("p", "erp", "postgresql", clock.now(), parts=(info,))
reader = PartReader(info, lambda: open(path, "rb"))
postgresql.build("erp", options, open_place("local")).restore(point, {info.name: reader}, Wanted(), SILENT)
"""


def test_in_place_is_all_or_nothing(postgres: Postgres) -> None:
    with database(postgres, SHOP) as name:
        erp = service(postgres, database=name)
        kept = take(erp)
        postgres.psql("delete from orders; create table newer (id int)", name)
        before = text(postgres, name)
        broken = replace(kept, data={part: data[: len(data) // 2] for part, data in kept.data.items()})
        with pytest.raises(ProgramFailed):
            bring_back(erp, broken, in_place=True)
        assert text(postgres, name) == before
        restored = bring_back(erp, kept, in_place=True)
        assert restored.equal
        assert restored.where == name
        assert postgres.psql("select count(*) from orders", name) == "20000"


def test_in_place_for_sql_text_is_an_exchange(postgres17: Postgres) -> None:
    with database(postgres17, SHOP) as name:
        erp = service(postgres17, database=name, format="plain")
        kept = take(erp)
        postgres17.psql("delete from orders", name)
        assert bring_back(erp, kept, in_place=True).equal
        assert postgres17.psql("select count(*) from orders", name) == "20000"
        assert len(erp.finish(name)) == 1


def test_a_lost_database_comes_back_under_its_name(postgres17: Postgres) -> None:
    with database(postgres17, SHOP) as name:
        erp = service(postgres17, database=name)
        kept = take(erp)
        postgres17.psql(f"drop database {name}")
        bring_back(erp, kept)
        assert erp.swap(name) == ""
        assert postgres17.psql("select count(*) from orders", name) == "20000"


def test_under_another_name_and_never_over_another(postgres17: Postgres) -> None:
    with database(postgres17, SHOP) as name, database(postgres17) as other:
        erp = service(postgres17, database=name)
        kept = take(erp)
        with pytest.raises(AlreadyThere):
            bring_back(erp, kept, target={"database": other})
        restored = bring_back(erp, kept, target={"database": f"{name}__copy"})
        assert restored.where == f"{name}__copy"
        assert restored.equal


def test_checks_are_asked_of_what_came_back(postgres17: Postgres) -> None:
    with database(postgres17, SHOP) as name:
        erp = service(postgres17, database=name)
        checks: list[dict[str, Any]] = [
            {"sql": "select count(*) from orders", "expect": "> 0", "title": "there are orders"},
            {"sql": "select count(*) from orders", "expect": 20001},
            {"sql": "select 'unbalanced from orders", "expect": "x"},
            {"sql": "select what from orders order by id", "contains": "c4ca"},
            {"sql": "select 1 where false", "expect": "empty"},
            {"sql": "select 1", "expect": "2", "database": "another"},
        ]
        restored = bring_back(erp, take(erp), target={"checks": checks})
        different = [c for c in restored.comparisons if not c.equal]
        assert [c.what.partition(": ")[2] for c in different] == [checks[1]["sql"], checks[2]["sql"]]
        assert different[0].found == "20000"
        assert "unterminated" in str(different[1].found)


def test_roles_are_mapped(postgres17: Postgres) -> None:
    postgres17.psql("create role old_owner; create role old_reader; create role new_owner")
    try:
        sql = """
        create table t (id int); alter table t owner to old_owner; grant select on t to old_reader;
        """
        with database(postgres17, sql) as name:
            erp = service(postgres17, database=name)
            kept = take(erp)
            with pytest.raises(UsageMistake, match="old_owner"):
                bring_back(erp, kept, target={"roles": {"old_owner": "new_owner"}})
            postgres17.psql(f"drop database {name}; drop role old_owner; drop role old_reader")
            postgres17.psql(f"create database {name}")
            mapping = {"old_owner": "new_owner", "old_reader": "new_reader"}
            restored = bring_back(erp, kept, target={"roles": mapping})
            said = text(postgres17, restored.where)
            assert "OWNER TO new_owner" in said
            assert "GRANT SELECT ON TABLE public.t TO new_reader" in said
            assert "old_" not in said
    finally:
        for role in ("old_owner", "old_reader", "new_owner", "new_reader"):
            postgres17.psql(f"drop role if exists {role}")


def test_what_came_back_with_a_subscription_can_be_let_go(postgres17: Postgres) -> None:
    """It comes back switched off, and goes without a word to the publisher: the slot there is the live one's."""
    sql = """create subscription theirs connection 'host=publisher.invalid dbname=x' publication p
             with (connect = false)"""
    with database(postgres17, sql) as name:
        erp = service(postgres17, database=name)
        restored = bring_back(erp, take(erp))
        assert unequal(restored) == []
        found = "select subenabled, subslotname from pg_subscription s join pg_database d on d.oid = subdbid"
        assert postgres17.psql(f"{found} where datname = '{restored.where}'") == "f|theirs"
        erp.swap(name)
        assert len(erp.finish(name)) == 1
        assert postgres17.psql(f"{found} where datname = '{name}'") == "f|theirs"


_SUBSCRIBED = "select subenabled, subslotname from pg_subscription s join pg_database d on d.oid = subdbid"


def test_in_place_with_a_subscription(postgres17: Postgres) -> None:
    """Everything in place is one transaction, in which a subscription with a slot could not be dropped."""
    sql = """create table t (i int); create subscription theirs connection 'host=publisher.invalid dbname=x'
             publication p with (connect = false)"""
    with database(postgres17, sql) as name:
        erp = service(postgres17, database=name)
        kept = take(erp)
        postgres17.psql("insert into t values (1)", name)
        heard = Heard()
        restored = bring_back(erp, kept, in_place=True, reporter=Reporter(heard))
        assert restored.where == name and unequal(restored) == []
        assert postgres17.psql(f"{_SUBSCRIBED} where datname = '{name}'") == "f|theirs"
        assert any("alter subscription" in line for line in heard.said)


def test_in_place_that_fails_puts_the_subscriptions_back_on_their_slots(postgres17: Postgres) -> None:
    sql = """create table t (i int); create subscription theirs connection 'host=publisher.invalid dbname=x'
             publication p with (connect = false)"""
    with database(postgres17, sql) as name:
        erp = service(postgres17, database=name)
        kept = take(erp)
        postgres17.psql("create view needs_it as select * from t", name)  # in the way of dropping the table
        with pytest.raises(HaechiError):
            bring_back(erp, kept, in_place=True)
        assert postgres17.psql(f"{_SUBSCRIBED} where datname = '{name}'") == "f|theirs"
        assert postgres17.psql("select count(*) from needs_it", name) == "0"


@pytest.mark.parametrize("depth", ["sampled", "full"])
def test_it_says_of_which_tables_a_share_was_compared(
    postgres17: Postgres, monkeypatch: pytest.MonkeyPatch, depth: str
) -> None:
    monkeypatch.setattr(facts, "_SAMPLE_ROWS", 100)
    with database(postgres17, SHOP + "; analyze") as name:
        erp = service(postgres17, database=name, facts=depth)
        kept, heard = take(erp), Heard()
        restored = bring_back(erp, kept, reporter=Reporter(heard))
        by_sample = [f"{name}: public.orders"] if depth == "sampled" else []
        assert unequal(restored) == [] and restored.details["compared_by_sample"] == by_sample
        assert any("public.orders" in line for line in heard.said) == bool(by_sample)
        if depth == "full":  # then one row among all is noticed
            with erp.server().session(restored.where) as session:
                session.execute("update public.orders set what = 'changed' where id = 7")
                compared = facts.compare(session, kept.point.facts["databases"][name])
            assert [c.what for c in compared if not c.equal] == [f"{restored.where}: public.orders"]
