"""What is in a vault, what was wrong with it, and how a storage did."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.cli.screen import Screen
from haechi.credentials import Secret
from haechi.errors import SecretMissing, UsageMistake
from haechi.i18n import N_, _
from haechi.operations.heal import Mended
from haechi.testing.store_contract import Result
from haechi.vault.check import CheckReport
from haechi.vault.heal import HealReport
from haechi.vault.keys import KeyFile
from haechi.vault.nodes import Node
from haechi.vault.prune import PruneReport
from haechi.vault.recovery_key import RecoveryKey
from haechi.vault.rekey import RekeyReport
from haechi.vault.repair import RepairReport
from haechi.vault.snapshots import Snapshot
from haechi.vault.tamper import TamperReport
from haechi.vault.weighing import PrunePlan

_SHOWN = 20  # problems; the rest is counted
_ATTACKS = {
    "refused": (N_("refused"), "green"),
    "kept": (N_("done, and the old version was kept"), "green"),
    "done": (N_("done: the bytes are gone"), "bold red"),
}
_ATTEMPTS = {
    "overwrite": N_("overwrite"),
    "replace by a copy": N_("replace by a copy"),
    "delete": N_("delete"),
}
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
                _("{path} cannot be read: {reason}.").format(path=key_file, reason=problem.strerror),
                hint=_("Name a file that you may read with --key-file."),
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


# -- care ------------------------------------------------------------------------------------------


def checked(report: CheckReport, zone: tzinfo | None) -> RenderableType:
    """What was looked at, what is wrong, and whom it touches."""
    looked = _("{snapshots} restore points, {packs} packs, {blobs} blobs, {size}; {read} read.").format(
        snapshots=report.snapshots,
        packs=report.packs,
        blobs=f"{report.blobs:,}",
        size=amounts.size(report.bytes_stored),
        read=amounts.size(report.bytes_read),
    )
    lines: list[RenderableType] = [Text(looked)]
    lines += [Text(f"{p.where}: {p.reason}", style="red") for p in report.problems[:_SHOWN]]
    if len(report.problems) > _SHOWN:
        lines.append(Text(_("… and {count} more").format(count=len(report.problems) - _SHOWN)))
    if report.touched:
        made = table(_("touched"), _("service"), _("time"), _("paths"), whole=(0,))
        for one in report.touched:
            made.add_row(
                one.snapshot[:8], one.service, amounts.moment(one.time, zone), Text(", ".join(one.paths[:3]))
            )
        lines.append(made)
    lines += [Text(note, style="dim") for note in report.notes]
    if not report.problems:
        lines.append(Text(_("No damage was found."), style="green"))
    return Group(*lines)


def prune_plan(plan: PrunePlan) -> RenderableType:
    if plan.nothing_to_do:
        return _("Every byte of the vault is needed: there is nothing to give back.")
    return _(
        "{remove} packs would go, {repack} would be written anew ({moved} moved); {free} would come free."
    ).format(
        remove=len(plan.remove) + len(plan.orphans),
        repack=len(plan.repack),
        moved=amounts.size(plan.bytes_repacked),
        free=amounts.size(plan.bytes_freed),
    )


def pruned(report: PruneReport) -> str:
    return _("{removed} packs are gone, {written} were written; {free} came free.").format(
        removed=report.packs_removed, written=report.packs_written, free=amounts.size(report.bytes_freed)
    )


def repaired(report: RepairReport, left: CheckReport, zone: tzinfo | None) -> RenderableType:
    done = _(
        "The index was built anew from {packs} whole packs; of {damaged} damaged ones {saved} blobs were saved "
        "and {lost} could not be read."
    ).format(
        packs=report.packs,
        damaged=report.damaged_packs,
        saved=report.blobs_saved,
        lost=report.blobs_unreadable,
    )
    return Group(Text(done), checked(left, zone))


def healed(report: HealReport) -> RenderableType:
    if report.repaired is None:
        return Text(_("No damage was found."), style="green")
    return Text(
        _("{saved} blobs were saved here, {fetched} were fetched, {lost} are lost.").format(
            saved=report.repaired.blobs_saved, fetched=report.blobs_fetched, lost=report.blobs_lost
        ),
        style="green" if report.healthy else "bold red",
    )


def mended(done: Mended) -> RenderableType:
    """What became of every copy of a service."""
    lines: list[RenderableType] = []
    for where, report in done.vaults.items():
        lines += [Text(f"{where}:", style="bold"), healed(report)]
    for copy in done.copies:
        if copy.problem:
            said = _("{point} in {where} is damaged still: {reason}").format(
                point=copy.point.id, where=copy.where, reason=copy.problem.message
            )
        else:
            said = _("{point} in {where} was made anew from {source}").format(
                point=copy.point.id, where=copy.where, source=copy.source
            )
        lines.append(Text(said, style="bold red" if copy.problem else "green"))
    return Group(*lines) if lines else Text(_("No damage was found."), style="green")


def mended_as_data(done: Mended) -> dict[str, object]:
    return {
        "healthy": done.healthy,
        "vaults": {where: report.as_dict() for where, report in done.vaults.items()},
        "copies": [
            {
                "point": copy.point.id,
                "where": copy.where,
                "from": copy.source,
                "error": copy.problem.as_dict() if copy.problem else None,
            }
            for copy in done.copies
        ],
    }


def rekeyed(report: RekeyReport, old: str, new: str) -> str:
    return _(
        "“{new}” holds all {count} restore points of “{old}” under a new master key, and every byte was read back. "
        "Name it in the plan instead of “{old}”, then remove the old vault's storage."
    ).format(new=new, old=old, count=len(report.copied.copied) + len(report.copied.present))


def tampered(report: TamperReport) -> RenderableType:
    made = table(_("attack"), _("result"), _("the storage said"))
    for attempt in report.attempts:
        word, color = _ATTACKS[attempt.outcome]
        made.add_row(
            _(_ATTEMPTS.get(attempt.name, attempt.name)), Text(_(word), style=color), Text(attempt.said)
        )
    return made


def paper(key: RecoveryKey, file: KeyFile, vault: str) -> RenderableType:
    return Group(
        Text(_("Recovery key of the vault “{vault}”").format(vault=vault), style="bold"),
        "",
        Text("    " + key.printed(), style="bold"),
        "",
        Text(
            _(
                "Print it or write it down, and keep it in a safe. It is not shown again. With it the vault opens "
                "when every other key is lost: haechi key add {vault} --recovery. Remove it with: haechi key remove "
                "{vault} {id}"
            ).format(vault=vault, id=file.id[:8])
        ),
    )
