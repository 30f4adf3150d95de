"""Brings objects back into a bucket. Nothing is overwritten or deleted that was not told beforehand.

First both sides are listed: what is to come, and what is there. Then it is uploaded, what is the same already
excepted; the service has said what it stored, or it is read back. Then the bucket is counted. Deletions come last, of
what was there before and only if all the rest is as it was saved.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import datetime
from functools import cached_property
from typing import Any, Self

from haechi.errors import AlreadyThere, NotThere, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _, plural
from haechi.model import RestorePoint
from haechi.sources import _roster
from haechi.sources._ahead import ahead
from haechi.sources._base import Comparison, Foretold, Kept, PartReader, Restored, Wanted
from haechi.sources._bucket import counting, keys
from haechi.sources._bucket.etags import Etags
from haechi.sources._bucket.interface import Bucket, Listed
from haechi.sources._bucket.listing import Listing, Record, compared, microseconds, record_of
from haechi.sources._bucket.uploading import Upload, Uploads
from haechi.sources._entrytar import unpack

OBJECTS, VERSIONS = "objects", "versions"
_NAMED = 5
_TO_COME, _SAME = 0, 1


class Restore:
    """One restore, to be run once."""

    def __init__(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        reporter: Reporter,
        bucket: Bucket,
        *,
        time: datetime | None = None,
        versions: bool = False,
        over: bool = False,
        delete: bool = False,
        at_once: int = 8,
    ):
        self._point = point
        self._parts = parts
        self._wanted = wanted
        self._reporter = reporter
        self._bucket = bucket
        self._time = time
        self._versions = versions
        self._over = over or wanted.in_place
        self._delete = delete
        self._at_once = at_once
        self._etags = Etags()
        self._open = ExitStack()
        self._coming = self._open.enter_context(Listing())
        self._there = self._open.enter_context(Listing())
        self._fates = bytearray()  # of each that is to come, in the order in which the copy gives them
        self._different: list[str] = []
        self._counts = {"new": 0, "same": 0, "over": 0, "surplus": 0}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        self._open.close()

    def foretell(self) -> Foretold:
        self._survey()
        counts = self._counts
        lines = [
            _("{url}: {new} objects come new, {same} are there already, {over} are overwritten.").format(
                url=self._bucket.url, **counts
            )
        ]
        if self._delete:
            surplus = [record.key for record in self._surplus(_NAMED)]
            lines.append(
                plural(
                    "{count} object that is not in the restore point is deleted: {keys}",
                    "{count} objects that are not in the restore point are deleted: {keys}",
                    counts["surplus"],
                    keys=", ".join(surplus) + (" …" if counts["surplus"] > _NAMED else "") or "-",
                )
            )
        destructive = bool((self._over and counts["over"]) or (self._delete and counts["surplus"]))
        return Foretold(tuple(lines), destructive)

    def run(self) -> Restored:
        self._survey()
        self._refuse_overwriting()
        if self._versions:
            self._upload(VERSIONS)
        self._upload(OBJECTS)
        comparisons = self._compare()
        deleted = 0
        if self._delete and all(c.equal for c in comparisons):
            deleted = self._delete_surplus()
        return Restored(
            self._bucket.url,
            tuple(comparisons),
            {"uploaded": self._counts["new"] + self._counts["over"], "same": self._counts["same"]}
            | ({"deleted": deleted} if self._delete else {}),
        )

    # -- what is to come -------------------------------------------------------------------------------------

    def _every(self, part: str) -> Iterator[Kept]:
        """What the copy holds, each with the key in place of the path."""
        reader = self._parts.get(part)
        if reader is None and part == OBJECTS and len(self._parts) == 1:
            reader = next(iter(self._parts.values()))  # somebody's own tar
        if reader is None:
            raise NotThere(
                _("This restore point has no {names}.").format(names=part),
                hint=_("Old versions are kept where the plan says `versions = true`."),
            )
        if reader.entries is not None:
            yield from reader.entries()
            return
        with closing(reader.open()) as stream:
            yield from unpack(stream)

    def _chosen(self, part: str) -> Iterator[tuple[str, Kept]]:
        for kept in self._every(part):
            key = keys.key_of(kept.path)
            if part == VERSIONS:
                key = key.rpartition("/")[0]
            if self._is_wanted(key) and self._is_of_its_time(kept, part):
                yield key, kept

    def _is_wanted(self, key: str) -> bool:
        return not self._wanted.only or any(
            key == only or key.startswith(only if only.endswith("/") else only + "/")
            for only in self._wanted.only
        )

    def _is_of_its_time(self, kept: Kept, part: str) -> bool:
        """At a moment, of an old version only that which was the present one then."""
        if self._time is None or self._versions:
            return True
        if kept.time > self._time or "deleted" in kept.attributes:
            return False
        until = kept.attributes.get("until")
        return part == OBJECTS or (until is not None and datetime.fromisoformat(until) > self._time)

    @cached_property
    def _sources(self) -> tuple[str, ...]:
        """The parts from which the present objects of the target come."""
        return (VERSIONS, OBJECTS) if self._time is not None else (OBJECTS,)

    def _survey(self) -> None:
        """List both sides, and decide on each object."""
        if self._delete and "scope" not in self._point.facts:
            raise UsageMistake(
                _("This copy does not say what it was to hold, so nothing is deleted after it."),
                hint=_("Leave out delete=true, and delete by hand what is not wanted."),
            )
        title = _("comparing with {url}").format(url=self._bucket.url)
        with self._reporter.step(title, unit=_("objects")) as step:
            for part in self._sources:
                for key, kept in self._chosen(part):
                    self._coming.add(self._record(key, kept))
                    step.advance(1)
            self._coming.seal()
            if self._wanted.only and not self._coming.count:
                raise NotThere(
                    _("“{path}” is not in this restore point.").format(path=", ".join(self._wanted.only)),
                    hint=_("Give a key, or a prefix that ends with /."),
                )
            for found in self._listed():
                self._there.add(record_of(found))
            self._there.seal()
        self._fates = bytearray(self._coming.count)
        for coming, there in compared(self._coming, self._there):
            self._decide(coming, there)

    def _listed(self) -> Iterator[Listed]:
        """What is there now: of a bucket of millions only where something is to come."""
        for prefix in keys.outermost(self._wanted.only):
            yield from self._bucket.list(prefix)

    def _record(self, key: str, kept: Kept) -> Record:
        """`until` is its number in the copy's order."""
        etag = kept.fingerprint.partition(" ")[0]
        number = self._coming.count
        return Record(keys.order(key), key, kept.size, microseconds(kept.time), etag, "", number)

    def _decide(self, coming: Record | None, there: Record | None) -> None:
        if coming is None:
            assert there
            self._counts["surplus"] += self._in_scope(there.key)
        elif there is None:
            self._counts["new"] += 1
        elif self._is_same(coming, there):
            self._counts["same"] += 1
            self._fates[coming.until] = _SAME
        else:
            self._counts["over"] += 1
            if len(self._different) < _NAMED:
                self._different.append(coming.key)

    def _is_same(self, coming: Record, there: Record) -> bool:
        """The same contents; in its own bucket the very same object, with all that belongs to it."""
        if self._versions or not coming.etag or (coming.etag, coming.size) != (there.etag, there.size):
            return False
        return not self._wanted.in_place or coming.time == there.time

    def _refuse_overwriting(self) -> None:
        if self._counts["over"] and not self._over:
            raise AlreadyThere(
                plural(
                    "{count} object is in {url} already, and is another one: {keys}",
                    "{count} objects are in {url} already, and are other ones: {keys}",
                    self._counts["over"],
                    url=self._bucket.url,
                    keys=", ".join(self._different),
                ),
                hint=_("Choose another bucket or prefix, or overwrite them: --to over=true"),
            )

    # -- bringing it -----------------------------------------------------------------------------------------

    def _upload(self, part: str) -> None:
        """The present objects, or before them their old versions in the order of their age."""
        replay = part == VERSIONS
        total = self._coming.size if not replay else None
        with (
            self._reporter.step(part, total) as step,
            Uploads(self._bucket, self._at_once, step, self._etags) as uploads,
        ):
            number = 0
            for source in (VERSIONS,) if replay else self._sources:
                whole = self._parts.get(source)
                for key, kept in self._chosen(source):
                    if not replay:
                        number += 1
                        if self._fates[number - 1] == _SAME:
                            step.advance(kept.size)
                            continue
                    uploads.give(
                        Upload(key, kept), at_once=whole is None or whole.entries is None, in_order=replay
                    )

    def _compare(self) -> list[Comparison]:
        """Count what is there now of what was to come."""
        facts = self._point.facts
        whole = not self._wanted.only and self._time is None and "listing" in facts
        without = counting.not_compared(facts)
        coming = counting.counted(self._coming, without)
        expected: Mapping[str, Any] = facts if whole else coming
        with self._reporter.step(_("counting what came back"), unit=_("objects")) as step, Listing() as now:
            for found in self._listed():
                now.add(record_of(found))
                step.advance(1)
            now.seal()
            found_again = counting.counted(
                (there for coming, there in compared(self._coming, now) if coming and there),
                without,
                _roster.looking(expected),
            )
        return counting.comparisons(expected, found_again, coming) + self._etags.comparisons()

    # -- what is to go ---------------------------------------------------------------------------------------

    @cached_property
    def _in_scope(self) -> Callable[[str], bool]:
        """Whether the service would have saved an object of this key: only such may be called surplus."""
        scope: Mapping[str, Any] = self._point.facts.get("scope", {})
        prefixes = tuple(scope.get("prefixes") or [""])
        excluded = re.compile("|".join(map(fnmatch.translate, scope.get("exclude") or [])) or r"(?!)").match
        spared = {key for name in ("left_out", "vanished") for key in self._point.facts.get(name, ())}

        def is_in(key: str) -> bool:
            return (
                key.startswith(prefixes) and not excluded(key) and self._is_wanted(key) and key not in spared
            )

        return is_in

    def _surplus(self, most: int | None = None) -> Iterator[Record]:
        found = 0
        for coming, there in compared(self._coming, self._there):
            if coming is None and there is not None and self._in_scope(there.key):
                found += 1
                if most is not None and found > most:
                    return
                yield there

    def _delete_surplus(self) -> int:
        def delete(record: Record) -> None:
            self._bucket.delete(record.key)

        title = _("deleting what is not in the restore point")
        with self._reporter.step(title, self._counts["surplus"], _("objects")) as step:
            for _record, _nothing in ahead(self._surplus(), delete, self._at_once):
                step.advance(1)
            return step.done
