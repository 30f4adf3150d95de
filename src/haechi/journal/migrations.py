"""The journal's tables as they grew: one entry a version, applied in order and never edited once released.

A new journal walks the same way as an old one, so there is no second description of the tables that could
differ. Plain SQL that SQLite and PostgreSQL both understand. `tests/golden/journal/` keeps a journal of every
released version, and a test opens each.
"""

from __future__ import annotations

_FIRST = (
    """
    CREATE TABLE haechi_runs (
        id TEXT PRIMARY KEY,
        operation TEXT NOT NULL,
        service TEXT NOT NULL,
        host TEXT NOT NULL,
        process TEXT NOT NULL,
        began TEXT NOT NULL,
        ended TEXT,
        outcome TEXT NOT NULL,
        bytes_read BIGINT NOT NULL,
        bytes_stored BIGINT NOT NULL,
        point TEXT NOT NULL,
        error TEXT NOT NULL
    )
    """,
    "CREATE INDEX haechi_runs_by_service ON haechi_runs (service, operation, began)",
    "CREATE INDEX haechi_runs_by_time ON haechi_runs (began)",
    """
    CREATE TABLE haechi_steps (
        run TEXT NOT NULL REFERENCES haechi_runs (id) ON DELETE CASCADE,
        number BIGINT NOT NULL,
        title TEXT NOT NULL,
        began TEXT NOT NULL,
        seconds DOUBLE PRECISION NOT NULL,
        outcome TEXT NOT NULL,
        amount BIGINT NOT NULL,
        error TEXT NOT NULL,
        PRIMARY KEY (run, number)
    )
    """,
    """
    CREATE TABLE haechi_points (
        id TEXT PRIMARY KEY,
        service TEXT NOT NULL,
        time TEXT NOT NULL,
        gone TEXT,
        body TEXT NOT NULL
    )
    """,
    "CREATE INDEX haechi_points_by_service ON haechi_points (service, time)",
    """
    CREATE TABLE haechi_copies (
        point TEXT NOT NULL REFERENCES haechi_points (id) ON DELETE CASCADE,
        place TEXT NOT NULL,
        ref TEXT NOT NULL,
        size BIGINT NOT NULL,
        PRIMARY KEY (point, place)
    )
    """,
    """
    CREATE TABLE haechi_proofs (
        id TEXT PRIMARY KEY,
        point TEXT NOT NULL,
        place TEXT NOT NULL,
        state TEXT NOT NULL,
        time TEXT NOT NULL,
        depth TEXT NOT NULL,
        seconds DOUBLE PRECISION NOT NULL,
        detail TEXT NOT NULL
    )
    """,
    "CREATE INDEX haechi_proofs_by_point ON haechi_proofs (point, time)",
)

_REPORTS = (
    """
    CREATE TABLE haechi_reports (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        host TEXT NOT NULL,
        time TEXT NOT NULL,
        body TEXT NOT NULL,
        key TEXT NOT NULL,
        signature TEXT NOT NULL
    )
    """,
    "CREATE INDEX haechi_reports_by_subject ON haechi_reports (kind, subject, time)",
)

_SENTENCES = ("ALTER TABLE haechi_steps ADD COLUMN made_of TEXT NOT NULL DEFAULT '{}'",)

VERSIONS: tuple[tuple[str, ...], ...] = (_FIRST, _REPORTS, _SENTENCES)
