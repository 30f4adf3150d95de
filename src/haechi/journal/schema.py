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


class Values(TypeDecorator[Mapping[str, Any]]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, Any] | None, dialect: Dialect) -> str:
        # A fact may be of any kind, and a record must never be the reason that a backup fails: hence `default`.
        return json.dumps(dict(value or {}), ensure_ascii=False, default=str)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(value or "{}")
        return found


metadata = MetaData()

runs = Table(
    "haechi_runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("operation", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("process", Text, nullable=False),  # who works on it, see liveness.py
    Column("began", Moment, nullable=False),
    Column("ended", Moment),
    Column("outcome", Text, nullable=False),
    Column("bytes_read", BigInteger, nullable=False),
    Column("bytes_stored", BigInteger, nullable=False),
    Column("point", Text, nullable=False),
    Column("error", Values, nullable=False),
)

steps = Table(
    "haechi_steps",
    metadata,
    Column("run", Text, ForeignKey("haechi_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("title", Text, nullable=False),
    Column("began", Moment, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
)

points = Table(
    "haechi_points",
    metadata,
    Column("id", Text, primary_key=True),
    Column("service", Text, nullable=False),
    Column("time", Moment, nullable=False),
    Column("gone", Moment),  # when its last copy was let go; the row stays for the history
    Column("body", Values, nullable=False),  # RestorePoint.as_dict(), without the copies
)

copies = Table(
    "haechi_copies",
    metadata,
    Column("point", Text, ForeignKey("haechi_points.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Text, primary_key=True),  # Copy.where: `where` is a word of SQL's
    Column("ref", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
)

proofs = Table(
    "haechi_proofs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("point", Text, nullable=False),  # of a point that need not be in this journal
    Column("place", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("time", Moment, nullable=False),
    Column("depth", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("detail", Values, nullable=False),
)
