"""The scheme of an address chooses the kind, and its options say what is wrong with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from haechi import plugins
from haechi.errors import UsageMistake
from haechi.stores import _open
from haechi.stores._open import kind_of, open_store, parse_options


def test_every_kind_is_found_by_the_schemes_it_declares() -> None:
    kinds = [name for name in plugins.names(_open.PACKAGE) if name != "wrappers"]
    assert {"local", "objects", "rest", "rclone"} <= set(kinds)
    for name in kinds:
        module = plugins.load(_open.PACKAGE, name)
        for scheme in module.schemes:
            assert kind_of(f"{scheme}:somewhere" if scheme else "/somewhere") is module


@pytest.mark.parametrize("url", ["/a/b", "relative/dir", "./with:colon", "file:///a/b"])
def test_paths_are_directories(url: str) -> None:
    assert kind_of(url).__name__ == "haechi.stores.local"


def test_an_unknown_scheme_names_those_that_are_known() -> None:
    with pytest.raises(UsageMistake, match="ftp:") as caught:
        open_store("ftp://host/")
    assert (
        "s3:" in caught.value.hint and "rclone:" in caught.value.hint and "wrappers" not in caught.value.hint
    )


def test_all_wrong_options_are_listed_and_no_value_is_shown() -> None:
    with pytest.raises(UsageMistake) as caught:
        parse_options("s3://bucket", {"secret": "hush", "retries": -1, "region": ["hush"]})
    message = caught.value.message
    assert "secret" in message and "retries" in message and "region" in message and "hush" not in message


@pytest.mark.parametrize(
    "url", ["s3://", "rest:host:8000", "rclone:remote", "rclone::path", "s3:https://host-without-bucket"]
)
def test_an_address_that_says_too_little_is_explained(url: str) -> None:
    with pytest.raises(UsageMistake) as caught:
        open_store(url)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rest:http://user:hush@host:8000/erp/", "rest:http://host:8000/erp/"),
        ("s3://key:hush@bucket/erp/", "s3://bucket/erp"),
        ("rclone:nas,pass=hush:erp", "rclone:nas:erp"),
    ],
)
def test_no_address_shows_its_secrets(url: str, shown: str) -> None:
    store = open_store(url, {"region": "eu-north-1"} if url.startswith("s3") else None)
    assert store.url == shown
    assert "hush" not in repr(store)


def test_opening_a_directory_imports_no_driver_of_another_kind() -> None:
    script = (
        "import sys; from haechi.stores._open import open_store; open_store('/nowhere');"
        "print([m for m in sys.modules if 'obstore' in m or m.startswith('haechi.stores.r') or m == 'http.client'])"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


def test_nothing_is_made_by_opening(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "vault"))
    assert list(store.list()) == []
    assert not (tmp_path / "vault").exists()
