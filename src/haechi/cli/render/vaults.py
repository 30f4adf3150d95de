"""What is in a vault, and how a storage did."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.cli.screen import Screen
from haechi.credentials import Secret
from haechi.errors import SecretMissing, UsageMistake
from haechi.i18n import N_, _
from haechi.testing.store_contract import Result
from haechi.vault.keys import KeyFile
from haechi.vault.nodes import Node
from haechi.vault.snapshots import Snapshot

_VERDICTS = {
    "passed": (N_("passed"), "green"),
    "not-offered": (N_("not offered"), "yellow"),
    "failed": (N_("failed"), "bold red"),
}


def new_secret(view: Screen, key_file: Path | None) -> Secret:
    """A new key from a file, or typed twice."""
    if key_file is not None:
        try:
            return Secret(key_file.read_text().rstrip("\r\n"))
        except OSError as problem:
            raise SecretMissing(
                _("{path} cannot be read: {reason}.").format(path=key_file, reason=problem.strerror)
            ) from None
    if not view.interactive:
        raise UsageMistake(_("Nobody is here to type a key."), hint=_("Name a file with --key-file."))
    typed = getpass.getpass(_("New key: "))
    if getpass.getpass(_("Once more: ")) != typed:
        raise UsageMistake(_("The two are not the same. Nothing was done."))
    return Secret(typed)


def snapshots(found: Iterable[Snapshot], zone: tzinfo | None) -> RenderableType:
    made = table(_("snapshot"), _("time"), _("host"), _("paths"), _("tags"), whole=(0, 1))
    for snapshot in found:
        made.add_row(
            snapshot.id[:8],
            amounts.moment(snapshot.time, zone),
            snapshot.hostname,
            ", ".join(snapshot.paths),
            Text(", ".join(snapshot.tags)),
        )
    return made if made.row_count else _("The vault is empty.")


def snapshots_as_data(found: Iterable[Snapshot]) -> list[dict[str, object]]:
    return [{"id": s.id, "time": s.time, "host": s.hostname, "paths": s.paths, "tags": s.tags} for s in found]


def files(nodes: Iterable[tuple[str, Node]]) -> RenderableType:
    made = table(_("size"), _("path"), whole=(), right=(0,))
    for path, node in nodes:
        made.add_row(amounts.size(node.size) if node.type == "file" else "", Text(path))
    return made


def files_as_data(nodes: Iterable[tuple[str, Node]]) -> list[dict[str, object]]:
    return [{"path": path, "type": node.type, "size": node.size} for path, node in nodes]


def keys(found: Iterable[KeyFile], in_use: str, zone: tzinfo | None) -> RenderableType:
    made = table(_("key"), _("made"), _("host"), _("user"), "")
    for key in found:
        made.add_row(
            key.id[:8],
            amounts.moment(key.created, zone) if key.created else "",
            key.hostname,
            key.username,
            _("in use") if key.id == in_use else "",
        )
    return made


def trial(results: Sequence[Result]) -> RenderableType:
    """How the storage did, case by case."""
    made = table(_("case"), _("result"), _("reason"))
    for result in results:
        word, color = _VERDICTS[result.verdict]
        made.add_row(result.name, Text(_(word), style=color), Text(result.reason))
    return made
