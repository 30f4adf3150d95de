"""The journal's tables as the newest version has them; `migrations.py` makes them.

Times are text of one width in UTC, so that both databases sort them alike; a mapping is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Dialect, Float, ForeignKey, MetaData, Table, Text
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Words(TypeDecorator[str]):
    """Text from anywhere: what a database would refuse becomes a question mark, for a listener must not raise."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else _storable(value)


class Values(TypeDecorator[Mapping[str, Any]]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, Any] | None, dialect: Dialect) -> str:
        # A fact may be of any kind, and a record must never be the reason that a backup fails: hence `default`.
        return _storable(json.dumps(dict(value or {}), ensure_ascii=False, default=str))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(value or "{}")
        return found


def _storable(text: str) -> str:
    return text.replace("\0", "?").encode("utf-8", "replace").decode()


metadata = MetaData()

runs = Table(
    "haechi_runs",
    metadata,
    Column("id", Words, primary_key=True),
    Column("operation", Words, nullable=False),
    Column("service", Words, nullable=False),
    Column("host", Words, nullable=False),
    Column("process", Words, nullable=False),  # who works on it, see liveness.py
    Column("began", Moment, nullable=False),
    Column("ended", Moment),
    Column("outcome", Words, nullable=False),
    Column("bytes_read", BigInteger, nullable=False),
    Column("bytes_stored", BigInteger, nullable=False),
    Column("point", Words, nullable=False),
    Column("error", Values, nullable=False),
)

steps = Table(
    "haechi_steps",
    metadata,
    Column("run", Words, ForeignKey("haechi_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("title", Words, nullable=False),
    Column("began", Moment, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("outcome", Words, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("error", Words, nullable=False),
    Column("made_of", Values, nullable=False),  # the title in pieces, to be said in another language
)

points = Table(
    "haechi_points",
    metadata,
    Column("id", Words, primary_key=True),
    Column("service", Words, nullable=False),
    Column("time", Moment, nullable=False),
    Column("gone", Moment),  # when its last copy was let go; the row stays for the history
    Column("body", Values, nullable=False),  # RestorePoint.as_dict(), without the copies
)

copies = Table(
    "haechi_copies",
    metadata,
    Column("point", Words, ForeignKey("haechi_points.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Words, primary_key=True),  # Copy.where: `where` is a word of SQL's
    Column("ref", Words, nullable=False),
    Column("size", BigInteger, nullable=False),
)

proofs = Table(
    "haechi_proofs",
    metadata,
    Column("id", Words, primary_key=True),
    Column("point", Words, nullable=False),  # of a point that need not be in this journal
    Column("place", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("time", Moment, nullable=False),
    Column("depth", Words, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("detail", Values, nullable=False),
)

reports = Table(
    "haechi_reports",
    metadata,
    Column("id", Words, primary_key=True),
    Column("kind", Words, nullable=False),
    Column("subject", Words, nullable=False),
    Column("host", Words, nullable=False),
    Column("time", Moment, nullable=False),
    Column("body", Text, nullable=False),  # as it was signed, byte for byte
    Column("key", Words, nullable=False),
    Column("signature", Words, nullable=False),
)
