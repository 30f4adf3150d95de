"""Google's and Azure's storage where they differ from S3: their errors, their classes, and a bucket as a source."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import AccessRefused, NotThere, StoreRefused
from haechi.events import SILENT
from haechi.operations import restore
from haechi.places.local import LocalPlace
from haechi.sources import bucket
from haechi.sources._base import Wanted
from haechi.sources._bucket.opening import open_bucket
from haechi.stores import objects
from haechi.stores._base import Store
from haechi.stores._open import open_store
from haechi.vault.tamper import tamper_test
from tests.servers.azure import Azure
from tests.servers.gcs import GoogleStorage
from tests.unit.sources.ground import install

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

HURRY: dict[str, Any] = {"retries": 0, "timeout": 30, "patience": 60}


class Cloud:
    """One of the two, and how to reach it."""

    def __init__(self, server: GoogleStorage | Azure):
        self.server = server
        self.options: dict[str, Any] = dict(server.options)

    def room(self) -> str:
        if isinstance(self.server, Azure):
            return f"az://{self.server.container()}"
        return f"gs://{self.server.bucket()}"

    def with_a_wrong_key(self) -> dict[str, Any]:
        if isinstance(self.server, Azure):
            return {**self.options, "secret_key": "d3Jvbmc="}
        return {**self.options, "service_account": str(self.server.key_of_an_account())}

    def open(self, url: str, **options: Any) -> Store:
        return open_store(url, {**self.options, **HURRY, **options})


@pytest.fixture(params=["google", "azure"])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    return Cloud(request.getfixturevalue(request.param))


def test_a_bucket_that_does_not_exist_is_named(cloud: Cloud) -> None:
    scheme = cloud.room().partition(":")[0]
    store = cloud.open(f"{scheme}://no-such-room/vault")
    for call in (
        lambda: store.get("config"),
        lambda: store.put("config", b"x"),
        lambda: store.put("config", iter([b"x"])),
        lambda: list(store.list("keys/")),
    ):
        with pytest.raises(StoreRefused, match="There is no bucket") as caught:
            call()
        assert "Create the bucket" in caught.value.hint


def test_a_wrong_key_opens_nothing(cloud: Cloud) -> None:
    url = cloud.room()
    cloud.open(url).put("config", b"x")
    stranger = open_store(url, {**HURRY, **cloud.with_a_wrong_key()})
    for call in (
        lambda: stranger.get("config"),
        lambda: stranger.stat("config"),
        lambda: stranger.put("other", b"x"),
        lambda: stranger.put("other", iter([b"x"])),
        lambda: list(stranger.list()),
        lambda: stranger.delete("config"),
    ):
        with pytest.raises(StoreRefused) as caught:
            call()
        assert caught.value.hint and not caught.value.retryable
    assert cloud.open(url).get("config") == b"x"


def test_what_is_written_has_the_class_of_the_plan(google: GoogleStorage) -> None:
    name = google.bucket()
    store = open_store(f"gs://{name}", {**google.options, "storage_class": "NEARLINE"})
    store.put("whole", b"x")
    store.put("streamed", iter([bytes(6 << 20), b"end"]))
    store.duplicate("streamed", "copied")
    found = google.call("GET", f"/storage/v1/b/{name}/o")["items"]
    assert {one["name"]: one["storageClass"] for one in found} == dict.fromkeys(
        ("whole", "streamed", "copied"), "NEARLINE"
    )
    assert store.get("copied") == bytes(6 << 20) + b"end"


def test_what_protects_nothing_is_said_to(cloud: Cloud) -> None:
    report = tamper_test(cloud.open(cloud.room()))
    assert {one.outcome for one in report.attempts} == {"done"}
    assert not report.protected and not report.left_behind


def test_a_bucket_is_backed_up_and_comes_back(cloud: Cloud, tmp_path: Path) -> None:
    url, other = cloud.room(), cloud.room()
    large = os.urandom(1 << 20) * 40
    about = {"content-type": "x/y", "metadata": json.dumps({"a": "b"})}
    with closing(open_bucket(url, objects.Options.model_validate(cloud.options))) as there:
        there.put("a b/김.txt", b"x", about)
        there.put_pieces("large", iter([large]), len(large), {})
    source = bucket.build("it", bucket.Options.model_validate({**cloud.options, "url": url}), LocalPlace())
    it = install(tmp_path / "it", "bucket", source, "{part}_{time}.tar")
    assert it.back_up().facts["objects"] == 2
    planned = restore.plan(it.service, SILENT, wanted=Wanted(target={"url": other}))
    assert restore.execute(planned, it.desk, SILENT).restored.equal
    with closing(open_bucket(other, objects.Options.model_validate(cloud.options))) as back:
        got = back.get("a b/김.txt")
        assert (got.data, dict(got.attributes)) == (b"x", about)
        assert back.get("large").data == large
        with pytest.raises(NotThere):
            back.get("never was")
    with (
        closing(open_bucket(url, objects.Options.model_validate(cloud.with_a_wrong_key()))) as there,
        pytest.raises(AccessRefused),
    ):
        there.head("large")
