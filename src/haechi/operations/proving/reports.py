"""Signs what drills and checklists have found with a key of this installation, and looks at signatures again.

The key is made when it is first needed and stays in the state directory. Whoever has it can sign anything; who has
only the journal cannot change a report unseen.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from haechi import clock
from haechi.errors import HaechiError, SecretMissing
from haechi.events import Reporter
from haechi.fileio import private_directory, write_atomic
from haechi.i18n import _
from haechi.model import Report
from haechi.operations.desk import Desk

_FILE = "report.key"


class Seal(StrEnum):
    """What a signature says."""

    OURS = "ours"  # signed here, and unchanged
    FOREIGN = "foreign"  # unchanged, and signed by another installation
    BROKEN = "broken"  # changed afterwards


def sign(desk: Desk, kind: str, subject: str, body: Mapping[str, Any]) -> Report:
    """A report of this moment, signed; not kept yet."""
    key = _key(desk.state, make=True)
    now = clock.now()
    made = Report(
        id=f"{now:%Y%m%dT%H%M%S}-{kind}-{secrets.token_hex(3)}",
        kind=kind,
        subject=subject,
        host=desk.host,
        time=now,
        body=json.dumps(body, ensure_ascii=False, sort_keys=True, default=str),
        key=key.public_key().public_bytes_raw().hex(),
        signature="",
    )
    return Report(**{**made.__dict__, "signature": key.sign(_signed(made)).hex()})


def keep(desk: Desk, kind: str, subject: str, body: Mapping[str, Any], reporter: Reporter) -> Report | None:
    """Sign it and write it into the journal. That it cannot be kept is a warning: what was found is no less true."""
    try:
        report = sign(desk, kind, subject, body)
        desk.journal.reports.add(report)
    except HaechiError as problem:
        reporter.warn(_("The report could not be kept: {reason}").format(reason=problem.message))
        return None
    return report


def look(desk: Desk, report: Report) -> Seal:
    """Whether it is as it was signed, and by whom."""
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(report.key))
        public.verify(bytes.fromhex(report.signature), _signed(report))
    except (InvalidSignature, ValueError):
        return Seal.BROKEN
    try:
        own = _key(desk.state, make=False).public_key().public_bytes_raw().hex()
    except SecretMissing:
        return Seal.FOREIGN
    return Seal.OURS if report.key == own else Seal.FOREIGN


def _signed(report: Report) -> bytes:
    """The bytes that are signed: everything but the signature."""
    told = [
        report.id,
        report.kind,
        report.subject,
        report.host,
        report.time.isoformat(),
        report.body,
        report.key,
    ]
    return json.dumps(told, ensure_ascii=False).encode()


def _key(state: Path, *, make: bool) -> Ed25519PrivateKey:
    path = state / _FILE
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text().strip()))
    except FileNotFoundError:
        if not make:
            raise SecretMissing(_("This installation has not signed anything yet.")) from None
    except (OSError, ValueError) as problem:
        raise SecretMissing(
            _("The key in {path} cannot be read: {reason}.").format(path=path, reason=problem),
            hint=_(
                "Move it away, and a new one is made; older reports then count as another installation's."
            ),
        ) from None
    made = Ed25519PrivateKey.generate()
    private_directory(state)
    write_atomic(path, made.private_bytes_raw().hex().encode() + b"\n")
    return made
