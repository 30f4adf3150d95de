"""Every way, with somebody real at its other end: what arrives, what is refused, and no secret in the words."""

from __future__ import annotations

import email
import email.policy
import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from haechi.credentials import Secret, SecretSource
from haechi.errors import HaechiError, NotTold
from haechi.notify._base import Line, Message, Mood
from haechi.notify.apprise import Apprise
from haechi.notify.email import Email, Server
from haechi.notify.ping import Ping
from haechi.notify.slack import Slack, payload
from haechi.notify.webhook import Webhook
from tests.servers.receiver import mail_server, webhook

GOOD = Line("success", "shop", "saved, 1.3 GB", mood=Mood.GOOD)
BAD = Line("failure", "erp", "<the disk> & the rest are full", "haechi prune --dry-run")


def message(*lines: Line) -> Message:
    return Message(
        "1 of 2 is not in order",
        lines or (GOOD, BAD),
        "전사 ERP",
        "backup-01",
        datetime(2026, 1, 28, 2, tzinfo=ZoneInfo("Asia/Seoul")),
    )


def test_slack_gets_a_block_for_each_thing() -> None:
    with webhook() as receiver:
        Slack(SecretSource.literal(receiver.url)).send(message())
        ((path, body),) = receiver.calls
    assert path == "/services/T000/B000/planted-token"
    sent = json.loads(body)
    assert sent["text"] == "1 of 2 is not in order"
    (attachment,) = sent["attachments"]
    assert attachment["color"] == "#b3261e"
    texts = [b["text"]["text"] for b in attachment["blocks"] if "text" in b]
    assert texts[2] == "*erp*  &lt;the disk&gt; &amp; the rest are full\n`haechi prune --dry-run`"
    assert "전사 ERP · backup-01" in attachment["blocks"][-1]["elements"][0]["text"]


def test_slack_takes_no_more_than_it_can() -> None:
    made = payload(message(*[Line("failure", f"s{n}", "x" * 5000) for n in range(90)]))
    blocks = made["attachments"][0]["blocks"]  # type: ignore[index]
    assert len(blocks) <= 50
    assert all(len(b["text"]["text"]) <= 3000 for b in blocks if "text" in b)
    assert "+50" in blocks[-1]["elements"][0]["text"]


@pytest.mark.parametrize(("status", "again"), [(404, False), (403, False), (429, True), (503, True)])
def test_what_is_refused_says_whether_to_try_again_and_no_secret(status: int, again: bool) -> None:
    with webhook() as receiver:
        receiver.status = status
        with pytest.raises(NotTold) as caught:
            Slack(SecretSource.literal(receiver.url)).send(message())
    assert caught.value.retryable is again
    assert str(status) in caught.value.message
    assert "planted" not in json.dumps(caught.value.as_dict())


def test_nobody_is_there() -> None:
    for url in ("http://127.0.0.1:1/planted", "nonsense planted", "http://[planted"):
        with pytest.raises(NotTold) as caught:
            Webhook(SecretSource.literal(url)).send(message())
        assert "planted" not in json.dumps(caught.value.as_dict())


def test_a_webhook_gets_all_of_it() -> None:
    with webhook() as receiver:
        Webhook(SecretSource.literal(receiver.url)).send(message())
        sent = json.loads(receiver.calls[0][1])
    assert Message.from_dict(sent) == message()
    assert sent["mood"] == "bad"


def test_pings_say_fail_by_their_path() -> None:
    with webhook() as receiver:
        ping = Ping(SecretSource.literal(receiver.url))
        ping.send(message(GOOD))
        ping.send(message(BAD))
    assert [path.rpartition("/")[2] for path, _body in receiver.calls] == ["planted-token", "fail"]
    assert "the disk" in receiver.calls[1][1].decode()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its own
def test_apprise_reaches_the_rest() -> None:
    with webhook() as receiver:
        address = receiver.url.replace("http://", "json://")
        Apprise(SecretSource.literal(address)).send(message())
        assert "the disk" in json.loads(receiver.calls[0][1])["message"]
        receiver.status = 500
        with pytest.raises(NotTold):
            Apprise(SecretSource.literal(address)).send(message())
    with pytest.raises(NotTold, match="understand"):
        Apprise(SecretSource.literal("planted-nonsense")).send(message())


@pytest.mark.parametrize("tls", ["starttls", "tls", "none"])
def test_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: str) -> None:
    with mail_server(tmp_path, tls=tls, password="planted" if tls != "none" else "") as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        known = Server("localhost", server.port, tls, *(("kim", Secret("planted")) if tls != "none" else ()))
        Email(known, "haechi@example.com", ["dba@example.com", "cto@example.com"]).send(message())
    (envelope,) = server.mails
    assert envelope.rcpt_tos == ["dba@example.com", "cto@example.com"]
    assert server.encrypted == [tls != "none"]
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert mail["subject"] == "[전사 ERP] 1 of 2 is not in order"
    assert mail["auto-submitted"] == "auto-generated"
    plain, page = (part.get_content() for part in mail.iter_parts())
    assert "<the disk>" in plain
    assert "haechi prune --dry-run" in plain
    assert "&lt;the disk&gt;" in page


def test_mail_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def send(known: Server) -> HaechiError:
        with pytest.raises(NotTold) as caught:
            Email(known, "haechi@example.com", ["dba@example.com"]).send(message())
        assert "planted" not in json.dumps(caught.value.as_dict())
        return caught.value

    with mail_server(tmp_path, password="right") as server:
        wrong = Server("localhost", server.port, "starttls", "kim", Secret("planted"))
        unknown = send(wrong)
        assert not unknown.retryable, "its certificate is nobody's"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        assert "password" in send(wrong).message
        server.refuse = "550 no such user"
        right = Server("localhost", server.port, "starttls", "kim", Secret("right"))
        assert not send(right).retryable
        server.refuse = "451 come again"
        refused = send(right)
        assert "451" in refused.message
    with mail_server(tmp_path, tls="none") as server:
        send(Server("localhost", server.port, "starttls"))
        assert not server.mails, "nothing goes in the clear unasked"
    assert send(Server("localhost", 1, "none")).retryable
