"""MariaDB, a real server, reached by its own client programs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from haechi.events import SILENT
from haechi.model import RestorePoint
from haechi.places.local import LocalPlace
from haechi.sources import mariadb
from haechi.sources._base import PartReader, Restored, Source, Wanted
from tests.servers.mariadb import PASSWORD, MariaServer, running

SERVER = True
_SCHEMA = """
drop database if exists shop; create database shop character set utf8mb4 collate utf8mb4_unicode_ci; use shop;
create table customers (id int primary key, name varchar(100), born date, rate float, money decimal(20,4)) ;
create table `odd; table` (id int primary key auto_increment, customer int, b longblob, bits bit(5),
    spot point, said text, kind enum('a','b'), at timestamp(6) null,
    foreign key (customer) references customers (id), index (said(10)));
create table counted (n int);
insert into customers values (1, '이영희', '1990-02-28', 0.1, 12345.6789), (2, 'O''Brien \\\\ "x"', null, 1e30, null);
create view names as select id, name from customers where id > 0;
delimiter //
create trigger count_them after insert on customers for each row begin insert into counted values (new.id); end//
create procedure twice(n int) begin select n * 2; end//
create function half(n int) returns int deterministic return n / 2//
create event tidy on schedule every 1 second disable do insert into counted values (-1)//
delimiter ;
insert into customers values (3, null, null, null, null);
"""


@contextmanager
def ground(tmp_path: Path) -> Iterator[MariaGround]:
    with running() as server:
        yield MariaGround(server)


class MariaGround:
    kind = "mariadb"

    def __init__(self, server: MariaServer):
        self._server = server

    def source(self, **options: object) -> Source:
        given = {
            "host": "127.0.0.1",
            "port": self._server.port,
            "user": "keeper",
            "password": PASSWORD,
            "databases": "shop",
            **options,
        }
        return mariadb.build("shop", mariadb.Options.model_validate(given), LocalPlace())

    def fill(self, amount: int) -> None:
        self._server.sql(_SCHEMA)
        self._server.sql(
            "insert into `odd; table` (customer, b, bits, spot, said, kind, at) select 1 + seq % 3,"
            " repeat(unhex(concat(md5(seq), '00ff5c270a0d')), 2500), seq % 32, point(seq, -seq),"
            " concat('줄\\n바꿈 \\\\ ', char(9), seq), if(seq % 2, 'a', 'b'), '2026-03-08 02:30:00.123456'"
            f" from seq_1_to_{amount * 40}",
            "shop",
        )

    def state(self) -> object:
        return self._contents("shop")

    def _contents(self, database: str) -> object:
        tables = self._server.sql(
            "select table_name from information_schema.tables where table_type = 'BASE TABLE' and table_name !="
            f" 'haechi_beside' and table_schema = '{database}' order by 1"
        )
        sums = [
            self._server.sql(f"checksum table `{database}`.`{name}`")[0].split("\t")[1] for name in tables
        ]
        made = [
            re.sub(
                "AUTO_INCREMENT=[0-9]+", "", self._server.sql(f"show create table `{database}`.`{name}`")[0]
            )
            for name in tables
        ]
        views = self._server.sql(
            f"select table_name, replace(view_definition, '{database}', 'shop') from information_schema.views"
            f" where table_schema = '{database}'"
        )
        code = self._server.sql(
            "select trigger_name, action_statement from information_schema.triggers where trigger_schema ="
            f" '{database}' union all select routine_name, routine_definition from information_schema.routines where"
            f" routine_schema = '{database}' order by 1"
        )
        return tables, sums, made, views, code

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        source = self.source()
        restored = source.restore(point, parts, Wanted(), SILENT)
        assert isinstance(source, mariadb.MariaDB)
        state = self._contents(restored.details["beside"]["shop"])
        source.finish("shop")
        return restored, state

    def break_off(self) -> None:
        self._server.stop()

    def mend(self) -> None:
        self._server.start()

    def leftovers(self) -> list[str]:
        databases = self._server.sql("show databases")
        sessions = self._server.sql(
            "select concat(id, ' ', coalesce(info, '')) from information_schema.processlist where user = 'keeper'"
        )
        return [name for name in databases if re.search("__(haechi|before)_", name)] + sessions
