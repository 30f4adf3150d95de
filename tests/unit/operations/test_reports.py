"""Signed reports: whoever changes one afterwards is seen, and the page needs nothing but itself."""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from haechi import clock, i18n
from haechi.cli.render import reports as shown
from haechi.cli.render import runs
from haechi.documents import report as document
from haechi.errors import NotThere, SecretMissing, UsageMistake
from haechi.events import SILENT
from haechi.i18n import N_, _
from haechi.journal.book import Journal
from haechi.model import Proof, ProofState
from haechi.operations import drill
from haechi.operations.backup import back_up
from haechi.operations.proving import reports
from haechi.operations.proving.reports import Seal
from haechi.sources._base import Comparison, Rehearsed, Restored
from tests.unit.operations.ground import Ground, Papers, lay


class Rehearsable(Papers):
    """Comes back in memory."""

    lost = False
    title = N_("reading <all> of it")

    @contextmanager
    def rehearse(self, point, parts, wanted, into, reporter):  # type: ignore[no-untyped-def]
        with reporter.step(_(self.title)):
            restored = self.restore(point, parts, wanted, reporter)
        if self.lost:
            restored = Restored("memory", (Comparison("rows <of> a.bin", 10, 9),))
        yield Rehearsed(restored, "memory", 0.01)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    ground = lay(tmp_path)
    ground.source = Rehearsable(dict(ground.source.state))
    back_up(ground.service(ground.vault), ground.desk, SILENT)
    return ground


def test_a_drill_leaves_a_report_that_is_ours(ground: Ground) -> None:
    done = drill.drill(ground.service(ground.vault), ground.desk, SILENT)
    assert done.report
    kept = ground.desk.journal.reports.get(done.report.id[:24])
    assert kept == done.report
    assert reports.look(ground.desk, kept) is Seal.OURS
    body = json.loads(kept.body)
    assert body["passed"]
    assert body["point"] == done.point.id
    assert [step["title"] for step in body["steps"]] == ["reading <all> of it"]
    assert len(body["compared"]) == 2
    key = ground.desk.state / "report.key"
    assert key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("what", ["body", "subject", "time", "host", "signature", "key"])
def test_a_later_change_is_seen(ground: Ground, what: str) -> None:
    report = drill.drill(ground.service(ground.vault), ground.desk, SILENT).report
    assert report
    changed = {
        "body": replace(report, body=report.body.replace("true", "false", 1)),
        "subject": replace(report, subject="others"),
        "time": replace(report, time=report.time.replace(year=2031)),
        "host": replace(report, host="elsewhere"),
        "signature": replace(report, signature="00" * 64),
        "key": replace(report, key="zz"),
    }[what]
    assert reports.look(ground.desk, changed) is Seal.BROKEN


def test_another_installation_is_told_apart(ground: Ground, tmp_path: Path) -> None:
    report = drill.drill(ground.service(ground.vault), ground.desk, SILENT).report
    assert report
    other = replace(ground.desk, state=tmp_path / "other")
    assert reports.look(other, report) is Seal.FOREIGN
    reports.sign(other, "drill", "x", {})
    assert reports.look(other, report) is Seal.FOREIGN


def test_a_key_that_cannot_be_read_is_said_so(ground: Ground) -> None:
    (ground.desk.state / "report.key").write_text("nonsense")
    with pytest.raises(SecretMissing, match="cannot be read"):
        reports.sign(ground.desk, "drill", "x", {})


def test_they_are_found_again(ground: Ground) -> None:
    for subject in "one", "two":
        ground.desk.journal.reports.add(reports.sign(ground.desk, "checklist", subject, {"complete": True}))
    found = ground.desk.journal.reports.find(kind="checklist")
    assert [report.subject for report in found] == ["two", "one"]
    assert ground.desk.journal.reports.find(subject="one")[0].subject == "one"
    with pytest.raises(UsageMistake):
        ground.desk.journal.reports.get("20")
    with pytest.raises(NotThere):
        ground.desk.journal.reports.get("nope")


def test_the_page_says_what_differs_and_nothing_in_it_is_markup(ground: Ground) -> None:
    assert isinstance(ground.source, Rehearsable)
    ground.source.lost = True
    report = drill.drill(ground.service(ground.vault), ground.desk, SILENT).report
    assert report
    page = document.page(report, "ours", ZoneInfo("Asia/Seoul"))
    assert "rows &lt;of&gt; a.bin" in page
    assert "reading &lt;all&gt; of it" in page
    assert "class=differs" in page
    assert "http" not in page.replace("http-equiv", ""), "it needs nothing from anywhere"
    assert "KST" in page
    assert report.signature in page


def test_a_report_is_read_in_the_language_of_its_reader(ground: Ground) -> None:
    assert isinstance(ground.source, Rehearsable)
    ground.source.lost = True
    service = replace(ground.service(ground.vault), checks=())
    ground.source.title = N_("Making indexes")
    report = drill.drill(service, ground.desk, SILENT).report
    assert report
    i18n.use("ko")
    page = document.page(report, "ours", None)
    assert _(ground.source.title) != ground.source.title
    assert _(ground.source.title) in page and ground.source.title not in page
    screen = Console(width=80, file=io.StringIO())
    screen.print(shown.text(report, "ours", None))
    assert _(ground.source.title) in screen.file.getvalue()  # type: ignore[attr-defined]
    (run,) = ground.desk.journal.runs(operation="drill")
    screen = Console(width=80, file=io.StringIO())
    screen.print(runs.shown(ground.desk.journal.run(run.id), None))
    assert _(ground.source.title) in screen.file.getvalue()  # type: ignore[attr-defined]


def test_a_journal_that_is_away_hides_no_drill(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    away = Journal("sqlite:////proc/nowhere/journal.sqlite")
    desk = replace(ground.desk, journal=away)
    assert drill.drill(ground.service(ground.vault), desk, SILENT).passed


def test_a_report_says_how_long_restores_took_before(ground: Ground) -> None:
    point = back_up(ground.service(ground.vault), ground.desk, SILENT).point
    for days, seconds in ((8, 10.0), (6, 11.0), (4, 30.0)):
        moment = clock.now() - timedelta(days=days)
        proof = Proof(point.id, "vault.main", ProofState.RESTORED, moment, "restore", seconds)
        ground.desk.journal.record_proof(proof)
    report = drill.drill(ground.service(ground.vault), ground.desk, SILENT).report
    assert report
    earlier = json.loads(report.body)["earlier"]
    assert earlier["seconds"][:3] == [10.0, 11.0, 30.0]
    assert len(earlier["seconds"]) == 4
    assert earlier["going"] in ("better", "steady", "worse")
    assert "10 s, 11 s, 30 s" in document.page(report, "ours", ground.service(ground.vault).zone)
