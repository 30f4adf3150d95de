"""A summary and an alarm that is passed on, from the command line to a real mail server and a webhook."""

from __future__ import annotations

import email
import email.policy
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from haechi import clock
from haechi.app import jobs, open_home
from haechi.cli import screen
from haechi.operations.watching import clockwork
from tests.command_line import asked
from tests.servers.receiver import MailServer, Receiver, mail_server, webhook

PLAN = """
[plan]
name = "erp"
[server]
state = "state"
[vault.main]
url = "vault"
key = {{ file = "key" }}
[service.papers]
source = "files"
paths = ["data"]
backup = "daily 02:00"
promise = {{ rpo = "25h", rto = "1h" }}
to = "vault.main"
[notify.mail]
via = "email"
to = "ops@example.com"
mail = {{ server = "127.0.0.1", port = {port}, tls = "none", sender = "haechi@example.com" }}
digest = "daily 09:00"
escalate = "2h"
[notify.chat]
via = "slack"
url = "{url}"
digest = "monday 09:00"
repeat = "1h"
[[contact]]
name = "Lee"
email = "lee@example.com"
call = 2
[[contact]]
name = "Kim"
email = "kim@example.com"
call = 1
"""


class Here:
    def __init__(self, mails: MailServer, chat: Receiver, capsys: pytest.CaptureFixture[str]):
        self.mails, self.chat, self._capsys = mails, chat, capsys

    def __call__(self, *words: str, status: int = 0) -> Any:
        return asked(self._capsys, *words, status=status)

    @property
    def last(self) -> Any:
        return email.message_from_bytes(self.mails.mails[-1].content, policy=email.policy.default)


@pytest.fixture
def haechi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Here]:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/letter.txt").write_text("dear all")
    (tmp_path / "key").write_text("correct horse")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HAECHI_PLAN", raising=False)
    before = screen.screen()
    with mail_server(tmp_path, tls="none") as mails, webhook() as chat:
        (tmp_path / "haechi.toml").write_text(PLAN.format(port=mails.port, url=chat.url))
        here = Here(mails, chat, capsys)
        here("vault", "init", "main")
        yield here
    screen.use_screen(before)


def test_the_summary_arrives_with_table_and_picture(haechi: Here) -> None:
    haechi("backup")
    assert {one["name"]: one["sent"] for one in haechi("notify", "digest")} == {"mail": True, "chat": True}
    assert "Summary: 1 of 1 promises hold" in haechi.last["subject"]
    (picture,) = haechi.last.iter_attachments()
    assert picture.get_filename() == "promises.svg"
    assert "papers RPO" in "".join(ET.fromstring(picture.get_content()).itertext())
    assert "▰" in haechi.last.get_body(("plain",)).get_content()
    assert "▱" in json.dumps(json.loads(haechi.chat.calls[-1][1]), ensure_ascii=False)
    mails = len(haechi.mails.mails)
    (dry,) = haechi("notify", "digest", "mail", "--dry-run")
    assert dry["sent"] is None
    assert dry["lines"][0]["subject"] == "papers"
    assert len(haechi.mails.mails) == mails
    assert haechi("notify", "digest", "nobody", status=1)["error"]["code"] == "not-there"


def test_each_way_is_told_in_its_own_language(haechi: Here) -> None:
    plan = Path("haechi.toml")
    plan.write_text(plan.read_text().replace("[notify.mail]\n", '[notify.mail]\nlanguage = "ko"\n'))
    haechi("alarms", "--tell", status=21)
    assert haechi.last["subject"] == "[erp] papers: 복구 지점이 하나도 없습니다"
    body = haechi.last.get_body(("plain",)).get_content()
    assert "haechi backup papers" in body and "연락할 사람: Kim" in body and "Take one" not in body
    assert '<html lang="ko">' in haechi.last.get_body(("html",)).get_content()
    assert "there is no restore point at all" in haechi.chat.calls[-1][1].decode()
    haechi("backup")
    haechi("notify", "digest")
    assert "요약: 목표 1개 중 1개를 지킵니다" in haechi.last["subject"]
    assert "Summary: 1 of 1 promises hold" in haechi.chat.calls[-1][1].decode()


def test_a_summary_that_cannot_be_sent_waits(haechi: Here) -> None:
    haechi.chat.status = 503
    (one,) = haechi("notify", "digest", "chat")
    assert one["sent"] is False
    haechi.chat.status = 200
    assert haechi("notify", "send") == {"sent": 1, "waiting": 0}


def test_an_alarm_is_passed_on_until_somebody_takes_note(
    haechi: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = clock.now()
    monkeypatch.setattr(clockwork, "look", lambda state: None)  # here it is the test that turns the clock

    def after(hours: float) -> None:
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(hours=hours))
        haechi("alarms", "--tell", status=21)

    after(0)  # nothing was ever saved
    assert haechi.mails.mails[-1].rcpt_tos == ["ops@example.com", "kim@example.com"]
    assert "Kim" in haechi.last.get_body(("plain",)).get_content()
    after(2.1)
    assert haechi.mails.mails[-1].rcpt_tos == ["ops@example.com", "kim@example.com", "lee@example.com"]
    told, chats = len(haechi.mails.mails), len(haechi.chat.calls)
    assert (told, chats) == (2, 2)
    assert [alarm["event"] for alarm in haechi("alarms", "--ack")] == ["overdue"]
    after(40)
    assert (len(haechi.mails.mails), len(haechi.chat.calls)) == (told, chats)


def test_the_jobs_are_there(haechi: Here) -> None:
    found = {" ".join(job.words): str(job.schedule) for job in jobs.every(open_home(Path("haechi.toml")))}
    assert found["notify digest mail"] == "daily 09:00"
    assert found["notify digest chat"] == "monday 09:00"
    assert "10 min" in found["alarms --tell"]
