"""Reports in the journal: of drills and of checklists, each signed, so that a later change is seen."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Connection, insert, select

from haechi.errors import NotThere, UsageMistake
from haechi.i18n import _
from haechi.journal.schema import reports
from haechi.model import Report


class _Book(Protocol):
    """What of the journal is needed here."""

    def reading(self) -> AbstractContextManager[Connection]: ...

    def writing(self) -> AbstractContextManager[Connection]: ...


class Reports:
    """Those of one journal. Every method may raise JournalUnavailable."""

    def __init__(self, book: _Book):
        self._book = book

    def add(self, report: Report) -> None:
        with self._book.writing() as connection:
            connection.execute(
                insert(reports).values(
                    id=report.id,
                    kind=report.kind,
                    subject=report.subject,
                    host=report.host,
                    time=report.time,
                    body=report.body,
                    key=report.key,
                    signature=report.signature,
                )
            )

    def find(
        self, *, kind: str | None = None, subject: str | None = None, limit: int | None = 50
    ) -> list[Report]:
        """The newest first."""
        query = select(reports).order_by(reports.c.time.desc(), reports.c.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(reports.c.kind == kind)
        if subject is not None:
            query = query.where(reports.c.subject == subject)
        with self._book.reading() as connection:
            return [_report(row) for row in connection.execute(query)]

    def get(self, beginning: str) -> Report:
        """The one whose id begins so. Raises NotThere, UsageMistake."""
        query = select(reports).where(reports.c.id.startswith(beginning, autoescape=True)).limit(2)
        with self._book.reading() as connection:
            found = [_report(row) for row in connection.execute(query)]
        if not found:
            raise NotThere(
                _("The journal has no report “{name}”.").format(name=beginning),
                hint=_("`haechi report list` shows them."),
            )
        if len(found) > 1:
            raise UsageMistake(
                _("More than one report begins with “{name}”.").format(name=beginning),
                hint=_("Give more letters of its id."),
            )
        return found[0]


def _report(row: Any) -> Report:
    return Report(row.id, row.kind, row.subject, row.host, row.time, row.body, row.key, row.signature)
