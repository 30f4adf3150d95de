"""What each destination costs a month by its provider's prices: an estimate out of the last 30 days of the journal.

What was deduplicated away, or fetched in passing, nobody can know beforehand: the figure is for comparing providers
and for seeing a surprise early, not for the books.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from haechi.model import Copy, Proof, RestorePoint

MONTH = timedelta(days=30)
_GB = 1e9  # as buckets are billed
_OBJECT = 16 << 20  # about what goes up in one call
_RECORDS = 5  # small objects beside each copy
_WHOLE = ("all", "restore")


@dataclass(frozen=True)
class Prices:
    """As the provider's table has them: a gigabyte (a month), and a thousand calls."""

    storage: float = 0
    upload: float = 0
    download: float = 0
    writes: float = 0
    reads: float = 0
    currency: str = "USD"


@dataclass(frozen=True)
class Cost:
    """One destination's month."""

    where: str
    stored: int
    sent: int
    fetched: int
    amount: float
    currency: str


def estimate(
    prices: Mapping[str, Prices], points: Iterable[RestorePoint], proofs: Iterable[Proof], now: datetime
) -> list[Cost]:
    """For each destination that has prices, in their order."""
    points, proofs = list(points), list(proofs)
    return [_cost(where, price, points, proofs, now) for where, price in prices.items()]


def _cost(where: str, price: Prices, points: list[RestorePoint], proofs: list[Proof], now: datetime) -> Cost:
    there = {p.id: (p, copy) for p in points for copy in p.copies if copy.where == where}
    recent = [(p, copy) for p, copy in there.values() if p.time > now - MONTH]
    stored = sum(copy.size for _point, copy in there.values())
    sent = sum(copy.size for _point, copy in recent)
    fetched = sent if where.startswith("archive.") else 0  # an archive reads back all that it has written
    for proof in proofs:
        recently = proof.where == where and proof.time > now - MONTH
        if recently and proof.depth in _WHOLE and proof.point in there:
            fetched += _read(*there[proof.point])
    writes = sum(_calls(copy.size) for _point, copy in recent)
    reads = fetched / _OBJECT + len(proofs)
    amount = (
        stored / _GB * price.storage
        + sent / _GB * price.upload
        + fetched / _GB * price.download
        + writes / 1000 * price.writes
        + reads / 1000 * price.reads
    )
    return Cost(where, stored, sent, fetched, amount, price.currency)


def _read(point: RestorePoint, copy: Copy) -> int:
    """In a vault a copy's own size is only what was new in it; reading takes all of it."""
    return max(point.size, copy.size) if copy.where.startswith("vault.") else copy.size


def _calls(size: int) -> float:
    return size / _OBJECT + _RECORDS
