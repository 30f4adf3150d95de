"""The summary: each promise with how far it is used up, in words, blocks and a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haechi import clock
from haechi.documents import promises
from haechi.documents.promises import Bar
from haechi.events import SILENT
from haechi.model import Outcome, Promise
from haechi.notify._base import Message, Mood
from haechi.notify.email import written
from haechi.operations import status
from haechi.operations.backup import back_up
from haechi.operations.people import digest
from haechi.operations.watching.alarms import Alarm
from tests.unit.operations.ground import Ground, lay

HOUR = timedelta(hours=1)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return lay(tmp_path)


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        (timedelta(0), "▱▱▱▱▱▱▱▱▱▱"),
        (timedelta(seconds=1), "▰▱▱▱▱▱▱▱▱▱"),
        (HOUR / 2, "▰▰▰▰▰▱▱▱▱▱"),
        (HOUR, "▰▰▰▰▰▰▰▰▰▰"),
        (99 * HOUR, "▰▰▰▰▰▰▰▰▰▰"),
        (None, "▰▰▰▰▰▰▰▰▰▰"),
    ],
)
def test_a_bar_says_how_much_is_used_up(now: timedelta | None, shown: str) -> None:
    assert digest.bar(now, HOUR) == shown


def test_a_service_that_was_never_saved_and_one_that_was(ground: Ground) -> None:
    never = replace(ground.service(), promise=Promise(rpo=HOUR, rto=HOUR))
    since = clock.now() - timedelta(days=1)
    (standing,) = status.standings([never], ground.desk, SILENT)
    (line,) = digest.lines([standing], [], ground.desk, since)
    assert line.mood is Mood.BAD
    assert line.text == (
        "RPO not known of 1h ▰▰▰▰▰▰▰▰▰▰ · RTO not known of 1h ▰▰▰▰▰▰▰▰▰▰ · never drilled · 0 backups"
    )
    back_up(never, ground.desk, SILENT)
    ground.desk.journal.end_run(ground.desk.journal.begin_run("backup", "papers"), Outcome.FAILURE)
    (standing,) = status.standings([never], ground.desk, SILENT)
    (line,) = digest.lines([standing], [], ground.desk, since)
    assert line.mood is Mood.WARNING
    assert line.text.endswith("never drilled · 2 backups, 1 of them failed")


def test_the_heading_counts_promises_and_alarms(ground: Ground) -> None:
    never = replace(ground.service(), promise=Promise(rpo=HOUR))
    free = replace(never, name="free", promise=Promise())
    standings = status.standings([never, free], ground.desk, SILENT)
    assert digest.heading(standings, []) == "Summary: 0 of 1 promises hold"
    alarm = Alarm("overdue", "papers", "late", "haechi backup papers")
    assert digest.heading(standings, [alarm, alarm]).endswith(", 2 alarms stand")
    assert digest.lines(standings, [alarm], ground.desk, clock.now())[-1].mend == "haechi backup papers"


def test_the_picture_is_one_and_says_what_is_broken() -> None:
    made = promises.picture(
        [Bar("<erp> & more", 0.5), Bar("shop", 1.2), Bar("web", None), Bar("x" * 99, 0.9)]
    )
    drawn = ET.fromstring(made)
    colors = [r.get("fill") for r in drawn.iter("{http://www.w3.org/2000/svg}rect")][2::2]
    assert colors == ["#1a7f4b", "#b3261e", "#b3261e", "#b7791f"]
    assert "<erp> & more" in "".join(drawn.itertext())
    assert promises.picture([]) == ""


def test_mail_bears_the_picture_and_the_outbox_keeps_it() -> None:
    picture = promises.picture([Bar("erp RPO", 0.5)])
    message = Message("Summary", [], "ERP", "host", datetime(2026, 3, 2, tzinfo=UTC), picture=picture)
    message = Message.from_dict(message.as_dict())
    (attached,) = written(message, "a@example.com", ["b@example.com"]).iter_attachments()
    assert attached.get_content_type() == "image/svg+xml"
    assert attached.get_content() == picture.encode()
