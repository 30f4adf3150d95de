"""E-mail by SMTP: plain text and the same as a small page, over STARTTLS or TLS."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from html import escape

from haechi.credentials import Secret
from haechi.errors import NotTold
from haechi.i18n import _, language
from haechi.notify._base import DEADLINE, Message, Mood

_COLORS = {Mood.GOOD: "#1a7f4b", Mood.WARNING: "#b7791f", Mood.BAD: "#b3261e"}


@dataclass(frozen=True)
class Server:
    """The mail server, with everything fetched."""

    host: str
    port: int
    tls: str  # "starttls", "tls" or "none"
    username: str = ""
    password: Secret | None = None


class Email:
    def __init__(self, server: Server, sender: str, to: Sequence[str]):
        self._server = server
        self._sender = sender
        self._to = tuple(to)

    def send(self, message: Message) -> None:
        try:
            with self._connected() as smtp:
                smtp.send_message(written(message, self._sender, recipients(message, self._to)))
        except smtplib.SMTPAuthenticationError:
            raise NotTold(
                _("{host} refused the user or the password.").format(host=self._server.host),
                hint=_("Correct them in the plan; many providers want a password of its own for programs."),
            ) from None
        except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as problem:
            code = getattr(problem, "smtp_code", 0)
            raise NotTold(
                _("{host} did not take the mail: {reason}").format(
                    host=self._server.host, reason=_reason(problem)
                ),
                retryable=400 <= code < 500,
            ) from None
        except (smtplib.SMTPException, OSError) as problem:
            raise NotTold(
                _("{host} cannot be reached or trusted: {reason}").format(
                    host=self._server.host, reason=problem
                ),
                retryable=not isinstance(
                    problem, ssl.SSLCertVerificationError | smtplib.SMTPNotSupportedError
                ),
            ) from None

    def _connected(self) -> smtplib.SMTP:
        server, context = self._server, ssl.create_default_context()
        if server.tls == "tls" or server.port == 465:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=DEADLINE, context=context)
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=DEADLINE)
        try:
            if server.tls == "starttls" and server.port != 465:
                smtp.starttls(
                    context=context
                )  # raises where the server cannot: nothing goes in the clear unasked
            if server.username and server.password:
                smtp.login(server.username, server.password.reveal())
        except BaseException:
            smtp.close()
            raise
        return smtp


def recipients(message: Message, to: Sequence[str]) -> list[str]:
    """Those of the plan, and whoever's turn it is."""
    return list(dict.fromkeys([*to, *(call.email for call in message.calls if call.email)]))


def written(message: Message, sender: str, to: Sequence[str]) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = f"[{message.system}] {message.title}".replace("\n", " ")
    mail["From"], mail["To"] = sender, ", ".join(to)
    mail["Date"], mail["Message-ID"] = format_datetime(message.time), make_msgid("haechi")
    mail["Auto-Submitted"] = "auto-generated"  # no out-of-office replies
    mail.set_content(message.as_text() + "\n")
    mail.add_alternative(_page(message), subtype="html")
    if message.picture:
        mail.add_attachment(
            message.picture.encode(), maintype="image", subtype="svg+xml", filename="promises.svg"
        )
    return mail


def _page(message: Message) -> str:
    cell = "padding:4px 12px 4px 0;font-weight:600;color"
    rows = "".join(
        f'<tr><td style="{cell}:{_COLORS[line.mood]}">{escape(line.subject)}</td>'
        f'<td style="padding:4px 0">{escape(line.text)}'
        + (f'<br><span style="color:#5b6675">→ {escape(line.mend)}</span>' if line.mend else "")
        + "</td></tr>"
        for line in message.lines
    )
    turn = f"<p><b>{escape(message.turn)}</b></p>" if message.calls else ""
    foot = f"{message.system} · {message.host} · {message.time:%Y-%m-%d %H:%M %Z}"
    return (
        f'<html lang="{language()}"><body style="font:15px/1.5 sans-serif;color:#1d2530">'
        f'<h2 style="color:{_COLORS[message.mood]};font-size:18px">{escape(message.title)}</h2>'
        f'<table style="border-collapse:collapse;vertical-align:top">{rows}</table>{turn}'
        f'<p style="color:#5b6675;font-size:13px">{escape(foot)}</p></body></html>'
    )


def _reason(problem: smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused) -> str:
    if isinstance(problem, smtplib.SMTPRecipientsRefused):
        return "; ".join(f"{to}: {said[0]}" for to, said in problem.recipients.items())
    said = problem.smtp_error
    return f"{problem.smtp_code} {said.decode(errors='replace') if isinstance(said, bytes) else said}"
