"""Names, patterns, roles and the reasons behind failures, without a server."""

from __future__ import annotations

import re

import pytest

from haechi.errors import (
    AccessRefused,
    NotThere,
    ServerUnavailable,
    SourceChanged,
    StoreFull,
    VersionMismatch,
)
from haechi.sources._postgresql import clients, contents, patterns, problems, roles
from haechi.sources._postgresql.clients import Clients
from haechi.sources._postgresql.contents import Wish
from haechi.sources._postgresql.dump import part_name


def test_part_names_are_file_names_and_never_meet() -> None:
    odd = ["shop", "판매", "a/b", "..", ".hidden", "globals", "%67lobals", "a%2Fb", "x\ny", 'q"', "a b"]
    names = [part_name(name, "plain") for name in odd]
    assert len(set(names)) == len(odd)
    assert not any("/" in name or name.startswith(".") or "\n" in name for name in names)
    assert "globals.sql" not in names
    assert names[:2] == ["shop.sql", "판매.sql"]


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("orders", ["orders"], ["Orders", "orders2"]),
        ("Orders", ["orders"], ["Orders"]),
        ('"Orders"', ["Orders"], ["orders"]),
        ("log_*", ["log_", "log_1"], ["alog_1"]),
        ("log_?", ["log_1"], ["log_", "log_12"]),
        ('"a.b"', ["a.b"], ["axb"]),
        ("a$b", ["a$b"], ["ab"]),
        ('"*"', ["*"], ["x"]),
    ],
)
def test_patterns_are_psqls(pattern: str, yes: list[str], no: list[str]) -> None:
    (expression,) = patterns.split(pattern)
    assert all(re.search(expression, name) for name in yes)
    assert not any(re.search(expression, name) for name in no)


def test_the_nearest_client_that_can_is_chosen() -> None:
    found = [Clients(f"/{n}", (n, minor)) for n, minor in ((18, 1), (17, 5), (17, 2), (15, 9))]
    assert clients.fitting(found, 17).version == (17, 5)
    assert clients.fitting(found, 16).version == (17, 5)
    assert clients.fitting(found, 9).version == (15, 9)
    with pytest.raises(VersionMismatch):
        clients.fitting(found, 19)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("pg_dump (PostgreSQL) 15.4 (Debian 15.4-1.pgdg120+1)", (15, 4)),
        ("pg_dump (PostgreSQL) 18beta1", (18, 0)),
        ("pg_dump (PostgreSQL) 9.6.24", (9, 6)),
        ("pg_dump: nonsense", (0, 0)),
    ],
)
def test_versions_are_read(said: str, version: tuple[int, int]) -> None:
    assert clients._version(said) == version


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (
            'connection to server at "x" failed: FATAL:  password authentication failed for user "u"',
            AccessRefused,
        ),
        (
            'psql: error: connection to server at "x" failed: FATAL:  사용자 "u"의 password 인증을 실패했습니다',
            AccessRefused,
        ),
        ('psql: error: connection to server at "x", port 5432 failed: Connection refused', ServerUnavailable),
        (
            'connection to server on socket "/x" failed: FATAL:  Peer authentication failed for user "u"',
            AccessRefused,
        ),
        ('psql: error: connection to server at "x" failed: FATAL:  database "nope" does not exist', NotThere),
        (
            'psql: error: connection to server at "x" failed: FATAL:  sorry, too many clients already',
            ServerUnavailable,
        ),
        ("pg_dump: error: query failed: ERROR:  permission denied for table t", AccessRefused),
        (
            "PQgetCopyData() failed.\nserver closed the connection unexpectedly",
            ServerUnavailable,
        ),
        ("pg_dump: error: query failed: ERROR:  could not open relation with OID 4711", SourceChanged),
        ('pg_dump: error: query failed: ERROR:  relation "public.t" does not exist', SourceChanged),
        ("pg_dump: error: aborting because of server version mismatch", VersionMismatch),
        ("pg_restore: error: unsupported version (1.16) in file header", VersionMismatch),
        (
            'ERROR:  could not extend file "base/1": No space left on device',
            StoreFull,
        ),
    ],
)
def test_reasons_are_understood(said: str, kind: type[Exception]) -> None:
    problem = problems.explain(said, "Working")
    assert type(problem) is kind
    assert problem.hint
    assert problem.message.startswith("Working: ")


def test_statements_of_globals() -> None:
    text = """--
-- Roles
--
\\restrict x
CREATE ROLE a;
ALTER ROLE a WITH LOGIN PASSWORD 'it''s;';
COMMENT ON ROLE a IS 'two
lines;
here';
GRANT a TO b;
"""
    assert [statement.split("\n")[0] for statement in roles.statements(text)] == [
        "CREATE ROLE a;",
        "ALTER ROLE a WITH LOGIN PASSWORD 'it''s;';",
        "COMMENT ON ROLE a IS 'two",
        "GRANT a TO b;",
    ]


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("orders", Wish("public", "orders")),
        ("sales.orders", Wish("sales", "orders")),
        ("sales.*", Wish("sales", None)),
        ('"a.b"."c ""d"""', Wish("a.b", 'c "d"')),
        ("판매 관리.주문", Wish("판매 관리", "주문")),
    ],
)
def test_wishes(text: str, wish: Wish) -> None:
    assert contents.Wish.parse(text) == wish
