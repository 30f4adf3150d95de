"""Every kind of storage, held to the one contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from haechi.stores._base import Store
from haechi.stores._open import open_store
from haechi.testing.memory_store import MemoryStore
from haechi.testing.store_contract import CASES, Case, NotOffered, Trial
from tests.servers.azure import Azure
from tests.servers.gcs import GoogleStorage
from tests.servers.rclone import serving_restic
from tests.servers.seaweedfs import SeaweedFS

# What a kind of storage cannot do, and no more than that: a case missing here must pass.
_CREATORS = "of-two-creators-one-wins"
BY_CHANCE = {_CREATORS, "nobody-sees-half-an-object"}  # seen only when two things meet
NOT_OFFERED = {
    "rest": {"odd-names-are-kept", "nobody-sees-half-an-object", _CREATORS},
    "rest-append-only": {
        "odd-names-are-kept",
        "nobody-sees-half-an-object",
        "replacing-replaces",
        "deleting-deletes-and-twice-is-no-error",
        "duplicates-stand-alone",
        _CREATORS,
    },
    "rclone": {_CREATORS},
    "rclone-alias": {_CREATORS},
    "append-only": {
        "replacing-replaces",
        "deleting-deletes-and-twice-is-no-error",
        "duplicates-stand-alone",
    },
}
SERVERS = ("seaweedfs", "google", "azure", "rest", "rest-append-only", "rclone", "rclone-alias", "ssh")
KINDS = (
    "memory",
    "local",
    "append-only",
    *(pytest.param(name, marks=pytest.mark.server) for name in SERVERS),
)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def store(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    with _opened(kind, tmp_path_factory.mktemp("store"), request) as store:
        yield store
        store.close()


@contextmanager
def _opened(kind: str, directory: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    remote = {"settings": {"type": "local"}}
    if kind == "memory":
        yield MemoryStore()
    elif kind == "local":
        yield open_store(str(directory / "vault"))
    elif kind == "append-only":
        yield open_store(str(directory / "vault"), {"append_only": True})
    elif kind == "seaweedfs":
        server: SeaweedFS = request.getfixturevalue("seaweedfs")
        yield open_store(f"s3://{server.bucket()}/some/where", server.options)
    elif kind == "google":
        google: GoogleStorage = request.getfixturevalue("google")
        yield open_store(f"gs://{google.bucket()}/some/where", google.options)
    elif kind == "azure":
        azure: Azure = request.getfixturevalue("azure")
        yield open_store(f"az://{azure.container()}/some/where", azure.options)
    elif kind == "rest":
        with serving_restic(directory) as url:
            yield open_store(url)
    elif kind == "rest-append-only":
        with serving_restic(directory, "--append-only") as url:
            yield open_store(url)
    elif kind == "ssh":
        server = request.getfixturevalue("sshd")
        address = f"ssh://127.0.0.1:{server.port}{directory}/vault"
        yield open_store(address, {"config": str(server.config)})
    elif kind == "rclone":
        yield open_store(f"rclone:disk:{directory}/vault", remote)
    else:
        alias = {"settings": {"type": "alias", "remote": str(directory)}}
        yield open_store("rclone:short-name:deep/down", alias)


@pytest.mark.timeout(600)  # thousands of objects, one by one
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract(case: Case, kind: str, store: Store) -> None:
    trial = Trial(store)
    try:
        case.run(trial)
    except NotOffered:
        assert case.name in NOT_OFFERED.get(kind, ())
    else:
        assert case.name not in NOT_OFFERED.get(kind, set()) - BY_CHANCE
    finally:
        trial.tidy()
