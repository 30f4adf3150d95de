"""The demo's last screen, and what one can play with when it stays."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from haechi.cli.render import amounts
from haechi.demo.story import Ending, Table
from haechi.i18n import _


def ending(done: Ending) -> RenderableType:
    """One picture: what was there, what happened to it, what came back, and how long all that took."""
    return Panel(
        Group(
            Text(_("Lost, and all of it came back."), style="bold green", justify="center"),
            Text(),
            _tables(done),
            Text(),
            _measured(done),
            Text(),
            _stored(done),
        ),
        title=_("Haechi: the demo"),
        subtitle=_("from an empty directory to this in {time}").format(time=amounts.duration(done.seconds)),
        box=box.ROUNDED,
        border_style="green",
        padding=(1, 2),
        width=80,
    )


def _tables(done: Ending) -> RenderableType:
    made = _grid(_("table"), _("rows"), _("after the disaster"), _("after the restore"), right=(1,))
    for table in done.tables:
        hurt = Text(_damage(table), style="red" if table.hurt else "dim")
        healed = Text(
            _("identical") if table.healed else _("different"), style="green" if table.healed else "red"
        )
        made.add_row(table.name, f"{table.before[0]:,}", hurt, healed)
    return made


def _damage(table: Table) -> str:
    if table.wrecked is None:
        return _("gone")
    missing = table.before[0] - table.wrecked[0]
    if missing:
        return _("{count} rows gone").format(count=f"{missing:,}")
    return _("overwritten") if table.hurt else _("untouched")


def _measured(done: Ending) -> RenderableType:
    made = _grid("", _("promised"), _("measured"), "", right=(1, 2))
    for title, promised, value in (
        (_("RPO: how much may be lost"), done.promise.rpo, done.rpo),
        (_("RTO: how long it may take"), done.promise.rto, done.rto),
    ):
        assert promised
        held = value <= promised.total_seconds()
        made.add_row(
            title,
            amounts.duration(promised),
            Text(amounts.duration(value), style="bold"),
            Text(_("promise kept") if held else _("promise broken"), style="green" if held else "red"),
        )
    return made


def _stored(done: Ending) -> RenderableType:
    made = _grid("", "", right=(1,))
    made.show_header = False
    rows = (
        (_("Database"), done.database_bytes),
        (_("Dump read"), done.backup.bytes_read),
        (_("In the vault: deduplicated, encrypted, authenticated"), _in_vault(done.backup.point.copies)),
        (_("In the vault, for a second backup of the same rows"), _in_vault(done.again.point.copies)),
        (
            _("In the archive: plain .sql.gz, opened by gunzip and psql"),
            _in_archive(done.backup.point.copies),
        ),
    )
    for title, count in rows:
        made.add_row(title, amounts.size(count))
    return made


def _in_vault(copies: Any) -> int:
    return sum(copy.size for copy in copies if copy.where.startswith("vault."))


def _in_archive(copies: Any) -> int:
    return sum(copy.size for copy in copies if copy.where.startswith("archive."))


def _grid(*columns: str, right: tuple[int, ...]) -> RichTable:
    made = RichTable(box=None, padding=(0, 1), pad_edge=False, expand=True, header_style="bold")
    for number, title in enumerate(columns):
        made.add_column(title, justify="right" if number in right else "left", no_wrap=True)
    return made


def as_data(done: Ending) -> dict[str, object]:
    return {
        "nothing_lost": done.nothing_lost,
        "rpo_seconds": done.rpo,
        "rto_seconds": done.rto,
        "seconds": done.seconds,
        "database_bytes": done.database_bytes,
        "dump_bytes": done.backup.bytes_read,
        "vault_bytes": _in_vault(done.backup.point.copies),
        "second_vault_bytes": _in_vault(done.again.point.copies),
        "archive_bytes": _in_archive(done.backup.point.copies),
        "tables": [
            {
                "name": table.name,
                "rows": table.before[0],
                "hurt": table.hurt,
                "identical": table.healed,
            }
            for table in done.tables
        ],
    }


def playground(plan: Path, psql: str, stop: str) -> str:
    """Lines to copy, when everything stays in place."""
    directory = plan.parent
    program = Path(sys.executable).with_name("haechi")
    alias = [] if shutil.which("haechi") else [f"alias haechi={program}"]
    return "\n".join(
        [
            _("Everything stays in {directory}, and the server runs on. Play with it:").format(directory=directory),
            *("  " + line for line in (
                *alias,
                f"export HAECHI_PLAN={plan}",
                "haechi status",
                "haechi list",
                "haechi backup erp",
                "haechi verify erp",
                "haechi restore erp",
                "haechi beside swap erp",
                psql,
                f"gunzip -c {directory}/archive/*.sql.gz | less",
            )),
            _("When you have seen enough:"),
            f"  {stop} && rm -rf {directory}",
        ]
    )  # fmt: skip
