"""`haechi metrics`: how things stand, as figures for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from haechi.cli.home import at_home
from haechi.i18n import N_, plural

if TYPE_CHECKING:
    from haechi.operations.watching.metrics import Metric

GROUP = "look"
SUMMARY = N_("How things stand as figures for Prometheus, its alert rules, and a dashboard for Grafana")
HELP = N_(
    "The same that `haechi status` and `haechi alarms` find, in Prometheus' text format. With --textfile it goes to "
    "a file that node_exporter reads; the daemon answers by HTTP where [server] metrics says. --rules and "
    "--dashboard print what belongs to it."
)


def command(
    textfile: Annotated[
        Path | None,
        Option("--textfile", metavar="FILE", help=N_("Write them to this file, whole or not at all.")),
    ] = None,
    rules: Annotated[
        bool, Option("--rules", help=N_("Print alert rules for Prometheus, and nothing else."))
    ] = False,
    dashboard: Annotated[
        bool, Option("--dashboard", help=N_("Print a dashboard for Grafana, and nothing else."))
    ] = False,
) -> None:
    import json

    from haechi.app import figures
    from haechi.cli.screen import screen
    from haechi.documents import monitoring
    from haechi.operations.watching import metrics

    if rules or dashboard:
        text = monitoring.rules() if rules else monitoring.dashboard()
        data = {"rules": text} if rules else json.loads(text)
        screen().answer(data, text=text.rstrip("\n"))
        return
    view, home = at_home()
    with view.progress() as reporter:
        found = figures.gather(home, reporter)
    if textfile is None:
        view.answer(_as_data(found), text=lambda: metrics.as_text(found).rstrip("\n"))
        return
    figures.write(found, textfile)
    count = sum(len(one.samples) for one in found)
    said = plural(
        "{count} figure written to {path}.", "{count} figures written to {path}.", count, path=textfile
    )
    view.answer({"written": textfile, "samples": count}, text=said)


def _as_data(found: list[Metric]) -> list[dict[str, object]]:
    return [
        {
            "name": one.name,
            "help": one.meaning,
            "samples": [{"labels": dict(labels), "value": value} for labels, value in one.samples],
        }
        for one in found
    ]
