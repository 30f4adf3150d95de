"""Vaults in a temporary directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from haechi.credentials import Secret
from haechi.stores.local import Local
from haechi.vault.repository import Vault

settings.register_profile("vault", deadline=None)  # other tests run on the same cores
settings.load_profile("vault")


@pytest.fixture
def secret() -> Secret:
    return Secret("correct horse battery staple")


@pytest.fixture
def store(tmp_path: Path) -> Local:
    return Local(tmp_path / "vault")


@pytest.fixture
def vault(store: Local, secret: Secret) -> Vault:
    return Vault.create(store, secret)
