"""What several tests of the vault need."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime
from typing import Any

from haechi.vault.repository import Vault
from haechi.vault.snapshots import Snapshot

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that do not shrink, the same ones each time."""
    return random.Random(seed).randbytes(size)


def keep(vault: Vault, files: dict[str, bytes], *, tags: tuple[str, ...] = (), **commit: Any) -> Snapshot:
    """A snapshot of these files."""
    with vault.writer() as writer:
        for path, data in files.items():
            writer.stream(path, io.BytesIO(data))
        return writer.commit(**{"time": NOON, "tags": tags, "hostname": "testhost"} | commit)


def contents(vault: Vault, snapshot: Snapshot) -> dict[str, bytes]:
    """Every file of a snapshot."""
    return {
        path: vault.read_file(snapshot, path) for path, node in vault.walk(snapshot) if node.type == "file"
    }
