"""What a plan may say about MongoDB, and where the password does not appear."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from haechi.credentials import Secret
from haechi.errors import (
    AccessRefused,
    NotThere,
    ProgramFailed,
    ServerUnavailable,
    SourceChanged,
    UsageMistake,
)
from haechi.sources import mongodb
from haechi.sources._mongodb import catalog, layout, problems
from haechi.sources._mongodb.address import from_url
from haechi.sources._mongodb.archive import Entry, Name
from haechi.sources._mongodb.options import Options, Target
from haechi.sources._mongodb.reading import Prelude


def options(**given: object) -> Options:
    return Options.model_validate(given)


def test_one_database_reads_as_a_list() -> None:
    assert options(database="shop").databases == ("shop",)
    assert options(databases="all").databases == "all"
    with pytest.raises(ValidationError):
        options(database="shop", databases="all")


def test_either_a_url_or_its_parts() -> None:
    with pytest.raises(ValidationError, match="either url"):
        options(url="mongodb://h", user="u")


def test_options_that_are_ours_are_refused() -> None:
    assert options(dump_options=["--numParallelCollections=1"]).dump_options
    for option in ("--db=x", "--archive", "--password=x", "-d"):
        with pytest.raises(ValidationError, match="cannot be given"):
            options(dump_options=[option])


def test_parts_become_an_address_whatever_is_in_them() -> None:
    address = options(host="db", user="o'neil@x", password="p:/@%한", tls=True).address()
    uri = address.uri.reveal()
    assert uri.startswith("mongodb://o%27neil%40x:p%3A%2F%40%25%ED%95%9C@db:27017/?")
    assert "authSource=admin" in uri and "tls=true" in uri
    assert address.shown == "o'neil@x@db:27017"
    assert json.loads(address.config.reveal().removeprefix("uri: ")) == uri


def test_a_url_s_database_is_the_one_that_is_wanted_and_still_knows_its_user() -> None:
    address = from_url(Secret("mongodb://u:planted@h1,h2:27018/shop?replicaSet=rs"))
    assert address.database == "shop"
    assert address.uri.reveal() == "mongodb://u:planted@h1,h2:27018/?replicaSet=rs&authSource=shop"
    assert from_url(Secret("mongodb+srv://h/x?authSource=admin")).uri.reveal().endswith("/?authSource=admin")


@pytest.mark.parametrize(
    "url", ["postgresql://u:planted@h/d", "mongodb:///planted", "mongodb://[planted", ""]
)
def test_a_url_that_cannot_be_read_is_not_shown(url: str) -> None:
    with pytest.raises(UsageMistake) as problem:
        from_url(Secret(url))
    assert "planted" not in str(problem.value.as_dict())


def test_nothing_of_a_password_is_seen() -> None:
    given = options(host="h", user="u", password="planted")
    assert "planted" not in repr(given) + str(given.address()) + given.model_dump_json()


def test_nothing_said_is_the_place_s_own_default() -> None:
    assert options().address().default
    assert not options(host="h").address().default


def test_which_namespaces_are_captured() -> None:
    chosen = catalog.chooser(options(exclude_databases=["test_*"], exclude_collections=["*.tmp"]), None)
    assert chosen(("shop", "items"))
    left_out = [
        ("local", "oplog.rs"),
        ("config", "x"),
        ("test_1", "items"),
        ("shop", "tmp"),
        ("shop__haechi_20260128_120000", "items"),
        ("shop__before_20260128_120000-2", "items"),
        ("shop", "haechi_restoring_20260128_120000_1"),
    ]
    assert not any(map(chosen, left_out))
    named = catalog.chooser(options(collections=["shop.a*"]), ["shop"])
    assert named(("shop", "ab")) and not named(("shop", "b")) and not named(("erp", "ab"))


ENTRIES: dict[Name, Entry] = {
    name: Entry(name)
    for name in [("erp", "a"), ("erp", "b.c"), ("shop", "a"), ("admin", "system.users"), ("", "oplog")]
}


def test_what_is_asked_for_is_chosen() -> None:
    prelude = Prelude(ENTRIES, "8", "t")
    assert set(layout.choose(prelude, ())[0]) == {("erp", "a"), ("erp", "b.c"), ("shop", "a")}
    assert set(layout.choose(prelude, ("erp",))[0]) == {("erp", "a"), ("erp", "b.c")}
    assert set(layout.choose(prelude, ("erp.b.c", "shop:a"))[0]) == {("erp", "b.c"), ("shop", "a")}
    for missing in ("crm", "erp.x"):
        with pytest.raises(NotThere) as problem:
            layout.choose(prelude, (missing,))
        assert "erp" in problem.value.hint


def test_a_new_name_is_for_one_thing() -> None:
    with pytest.raises(UsageMistake):
        layout.demand_one(ENTRIES, "new", None)
    layout.demand_one({("erp", "a"): ENTRIES["erp", "a"]}, "new", "b")


def test_a_target_may_be_elsewhere() -> None:
    assert Target.read({"url": "mongodb://h"}).elsewhere
    assert not Target.read({"database": "x", "checks": [1]}).elsewhere
    with pytest.raises(UsageMistake):
        Target.read({"nonsense": 1})


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Failed: can't create session: AuthenticationFailed: Authentication failed.", AccessRefused),
        (
            "Failed: error getting collections: (Unauthorized) not authorized on erp to execute command",
            AccessRefused,
        ),
        ("Failed: can't create session: server selection error: connection refused", ServerUnavailable),
        ("Failed: cannot dump with oplog while renames occur", SourceChanged),
        ("error parsing command line options: unknown flag `config'", ProgramFailed),
        ("Failed: something nobody thought of", ProgramFailed),
    ],
)
def test_what_the_programs_say_has_a_next_step(said: str, kind: type[Exception]) -> None:
    problem = problems.explain_said(f"2026-01-28T02:00:00.000+0900\t{said}", "The dump failed")
    assert type(problem) is kind
    assert problem.hint and problem.detail and problem.message.startswith("The dump failed: ")
    assert "2026" not in problem.message


def test_the_kind_is_what_archives_call_it() -> None:
    assert mongodb.main_form(options()) == "bson-archive"
