"""What stands in a throwaway is found by the names it had, and dialled with whatever its password holds."""

from __future__ import annotations

import pytest

from haechi.credentials import Secret
from haechi.errors import UsageMistake
from haechi.sources import _standing


def test_a_database_is_asked_by_the_name_it_had() -> None:
    moved = {"shop": "shop_beside", "erp": "erp"}
    assert _standing.asked(moved, "shop") == "shop_beside"
    assert _standing.asked(moved, "postgres") == "postgres"


def test_the_only_one_needs_no_name_and_one_of_several_does() -> None:
    assert _standing.asked({"shop": "shop_beside"}, "") == "shop_beside"
    with pytest.raises(UsageMistake) as raised:
        _standing.asked({"shop": "shop", "erp": "erp"}, "")
    assert "shop, erp" in raised.value.hint


def test_a_url_escapes_what_names_and_passwords_hold() -> None:
    made = _standing.url("mysql", "db", "3306", "a@b", Secret("p/w:?"), "my shop")
    assert made.reveal() == "mysql://a%40b:p%2Fw%3A%3F@db:3306/my%20shop"
    assert _standing.url("postgresql", "db", "", "root", None, "").reveal() == "postgresql://root@db/"
