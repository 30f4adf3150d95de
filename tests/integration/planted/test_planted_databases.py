"""Damage planted into copies of databases: each drill finds it and names it, and blames nothing that is whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.places.local import LocalPlace
from haechi.sources import mariadb, mongodb, postgresql, redis
from haechi.sources._base import Source
from haechi.sources._postgresql import catalog
from tests.integration.planted.planting import Facts, drilled, named, whole
from tests.servers import mariadb as maria_server
from tests.servers import mongodb as mongo_server
from tests.servers import redis as redis_server
from tests.servers.mariadb import MariaServer
from tests.servers.mongodb import Mongo
from tests.servers.postgres import Postgres
from tests.servers.redis import RedisServer
from tests.unit.sources.ground import Installation, install

pytestmark = pytest.mark.server
LAYOUTS = {
    "postgresql": "{part}_{time:%Y%m%d_%H%M%S}.dump",
    "mongodb": "{part}_{time:%Y%m%d_%H%M%S}.archive",
    "mariadb": "{part}_{time:%Y%m%d_%H%M%S}.sql.gz",
    "redis": "{part}_{time:%Y%m%d_%H%M%S}.rdb.gz",
}


def laid(tmp_path: Path, source: Source, kind: str) -> Installation:
    return install(tmp_path / "ground", kind, source, LAYOUTS[kind])


# -- PostgreSQL ------------------------------------------------------------------------------------------------------

_SHOP = """
create table fewer (id int primary key); create table emptied (id int primary key);
create table other (id int primary key, price int); create table mangled (id int primary key, what text);
create table bare (id int constraint bare_key primary key, price int); create index by_price on bare (price);
create table gone (id int primary key); create table fine (id int primary key, what text);
create view dear as select * from fine;
insert into fewer select generate_series(1, 100); insert into emptied select generate_series(1, 100);
insert into other select n, n from generate_series(1, 100) n; insert into bare select * from other where id < 9;
insert into mangled select n, '해치 ' || n from generate_series(1, 100) n; insert into fine select * from mangled;
"""
_DAMAGE = """
delete from fewer where id > 99; truncate emptied; update other set price = price + 1 where id = 7;
update mangled set what = convert_from(convert_to(what, 'UTF8'), 'LATIN1') where id = 7;
drop index by_price; alter table bare drop constraint bare_key; drop table gone; drop view dear;
"""


@pytest.fixture
def database(postgres15: Postgres) -> Iterator[str]:
    name = "planted"
    postgres15.psql(f"drop database if exists {name} with (force)")
    postgres15.psql(f"create database {name} encoding 'UTF8' locale 'C' template template0")
    postgres15.psql(_SHOP, name)
    yield name
    postgres15.psql(f"drop database if exists {name} with (force)")


def of_postgres(tmp_path: Path, server: Postgres, *databases: str) -> Installation:
    given = {"url": server.url, "bindir": str(server.bindir), "databases": list(databases)}
    source = postgresql.build("it", postgresql.Options.model_validate(given), LocalPlace())
    return laid(tmp_path, source, "postgresql")


def test_a_postgresql_that_is_whole(tmp_path: Path, postgres15: Postgres, database: str) -> None:
    whole(drilled(of_postgres(tmp_path, postgres15, database), copy="archive.nas", into="server"))


def test_a_damaged_postgresql(tmp_path: Path, postgres15: Postgres, database: str) -> None:
    it = of_postgres(tmp_path, postgres15, database)
    done = drilled(it, lambda: postgres15.psql(_DAMAGE, database), join=_ends_of_it, into="server")
    said = named(done)
    for word in (
        "public.fewer: {'rows': 100",
        "public.emptied: {'rows': 100",
        "public.other",
        "public.mangled",
        "by_price",
        "bare_key",
        "public.gone",
        "views, missing: [] is ['public.dear']",
    ):
        assert word in said
    assert "public.fine" not in said
    assert "'rows': 0" in said


def _ends_of_it(counted: Facts, taken: Facts) -> Facts:
    """Where the rows of a dump end is known of the dump itself."""
    databases = {
        name: {**about, "ends": taken["databases"][name].get("ends", {})}
        for name, about in counted["databases"].items()
    }
    return {**counted, "databases": databases}


def test_a_truncated_dump_and_one_that_is_left_out(
    tmp_path: Path, postgres15: Postgres, database: str
) -> None:
    it = of_postgres(tmp_path, postgres15, database, "postgres")
    half = named(
        drilled(it, rewrite=lambda name, data: data[:-2000] if database in name else data, into="server")
    )
    assert half.startswith(("damaged", "program-failed"))
    said = named(drilled(it, rewrite=lambda name, data: None if database in name else data, into="server"))
    assert f"databases missing: [] is ['{database}']" in said


def test_a_dump_that_is_read_in_another_charset(tmp_path: Path, postgres15: Postgres, database: str) -> None:
    """Every letter that is none of ASCII becomes two or three others, and no row is missing."""

    def said_to_be_latin(_name: str, data: bytes) -> bytes:
        honest, wrong = b"SET client_encoding = 'UTF8';", b"SET client_encoding='LATIN1';"
        assert data.count(honest) == 1 and len(honest) == len(wrong)
        return data.replace(honest, wrong)

    said = named(
        drilled(of_postgres(tmp_path, postgres15, database), rewrite=said_to_be_latin, into="server")
    )
    assert "public.mangled" in said and "public.fine" in said
    assert "public.other" not in said and "missing" not in said


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("encoding 'SQL_ASCII' locale 'C'", ("encoding: UTF8 is SQL_ASCII",)),
        ("encoding 'UTF8' locale 'C.UTF-8'", ("collate: C is C.UTF-8", "ctype: C is C.UTF-8")),
    ],
    ids=["encoding", "collation"],
)
def test_a_database_that_comes_back_in_another_encoding_or_order(
    tmp_path: Path,
    postgres15: Postgres,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    made: str,
    words: tuple[str, ...],
) -> None:
    it = of_postgres(tmp_path, postgres15, database)
    monkeypatch.setattr(
        catalog,
        "create_database",
        lambda name, _like, _server: f'create database "{name}" {made} template template0',
    )
    said = named(drilled(it, into="server"))
    for word in words:
        assert word in said
    assert "public." not in said, "the rows are the same"


# -- MongoDB ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mongo() -> Iterator[Mongo]:
    with mongo_server.running() as server:
        yield server


def fill_mongo(server: Mongo) -> None:
    with server.client() as client:
        client.drop_database("shop")
        for name in ("fewer", "emptied", "other", "mangled", "bare", "gone", "fine"):
            client.shop[name].insert_many(
                {"_id": n, "title": f"한국어 {n}", "level": n % 5} for n in range(20)
            )
            client.shop[name].create_index("level", name="by_level")


def damage_mongo(server: Mongo) -> None:
    with server.client() as client:
        client.shop.fewer.delete_one({"_id": 3})
        client.shop.emptied.delete_many({})
        client.shop.other.update_one({"_id": 7}, {"$set": {"level": 9}})
        client.shop.mangled.update_one({"_id": 7}, {"$set": {"title": "í\x95\x9c"}})
        client.shop.bare.drop_index("by_level")
        client.shop.gone.drop()


def of_mongo(tmp_path: Path, server: Mongo) -> Installation:
    fill_mongo(server)
    given = {"url": server.url, "tools": "native", "databases": ["shop"]}
    source = mongodb.build("it", mongodb.Options.model_validate(given), LocalPlace())
    return laid(tmp_path, source, "mongodb")


def test_a_mongodb_that_is_whole(tmp_path: Path, mongo: Mongo) -> None:
    whole(drilled(of_mongo(tmp_path, mongo)))


def test_a_damaged_mongodb(tmp_path: Path, mongo: Mongo) -> None:
    it = of_mongo(tmp_path, mongo)
    said = named(drilled(it, lambda: damage_mongo(mongo)))
    for word in (
        "shop.fewer: documents: 20 is 19",
        "shop.emptied: documents: 20 is 0",
        "shop.other: digest",
        "shop.mangled: digest",
        "shop.bare: indexes",
        "collections missing: [] is ['shop.gone']",
    ):
        assert word in said
    assert "shop.fine" not in said


def test_a_truncated_archive_of_mongodb(tmp_path: Path, mongo: Mongo) -> None:
    it = of_mongo(tmp_path, mongo)
    assert named(drilled(it, rewrite=lambda _name, data: data[:-100])).startswith("damaged")


# -- MariaDB ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def maria() -> Iterator[MariaServer]:
    with maria_server.running() as server:
        yield server


_MARIA = """
drop database if exists shop; create database shop character set utf8mb4; use shop;
create table fewer (id int primary key); create table emptied (id int primary key);
create table other (id int primary key, price int); create table mangled (id int primary key, what varchar(99));
create table bare (id int primary key, price int, index by_price (price));
create table latin (id int primary key, code varchar(9));
create table gone (id int primary key); create table fine (id int primary key, what varchar(99));
create view dear as select id from fine;
insert into fewer select seq from seq_1_to_100; insert into emptied select seq from seq_1_to_100;
insert into other select seq, seq from seq_1_to_100; insert into bare select seq, seq from seq_1_to_9;
insert into mangled select seq, concat('해치 ', seq) from seq_1_to_100; insert into fine select * from mangled;
insert into latin select seq, 'x' from seq_1_to_9;
"""
_MARIA_DAMAGE = """
delete from fewer where id > 99; delete from emptied; update other set price = price + 1 where id = 7;
update mangled set what = 'íìž' where id = 7; drop index by_price on bare; drop view dear; drop table gone;
alter table latin modify code varchar(9) character set latin1;
"""


def of_maria(tmp_path: Path, server: MariaServer) -> Installation:
    server.sql(_MARIA)
    given = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": "keeper",
        "password": maria_server.PASSWORD,
        "databases": "shop",
    }
    source = mariadb.build("it", mariadb.Options.model_validate(given), LocalPlace())
    return laid(tmp_path, source, "mariadb")


def test_a_mariadb_that_is_whole(tmp_path: Path, maria: MariaServer) -> None:
    whole(drilled(of_maria(tmp_path, maria)))


def test_a_damaged_mariadb(tmp_path: Path, maria: MariaServer) -> None:
    it = of_maria(tmp_path, maria)
    said = named(drilled(it, lambda: maria.sql(_MARIA_DAMAGE, "shop")))
    for word in (
        "shop.fewer: rows: 100 is 99",
        "shop.emptied: rows: 100 is 0",
        "shop.other: digest",
        "shop.mangled: digest",
        "shop.bare: indexes",
        "shop.gone: rows",
        "views: 1 is 0",
        "shop.latin: texts: {'utf8mb4_general_ci': ['code']} is {'latin1_swedish_ci': ['code']}",
    ):
        assert word in said
    assert "shop.fine" not in said


def test_a_truncated_dump_of_mariadb(tmp_path: Path, maria: MariaServer) -> None:
    it = of_maria(tmp_path, maria)
    cut = b"INSERT INTO `fine`"
    assert "shop.fine: rows" in named(drilled(it, rewrite=lambda _name, data: data[: data.index(cut)]))


# -- Redis -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cache() -> Iterator[RedisServer]:
    with redis_server.running() as server:
        yield server


def of_redis(tmp_path: Path, server: RedisServer) -> Installation:
    server.cli("FLUSHALL")
    for number in range(20):
        server.cli("SET", f"key:{number}", f"해치 {number}")
    given = {"host": "127.0.0.1", "port": server.port, "password": redis_server.PASSWORD}
    source = redis.build("it", redis.Options.model_validate(given), LocalPlace())
    return laid(tmp_path, source, "redis")


def test_a_damaged_redis(tmp_path: Path, cache: RedisServer) -> None:
    it = of_redis(tmp_path, cache)
    whole(drilled(it))
    assert "digest" in named(drilled(it, lambda: cache.cli("SET", "key:3", "another")))
    assert "keys that do not expire" in named(drilled(it, lambda: cache.cli("DEL", "key:3")))


def test_a_truncated_file_of_redis(tmp_path: Path, cache: RedisServer) -> None:
    it = of_redis(tmp_path, cache)
    assert "damaged" in named(drilled(it, rewrite=lambda _name, data: data[:-30]))
