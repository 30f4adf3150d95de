"""What an application is told of the throwaways, and what it is not let near."""

from __future__ import annotations

import pytest

from haechi.credentials import Secret
from haechi.errors import UsageMistake
from haechi.operations.stacks.surroundings import brought_in, environment, fill
from haechi.sources._base import Address, Rehearsed, Restored

URL = Secret("postgresql://admin:p%40ss@10.1.2.3:5433/erp")
ROWS = Address(URL, "10.1.2.3", 5433, "admin", Secret("p@ss"), name="erp")


class Moving:
    """A network in which everything is somewhere else."""

    closed = True

    def bring_in(self, host: str, port: int) -> tuple[str, int]:
        return "127.0.0.1", port + 1

    def bring_out(self, port: int) -> tuple[str, int]:
        return "127.0.0.1", port

    def inside(self, argv: object) -> list[str]:
        return []


def standing(address: Address, *, apart: bool = True) -> Rehearsed:
    return Rehearsed(Restored("there"), "there", 1.0, address=address, apart=apart)


def test_addresses_are_those_from_inside() -> None:
    mongo = Address(Secret("mongodb://u:p@127.0.0.1:27018/?directConnection=true"), name="shop")
    found, kept_out = brought_in({"rows": standing(ROWS), "docs": standing(mongo)}, Moving())
    assert found["rows"].url == Secret("postgresql://admin:p%40ss@127.0.0.1:5434/erp")
    assert (found["rows"].host, found["rows"].port) == ("127.0.0.1", 5434)
    assert found["docs"].url == Secret("mongodb://u:p@127.0.0.1:27019/?directConnection=true")
    assert not kept_out


@pytest.mark.parametrize(
    "rehearsed",
    [
        standing(ROWS, apart=False),  # on the server that is in use
        standing(
            Address(Secret("postgresql://postgres@/erp"), name="erp")
        ),  # in a container without a network
        standing(Address(Secret("mongodb://a:1,b:2/"))),  # several hosts are brought in by nobody
        standing(Address()),
    ],
)
def test_what_is_in_use_or_out_of_reach_has_no_address(rehearsed: Rehearsed) -> None:
    assert brought_in({"rows": rehearsed}, Moving()) == ({}, ["rows"])


def test_paths_and_names_need_no_network() -> None:
    addresses = {"media": standing(Address(path="/place")), "volume": standing(Address(name="drill_1"))}
    assert brought_in(addresses, Moving())[1] == []


def test_the_environment_names_each_by_its_service() -> None:
    told = environment("erp", {"my-rows": ROWS}, {"DATABASE_URL": "{my-rows.url}?sslmode=disable"})
    assert told == {
        "HAECHI_DRILL": "1",
        "HAECHI_DRILL_SET": "erp",
        "HAECHI_DRILL_MY_ROWS_URL": URL.reveal(),
        "HAECHI_DRILL_MY_ROWS_HOST": "10.1.2.3",
        "HAECHI_DRILL_MY_ROWS_PORT": "5433",
        "HAECHI_DRILL_MY_ROWS_USER": "admin",
        "HAECHI_DRILL_MY_ROWS_PASSWORD": "p@ss",
        "HAECHI_DRILL_MY_ROWS_NAME": "erp",
        "DATABASE_URL": f"{URL.reveal()}?sslmode=disable",
    }


def test_a_blank_that_cannot_be_filled_is_told_and_other_braces_stay() -> None:
    assert fill('{"a": {rows}}', {"rows": ROWS}) == '{"a": {rows}}'
    with pytest.raises(UsageMistake, match="“rows” has no path"):
        fill("{rows.path}", {"rows": ROWS})
