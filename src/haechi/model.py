"""The words of the house as frozen types. No I/O here: everybody may know them.

See docs/design/words.md for what each word means.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, TypeVar

Item = TypeVar("Item")


class Outcome(StrEnum):
    """How a run or one of its steps ended."""

    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAILURE = "failure"
    INTERRUPTED = "interrupted"


class ProofState(StrEnum):
    """How far a copy has been proven; each includes those before it, but for `failed`."""

    TAKEN = "taken"
    VERIFIED = "verified"
    RESTORED = "restored"
    FAILED = "failed"


@dataclass(frozen=True)
class Promise:
    """What the plan promises for a service: how much may be lost, how long it may take."""

    rpo: timedelta | None = None
    rto: timedelta | None = None


Span = int | timedelta  # so many of them, or those younger than this


@dataclass(frozen=True)
class Keep:
    """How long restore points stay. Each rule that is given keeps points; together they keep the union.

    `at_most` is the one rule that takes away: it caps the whole, newest first. Nothing given keeps everything.
    """

    last: int | None = None
    hourly: Span | None = None
    daily: Span | None = None
    weekly: Span | None = None
    monthly: Span | None = None
    yearly: Span | None = None
    within: timedelta | None = None  # every point younger than this
    at_most: int | None = None
    tags: tuple[str, ...] = ()  # points with one of these tags never expire
    weekly_on: int = 6  # the day that stands for a week: 0 is Monday, 6 is Sunday
    stands: Literal["first", "newest"] = "first"  # which point stands for an hour, a day, a week, ...


@dataclass(frozen=True)
class PartInfo:
    """One named stream of a restore point, such as `shop.dump` or `globals.sql`."""

    name: str
    form: str  # "pg-custom", "sql", "tar", "bson-archive", "bytes", ...
    size: int = 0
    pages: int = 0  # a database file's page size: it changes in whole pages, so it deduplicates in them

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PartInfo:
        return cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})


@dataclass(frozen=True)
class Copy:
    """A restore point in one vault or archive. `where` is its name in the plan, `ref` what finds it there."""

    where: str  # "vault.main", "archive.nas"
    ref: str  # a snapshot's id, or the path of the file that bears the point's name
    size: int = 0


@dataclass(frozen=True)
class RestorePoint:
    """One captured state of one service, wherever its copies lie.

    `time` is the moment whose state it holds. `facts` are what the source counted under the same snapshot,
    so that a drill compares with truth and not with a moving target.
    """

    id: str
    service: str
    source: str
    time: datetime
    run: str = ""
    host: str = ""
    size: int = 0
    parts: tuple[PartInfo, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    held: bool = False
    plan_digest: str = ""
    copies: tuple[Copy, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: what lies beside every copy, in the journal and in `--json`."""
        parts = [{"name": part.name, "form": part.form, "size": part.size} for part in self.parts]
        return {**asdict(self), "time": self.time.isoformat(), "facts": dict(self.facts), "parts": parts}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RestorePoint:
        """Back from `as_dict`. Fields that a newer version added are passed over."""
        known = {f.name: values[f.name] for f in fields(cls) if f.name in values}
        known["time"] = datetime.fromisoformat(known["time"])
        known["parts"] = tuple(map(PartInfo.from_dict, known.get("parts", ())))
        known["copies"] = tuple(Copy(**copy) for copy in known.get("copies", ()))
        known["tags"] = tuple(known.get("tags", ()))
        return cls(**known)


@dataclass(frozen=True)
class Share:
    """So many percent of what there is, chosen by chance: the same seed chooses the same of the same."""

    percent: int
    seed: int

    def of(self, items: Sequence[Item]) -> list[Item]:
        """At least one, in their order."""
        count = min(len(items), max(1, -(-len(items) * self.percent // 100)))
        chosen = random.Random(self.seed).sample(range(len(items)), count)
        return [items[number] for number in sorted(chosen)]


@dataclass(frozen=True)
class Proof:
    """Evidence for one copy: what was done with it, when, how long it took and what came out."""

    point: str
    where: str
    state: ProofState
    time: datetime
    depth: str = ""  # "structure", "sample", "all", "restore"
    seconds: float = 0.0
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunStep:
    """One step of a run, as the journal keeps it."""

    title: str
    began: datetime
    seconds: float
    outcome: Outcome
    amount: int = 0
    error: str = ""
    made_of: Mapping[str, Any] = field(default_factory=dict)  # the title, for readers of another language


@dataclass(frozen=True)
class Run:
    """One execution of an operation."""

    id: str
    operation: str
    service: str
    host: str
    began: datetime
    ended: datetime | None = None
    outcome: Outcome = Outcome.RUNNING
    bytes_read: int = 0
    bytes_stored: int = 0
    point: str = ""
    error: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[RunStep, ...] = ()


@dataclass(frozen=True)
class Report:
    """What was found when something was drilled or gone through, as it was signed."""

    id: str
    kind: str  # "drill", "checklist"
    subject: str  # a service, a checklist
    host: str
    time: datetime
    body: str  # JSON
    key: str  # the public key that the signature goes with
    signature: str
