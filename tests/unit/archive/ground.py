"""What the archive's tests stand on: parts, points, and a store that dies in the middle."""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from haechi.archive.archive import Archive
from haechi.events import SILENT
from haechi.model import Copy, PartInfo, RestorePoint
from haechi.stores._base import Buffer, Entry, Store
from haechi.stores.local import Local

SEOUL = ZoneInfo("Asia/Seoul")
NOON = datetime(2026, 1, 28, 12, 0, tzinfo=SEOUL)
ERP = "postgres/{tier}/erp_backup_{time:%Y%m%d_%H%M%S}.sql.gz"

GLOBALS = ("globals.sql", "sql", b"CREATE ROLE app;\n-- PostgreSQL database cluster dump complete\n")
SHOP = (
    "shop.sql",
    "sql",
    b"-- PostgreSQL database dump\n" + b"INSERT 1;\n" * 300_000 + b"-- PostgreSQL database dump complete\n",
)
KOREAN = ("한국어.sql", "sql", "select '안녕';\n".encode())

Given = tuple[str, str, bytes]


def local(path: Path, layout: str = ERP, **options: Any) -> Archive:
    return Archive("archive.nas", Local(path), layout, zone=SEOUL, **options)


def take(
    archive: Archive, *parts: Given, at: datetime = NOON, name: str = "", service: str = "erp", **facts: Any
) -> Copy:
    """Take one restore point into this archive."""
    point = RestorePoint(
        id=name or f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{service}",
        service=service,
        source="postgresql",
        time=at.astimezone(UTC),
        size=sum(len(data) for _name, _form, data in parts),
        parts=tuple(PartInfo(n, form, len(data)) for n, form, data in parts),
        facts=facts,
    )
    with archive.intake(service, SILENT) as intake:
        for part, form, data in parts:
            intake.part(PartInfo(part, form), io.BytesIO(data))
        return intake.commit(point, {"plan.toml": b"[plan]\n"})


def tree(path: Path, sums: bool = False) -> list[str]:
    """The files that an operator sees."""
    found = [str(p.relative_to(path)) for p in path.rglob("*") if p.is_file()]
    return sorted(
        name
        for name in found
        if not name.startswith(".haechi/") and (sums or not name.endswith((".sha256", ".md5")))
    )


def hidden(path: Path) -> list[str]:
    return sorted(str(p.relative_to(path)) for p in (path / ".haechi").rglob("*") if p.is_file())


def prose(size: int, seed: int = 1) -> bytes:
    """Text that compresses about as well as what people write."""
    made = random.Random(seed)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(made.choices(letters, range(26, 0, -1), k=made.randint(2, 9))) for _n in range(4000)]
    out, length = [], 0
    while length < size:
        line = " ".join(made.choices(words, k=12)) + "\n"
        out.append(line)
        length += len(line)
    return "".join(out).encode()[:size]


def rows(size: int) -> bytes:
    """Numbers and keys, as most tables hold."""
    made = random.Random(2)
    out, length, n = [], 0, 0
    while length < size:
        n += 1
        day, minute, key = n % 28 + 1, n % 60, made.randbytes(8).hex()
        line = f"{n}\t{made.randint(1, 9000)}\t2026-01-{day:02} 10:{minute:02}\t{key}\tpaid\n"
        out.append(line)
        length += len(line)
    return "".join(out).encode()[:size]


class Died(BaseException):
    """The machine lost its power."""


class Dying:
    """A store whose machine dies at the n-th call that changes something: before it, or right after it."""

    def __init__(self, inner: Store, at: int, *, after: bool):
        self.inner = inner
        self.at = at
        self.after = after
        self.calls = 0

    @property
    def url(self) -> str:
        return self.inner.url

    @property
    def dead(self) -> bool:
        return self.calls > self.at

    def _alive(self) -> None:
        if self.dead:
            raise Died

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        self._alive()
        return self.inner.get(key, offset, length)

    def stat(self, key: str) -> Entry:
        self._alive()
        return self.inner.stat(key)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        self._alive()
        return self.inner.list(prefix)

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        if not isinstance(data, bytes):
            data = list(data)  # a stream that fails, fails as it does
        self._change(lambda: self.inner.put(key, data, replace=replace))

    def delete(self, key: str) -> None:
        self._change(lambda: self.inner.delete(key))

    def duplicate(self, key: str, new: str) -> None:
        self._change(lambda: self.inner.duplicate(key, new))

    def close(self) -> None:
        self.inner.close()

    def _change(self, change: Any) -> None:
        self._alive()
        self.calls += 1
        if not self.dead or self.after:
            change()
        self._alive()


def whole_points(archive: Archive, expected: Sequence[Given]) -> list[str]:
    """The points that count, each read back to its last byte."""
    found = []
    for point in archive.points():
        if point.source:
            archive.verify(point, "all", SILENT)
            for part, _form, data in expected:
                assert archive.open_part(point, part).read() == data
            found.append(point.id)
    return found
