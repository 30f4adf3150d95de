"""Scripts of many databases are taken apart exactly, wherever the reads happen to end."""

from __future__ import annotations

import io
import random
from typing import Any

import pytest

from haechi.errors import Damaged, NotThere
from haechi.sources._postgresql import plain, script
from haechi.sources._postgresql.script import Body

TOKEN = "0123456789abcdef"
PROPERTIES: dict[str, Any] = {"encoding": "UTF8", "owner": "o'wner", "comment": "a\n\\connect trap\nb"}
DUMP = b"""--
-- PostgreSQL database dump
--

CREATE FUNCTION f() AS $$
\\connect trap

COPY nothing FROM stdin;
$$;
COPY public.t (a) FROM stdin;
-- haechi 0123 database "trap"
\\\\connect trap
%b
\\.


--
-- PostgreSQL database dump complete
--
"""


class Trickle(io.BytesIO):
    """Gives a few bytes at a time."""

    def __init__(self, data: bytes, seed: int):
        super().__init__(data)
        self.random = random.Random(seed)

    def read(self, size: int | None = -1) -> bytes:
        return super().read(
            self.random.randint(1, 40) if size is None or size < 0 else min(size, self.random.randint(1, 40))
        )


def ours(*names: str) -> bytes:
    parts = [plain.head_of_globals(TOKEN) + b"CREATE ROLE x;\n"]
    parts += [plain.head(TOKEN, name, PROPERTIES, 170000) + DUMP % name.encode() for name in names]
    return b"".join(parts)


@pytest.mark.parametrize("seed", range(8))
def test_ours_are_told_apart(seed: int) -> None:
    names = ["shop", 'q"uo\nte', "데이터"]
    data = ours(*names)
    for name in names:
        assert Body(Trickle(data, seed), name).readall() == DUMP % name.encode()
    assert Body(Trickle(data, seed), script.GLOBALS).readall() == b"CREATE ROLE x;\n"
    assert script.names(Trickle(data, seed)) == names


def test_a_database_that_is_not_in_it() -> None:
    with pytest.raises(NotThere):
        Body(io.BytesIO(ours("shop")), "other").readall()


@pytest.mark.parametrize("cut", [40, 200])
def test_a_script_that_was_cut_is_damaged(cut: int) -> None:
    data = ours("shop")
    with pytest.raises(Damaged):
        Body(io.BytesIO(data[:-cut]), "shop").readall()
    with pytest.raises(Damaged):
        Body(io.BytesIO((DUMP % b"x")[:-cut]), None).readall()


FOREIGN = b"""--
-- PostgreSQL database cluster dump
--

CREATE ROLE x;

\\connect template1

--
-- PostgreSQL database dump
--

--
-- PostgreSQL database dump complete
--

--
-- Database "shop" dump
--

--
-- PostgreSQL database dump
--

CREATE DATABASE shop WITH TEMPLATE = template0;

ALTER DATABASE shop OWNER TO x;

\\unrestrict AAA
\\connect shop
\\restrict AAA

ALTER DATABASE shop SET work_mem TO '5MB';
ALTER ROLE x IN DATABASE shop SET work_mem TO '6MB';
ALTER DATABASE other SET work_mem TO '7MB';
CREATE TABLE t (a text);
COPY public.t (a) FROM stdin;
\\.
COPY public.t (a) FROM stdin;
GRANT ALL ON DATABASE shop TO x;
-- PostgreSQL database dump complete
\\.

GRANT CONNECT ON DATABASE shop TO x;

--
-- PostgreSQL database dump complete
--

\\unrestrict AAA

--
-- Database "x" dump
--

--
-- PostgreSQL database dump
--

\\restrict BBB

CREATE DATABASE x WITH TEMPLATE = template0;

\\unrestrict BBB
\\connect x
\\restrict BBB

--
-- PostgreSQL database dump complete
--

\\unrestrict BBB

--
-- PostgreSQL database cluster dump complete
--
"""
BODY = b"""\\restrict AAA

ALTER DATABASE other SET work_mem TO '7MB';
CREATE TABLE t (a text);
COPY public.t (a) FROM stdin;
\\.
COPY public.t (a) FROM stdin;
GRANT ALL ON DATABASE shop TO x;
-- PostgreSQL database dump complete
\\.


--
-- PostgreSQL database dump complete
\\unrestrict AAA
"""


@pytest.mark.parametrize("seed", range(8))
def test_anybodys_are_told_apart(seed: int) -> None:
    assert Body(Trickle(FOREIGN, seed), "shop").readall() == BODY
    assert script.names(Trickle(FOREIGN, seed)) == ["shop"]


def test_which_scripts_are_of_many() -> None:
    assert script.is_of_many(FOREIGN)
    assert script.is_of_many(ours("a"))
    assert not script.is_of_many(DUMP % b"x")


@pytest.mark.parametrize("name", ["shop", "Shop", "a b", "x='y'", 'q"q', "한글", "back\\slash", "it's"])
def test_names_survive_connect(name: str) -> None:
    line = f"\\connect {plain.connect_argument(name)}\n".encode()
    assert script.connected(line) == name


def test_only_what_a_body_has_begun_is_ended_in_it() -> None:
    """A dump by an older program, and one by a newer behind it."""
    old = FOREIGN.replace(b"\\restrict AAA\n", b"").replace(b"\\unrestrict AAA\n", b"")
    taken = Body(io.BytesIO(old), "shop").readall()
    assert b"CREATE TABLE t" in taken
    assert b"restrict" not in taken
    assert Body(io.BytesIO(FOREIGN), "x").readall().count(b"restrict BBB") == 2
