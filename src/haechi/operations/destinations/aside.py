"""A portion of a part on its way to another host, and what is said of it on its way back: through the vault.

They are laid aside there as blobs that no snapshot names. So they are sealed as all in the vault is, may be of any
length, cost little where most was there the last time, and go with the next prune. Until then they are kept safe by
the lock of whoever makes the point.
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from haechi.errors import UsageMistake
from haechi.events import Reporter
from haechi.fileio import explain
from haechi.i18n import _
from haechi.operations.destinations.many_hands import deliver
from haechi.sources._base import Source
from haechi.vault.repository import Vault


def lay_aside(vault: Vault, path: Path) -> dict[str, Any]:
    """In the process that makes the point: a portion that was written here, for `deliver_from` elsewhere."""
    with vault.writer() as writer, path.open("rb") as file:
        return {"vault": vault.id, "content": writer.lay_aside(file)}


def deliver_from(
    vault: Vault, source: Source, part: str, aside: Mapping[str, Any], parent: str, reporter: Reporter
) -> dict[str, Any]:
    """On another host: the same as `deliver`, of what was laid aside. Its report is, too."""
    if aside["vault"] != vault.id:
        raise UsageMistake(
            _("The plan of this host has another vault under that name."),
            hint=_("Hosts that share the work of one service must reach the same vault."),
        )
    with tempfile.TemporaryDirectory(prefix="haechi-") as directory:
        path = Path(directory) / "portion"
        try:
            with path.open("wb") as file, vault.open_aside(aside["content"]) as laid:
                shutil.copyfileobj(laid, file)
        except OSError as problem:
            raise explain(problem, path) from None
        done = deliver(vault, source, part, path, parent, reporter, elsewhere=True)
    delivered = done.pop("delivered")
    with vault.writer() as writer:
        return {"delivered": delivered, "aside": writer.lay_aside(io.BytesIO(json.dumps(done).encode()))}


def taken_up(vault: Vault, said: Mapping[str, Any]) -> dict[str, Any]:
    """What `deliver_from` said there, as `deliver` says it."""
    with vault.open_aside(said["aside"]) as laid:
        return {"delivered": said["delivered"], **json.load(laid)}
