"""A bucket in figures: what was kept, what did not stand still, and what must be the same after a restore."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from haechi.events import Reporter
from haechi.i18n import _, plural
from haechi.sources import _roster
from haechi.sources._base import Comparison
from haechi.sources._bucket.listing import Listing, Record
from haechi.sources._bucket.reading import Touched
from haechi.sources._roster import Roster

NAMED = 1000  # keys that the facts can bear
_SHOWN = 10  # in a warning
_PREFIXES = 1000
_COMPARED = ("objects", "size", "listing")


@dataclass
class Counts:
    """Objects in figures; `listing` is a digest over keys and sizes, `contents` over keys, sizes and etags."""

    objects: int = 0
    size: int = 0
    prefixes: dict[str, list[int]] = field(default_factory=dict)
    etags: bool = True  # every object has one
    names: Roster = field(default_factory=Roster, repr=False)
    _listing: Any = field(default_factory=hashlib.sha256, repr=False)
    _contents: Any = field(default_factory=hashlib.sha256, repr=False)

    def take(self, record: Record) -> None:
        self.objects += 1
        self.size += record.size
        self.etags = self.etags and bool(record.etag)
        key = record.key.encode("utf-8", "surrogateescape")
        self.names.take(key, b"%d" % record.size, record.size)
        first, slash, _rest = record.key.partition("/")
        prefix = first + slash if slash else ""
        if prefix not in self.prefixes and len(self.prefixes) >= _PREFIXES:
            prefix = "…"
        counted = self.prefixes.setdefault(prefix, [0, 0])
        counted[0] += 1
        counted[1] += record.size
        line = b"%d %s\0" % (record.size, key)
        self._listing.update(line)
        self._contents.update(line + record.etag.encode())

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "objects": self.objects,
            "size": self.size,
            "prefixes": {_shown(p): {"objects": n, "size": s} for p, (n, s) in self.prefixes.items()},
            "listing": self._listing.hexdigest(),
            "contents": self._contents.hexdigest(),
            "etags": self.etags,
            **self.names.facts,
        }


def counted(
    records: Iterable[Record], without: Touched | set[str], names: Roster | None = None
) -> dict[str, Any]:
    counts = Counts(names=names or Roster())
    for record in records:
        if record.key not in without:
            counts.take(record)
    return counts.facts


def facts(now: Listing, old: Listing | None, touched: Touched) -> dict[str, Any]:
    """Of what was kept as it was listed; the others are named, as far as there is room."""
    names = {
        "changed": sorted(map(_shown, touched.changed)),
        "vanished": sorted(map(_shown, touched.vanished)),
        "left_out": sorted(map(_shown, touched.left_out)),
    }
    found: dict[str, Any] = counted(now, touched)
    if sum(map(len, names.values())) > NAMED:
        names = {name: some[: NAMED // 10] for name, some in names.items()}
        found = {"too_many_changed": True}
    if old is not None:
        found["versions"] = {"versions": old.count, "size": old.size}
    return {**found, **names}


def comparisons(
    expected: Mapping[str, Any], found: Mapping[str, Any], coming: Mapping[str, Any]
) -> list[Comparison]:
    """`found` is what is there now, `coming` what the copy says of itself: a disk gives no etags."""
    made = [Comparison(key, expected[key], found[key]) for key in _COMPARED if key in expected]
    if expected.get("etags") and coming.get("etags"):
        made.append(Comparison("contents", expected["contents"], coming["contents"]))
    return made + _roster.comparisons("objects", expected, found)


def not_compared(facts: Mapping[str, Any]) -> set[str]:
    """The keys that the figures leave out."""
    return {key for name in ("changed", "vanished", "left_out") for key in facts.get(name, ())}


def tell(touched: Touched, reporter: Reporter) -> None:
    if touched.changed:
        reporter.warn(
            plural(
                "{count} object changed under way; it is kept as it was then: {keys}",
                "{count} objects changed under way; each is kept as it was then: {keys}",
                len(touched.changed),
                keys=_some(touched.changed),
            )
        )
    if touched.vanished:
        reporter.warn(
            plural(
                "{count} object was deleted under way, and is not kept: {keys}",
                "{count} objects were deleted under way, and are not kept: {keys}",
                len(touched.vanished),
                keys=_some(touched.vanished),
            )
        )
    for key, reason in sorted(touched.left_out.items())[:_SHOWN]:
        reporter.warn(_("{path} was left out: {reason}").format(path=_shown(key), reason=reason))
    if len(touched.left_out) > _SHOWN:
        reporter.warn(_("… and {count} more").format(count=len(touched.left_out) - _SHOWN))


def _some(keys: set[str]) -> str:
    return ", ".join(map(_shown, sorted(keys)[:_SHOWN])) + (" …" if len(keys) > _SHOWN else "")


def _shown(key: str) -> str:
    """A key as facts can hold it, which are text."""
    return key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
