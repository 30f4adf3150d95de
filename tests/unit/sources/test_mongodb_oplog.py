"""The oplog's entries: which are kept, and how the changes they tell are applied to documents' bytes."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Int64

from haechi.errors import SourceChanged
from haechi.sources._mongodb import delta, oplog, raw, rewriting
from haechi.sources._mongodb.archive import Name


def change(old: dict[str, Any] | None, told: dict[str, Any]) -> dict[str, Any] | None:
    new = delta.apply(None if old is None else bson.encode(old), bson.encode(told))
    return None if new is None else bson.decode(new)


def diff(**parts: Any) -> dict[str, Any]:
    return {"$v": 2, "diff": parts}


@pytest.mark.parametrize(
    ("old", "told", "new"),
    [
        ({"_id": 1, "a": 1}, {"_id": 1, "b": 2}, {"_id": 1, "b": 2}),
        ({"_id": 1, "a": 1, "b": 2}, diff(u={"a": 9}), {"_id": 1, "a": 9, "b": 2}),
        ({"_id": 1, "a": 1}, diff(d={"a": False}, i={"c": "새"}), {"_id": 1, "c": "새"}),
        (
            {"_id": 1, "a": {"x": 1, "y": 2}},
            diff(sa={"u": {"x": 5}, "d": {"y": False}}),
            {"_id": 1, "a": {"x": 5}},
        ),
        ({"_id": 1, "a.b": 1, "$c": 2}, diff(u={"a.b": 7, "$c": 8}), {"_id": 1, "a.b": 7, "$c": 8}),
        ({"_id": 1, "a": [1, 2, 3]}, diff(sa={"a": True, "u1": 9}), {"_id": 1, "a": [1, 9, 3]}),
        ({"_id": 1, "a": [1, 2, 3]}, diff(sa={"a": True, "l": 1}), {"_id": 1, "a": [1]}),
        ({"_id": 1, "a": [1]}, diff(sa={"a": True, "u3": 4}), {"_id": 1, "a": [1, None, None, 4]}),
        (
            {"_id": 1, "a": [{"x": 1}]},
            diff(sa={"a": True, "s0": {"u": {"x": 2}}}),
            {"_id": 1, "a": [{"x": 2}]},
        ),
        ({"_id": 1, "a": "text by now"}, diff(sa={"u": {"x": 5}}), {"_id": 1, "a": "text by now"}),
        ({"_id": 1}, diff(sgone={"u": {"x": 5}}), {"_id": 1}),
        (None, diff(u={"a": 1}), None),
        (None, {"_id": 1, "b": 2}, {"_id": 1, "b": 2}),
    ],
)
def test_a_change_is_applied(
    old: dict[str, Any] | None, told: dict[str, Any], new: dict[str, Any] | None
) -> None:
    once = change(old, told)
    assert once == new
    assert delta.understood(bson.encode(told))
    if once is not None:
        assert list(once) == list(new or {})
        assert change(once, told) == once, "twice must be the same as once"


def test_nothing_else_in_the_document_is_altered() -> None:
    """Deprecated types and the width of numbers are no more than bytes here."""
    body = bson.encode({"n": Int64(1), "m": 1})[4:-1] + b"\x06old\0" + b"\x0esym\0\x02\0\0\0s\0"
    old = (len(body) + 5).to_bytes(4, "little") + body + b"\0"
    new = delta.apply(old, bson.encode(diff(i={"z": 1})))
    assert new is not None
    assert new[4:] == body + b"\x10z\0\x01\0\0\0\0"


@pytest.mark.parametrize(
    "told",
    [
        diff(b={"o": 0}),
        diff(sa={"a": True, "x1": 1}),
        diff(sa=5),
        {"$v": 2, "diff": {"updatedFields": {"a": 1}}},
        {"$inc": {"a": 1}},
    ],
)
def test_what_is_not_understood_is_not_guessed(told: dict[str, Any]) -> None:
    assert not delta.understood(bson.encode(told))


def test_set_and_unset_are_left_to_the_server() -> None:
    told = bson.encode({"$v": 1, "$set": {"a.b": 1}, "$unset": {"c": True}})
    assert delta.understood(told) and delta.is_modifier(told)


# -- which entries are kept ----------------------------------------------------------------------------------------


def shop(name: Name) -> bool:
    return name[0] == "shop"


def keep(entry: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, int]]:
    touched: dict[str, int] = {}
    kept = oplog.relevant(bson.encode(entry), shop, touched)
    return (None if kept is None else bson.decode(kept)), touched


INSERT = {"op": "i", "ns": "shop.items", "o": {"_id": 1}}


def test_entries_of_what_is_captured_are_kept_as_they_are() -> None:
    assert keep(INSERT) == (INSERT, {"shop.items": 1})
    dotted = {"op": "d", "ns": "shop.with.dots", "o": {"_id": 1}}
    assert keep(dotted) == (dotted, {"shop.with.dots": 1})


@pytest.mark.parametrize(
    "entry",
    [
        {"op": "n", "ns": "", "o": {"msg": "periodic noop"}},
        {"op": "i", "ns": "other.items", "o": {"_id": 1}},
        {"op": "u", "ns": "shop.system.buckets.ts", "o": {"$v": 2, "diff": {"b": {}}}, "o2": {"_id": 1}},
        {"op": "c", "ns": "other.$cmd", "o": {"renameCollection": "other.a", "to": "other.b"}},
        {"op": "c", "ns": "shop.$cmd", "o": {"startIndexBuild": "items"}},
        {"op": "c", "ns": "admin.$cmd", "o": {"applyOps": [{"op": "i", "ns": "other.x", "o": {"_id": 1}}]}},
    ],
)
def test_others_are_left_out(entry: dict[str, Any]) -> None:
    assert keep(entry) == (None, {})


@pytest.mark.parametrize("command", ["create", "drop", "createIndexes", "commitIndexBuild", "dropIndexes"])
def test_commands_that_can_be_done_again_are_kept(command: str) -> None:
    entry = {"op": "c", "ns": "shop.$cmd", "o": {command: "items"}}
    assert keep(entry) == (entry, {"shop.items": 1})


@pytest.mark.parametrize(
    "entry",
    [
        {"op": "c", "ns": "shop.$cmd", "o": {"renameCollection": "shop.a", "to": "shop.b"}},
        {"op": "c", "ns": "shop.$cmd", "o": {"collMod": "items", "validator": {}}},
        {"op": "c", "ns": "shop.$cmd", "o": {"convertToCapped": "items"}},
        {"op": "u", "ns": "shop.items", "o": {"$v": 2, "diff": {"b": {}}}, "o2": {"_id": 1}},
        {"op": "x", "ns": "shop.items", "o": {}},
    ],
)
def test_what_cannot_be_done_again_fails_the_dump(entry: dict[str, Any]) -> None:
    """And not the restore: now there still is a database to dump once more."""
    with pytest.raises(SourceChanged) as problem:
        keep(entry)
    assert problem.value.retryable and problem.value.hint


def test_of_a_transaction_only_what_is_captured_is_kept() -> None:
    other = {"op": "i", "ns": "other.x", "o": {"_id": 1}}
    entry = {"op": "c", "ns": "admin.$cmd", "o": {"applyOps": [other, INSERT]}, "txnNumber": Int64(1)}
    kept, touched = keep(entry)
    assert kept == {**entry, "o": {"applyOps": [INSERT]}}
    assert touched == {"shop.items": 1}


def test_the_parts_of_a_large_transaction_stay_even_when_empty() -> None:
    """Its last entry says that all of it is committed."""
    entry = {"op": "c", "ns": "admin.$cmd", "o": {"applyOps": [], "count": Int64(3)}}
    assert keep(entry)[0] == entry
    commit = {"op": "c", "ns": "admin.$cmd", "o": {"commitTransaction": 1}}
    assert keep(commit)[0] == commit


def test_entries_get_other_names_throughout() -> None:
    def renamed(name: Name) -> Name:
        return ("new", f"{name[1]}2")

    def rename(entry: dict[str, Any]) -> dict[str, Any]:
        return bson.decode(rewriting.renamed_entry(bson.encode(entry), renamed))

    assert rename(INSERT)["ns"] == "new.items2"
    command = rename({"op": "c", "ns": "shop.$cmd", "o": {"create": "items", "capped": True}})
    assert (command["ns"], command["o"]) == ("new.$cmd", {"create": "items2", "capped": True})
    inside = rename({"op": "c", "ns": "admin.$cmd", "o": {"applyOps": [INSERT]}})
    assert inside["o"]["applyOps"][0]["ns"] == "new.items2"


def test_a_document_that_is_none_is_refused() -> None:
    for data in (b"", b"\x05\0\0\0\x01", b"\x0c\0\0\0\x02a\0\xff\0\0\0\0", b"\x08\0\0\0\x99a\0\0"):
        with pytest.raises(ValueError, match=r"document|field|type|subsection"):
            list(raw.fields(data))
