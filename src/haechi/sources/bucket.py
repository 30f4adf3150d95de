"""Buckets of object storage: MinIO, Amazon S3 and all that speak like it, Google Cloud Storage, Azure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator

from haechi import clock
from haechi.credentials import Origin, SecretSource
from haechi.errors import UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import PartInfo, RestorePoint
from haechi.places._base import Place
from haechi.sources import _target, _throwaway
from haechi.sources._base import (
    Address,
    Capture,
    Foretold,
    Hands,
    Part,
    PartReader,
    Portioned,
    Probe,
    Rehearsed,
    Restored,
    Source,
    Wanted,
)
from haechi.sources._bucket import counting, keys
from haechi.sources._bucket.directory import new_directory
from haechi.sources._bucket.finding import Laid, missing
from haechi.sources._bucket.interface import Bucket, Listed
from haechi.sources._bucket.listing import Listing, record_of, split_versions
from haechi.sources._bucket.opening import open_bucket
from haechi.sources._bucket.portions import WrittenPortion, divide
from haechi.sources._bucket.reading import Placed, Reader, Touched
from haechi.sources._bucket.restoring import OBJECTS, VERSIONS, Restore
from haechi.sources._entrytar import TarStream
from haechi.stores import objects


class Options(BaseModel):
    """What is kept of which bucket, and how it is reached."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="s3://bucket, or s3://bucket/prefix, gs://… or az://…")
    prefixes: tuple[str, ...] = Field((), description="Only keys that begin so, such as “media/”")
    exclude: tuple[str, ...] = Field((), description="Keys to leave out, such as “*.tmp” or “cache/*”")
    versions: bool = Field(False, description="Old versions and marks of deletion, too; S3 only")
    object_tags: bool = Field(
        False, description="Their tags, too; costs a request for each object every time; S3 only"
    )
    at_once: int = Field(16, ge=1, le=256, description="Objects that are read at the same time")
    hands: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes that save it at the same time, each some of the keys; vaults only",
    )
    endpoint: str | None = Field(None, description="Address of the service, unless it is the cloud's own")
    region: str | None = Field(None, description="Region of the bucket")
    access_key: SecretSource | None = Field(None, description="Access key of S3; else AWS_ACCESS_KEY_ID")
    secret_key: SecretSource | None = Field(
        None, description="Secret key of S3, account key of Azure; else AWS_SECRET_ACCESS_KEY"
    )
    session_token: SecretSource | None = Field(None, description="Token of temporary S3 credentials")
    account: str | None = Field(None, description="Storage account of Azure")
    service_account: Path | None = Field(None, description="JSON key file of Google Cloud")
    path_style: bool = Field(True, description="The bucket in the path; false: in the host's name")
    ca_file: Path | None = Field(None, description="Certificate of a private authority")
    retries: int = Field(8, ge=0, description="How often a request that got no answer is made again")
    patience: float = Field(120.0, ge=0, description="After how many seconds of trying it gives up")
    timeout: float = Field(60.0, gt=0, description="How many seconds one answer may take to begin")

    @field_validator("prefixes", "exclude", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    def store(self, **changed: Any) -> objects.Options:
        """As the storage's own options."""
        names = set(objects.Options.model_fields) & set(Options.model_fields)
        given = {name: getattr(self, name) for name in names}
        return objects.Options(**{**given, **{k: v for k, v in changed.items() if v is not None}})


class Target(_target.Target):
    """Where a restore goes, and what of the point."""

    url: str | None = Field(None, description="Another bucket or prefix; nothing there is overwritten")
    directory: Path | None = Field(None, description="A new directory, for the objects as plain files")
    endpoint: str | None = Field(None, description="Where that bucket is, if not where the plan's is")
    region: str | None = Field(None, description="As in the plan, for this time")
    access_key_env: str | None = Field(None, description="Variable that holds that bucket's access key")
    secret_key_env: str | None = Field(None, description="Variable that holds that bucket's secret key")
    storage_class: str | None = Field(None, description="Storage class of what comes back")
    time: datetime | None = Field(None, description="As it was at this moment, of a point with versions")
    versions: bool = Field(False, description="Old versions, too, oldest first")
    over: bool = Field(False, description="Overwrite what is another object under the same key there")
    delete: bool = Field(False, description="Afterwards delete what is there and not in the point")


def build(name: str, options: Options, place: Place) -> Source:
    return BucketSource(name, options, place)


def main_form(_options: Options) -> str:
    """What archives must be able to hold."""
    return "tar"


class BucketSource:
    """One bucket, or some of its prefixes. Satisfies `Source`, `TakesPortions`, `Rehearsable`, `Foretelling` and
    `Searchable`."""

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place
        self._excluded = re.compile("|".join(map(fnmatch.translate, options.exclude)) or r"(?!)").match

    def bucket(self) -> Bucket:
        self._only_from_here()
        return open_bucket(self.options.url, self.options.store())

    def probe(self) -> Probe:
        with closing(self.bucket()) as bucket:
            self._demand_abilities(bucket)
            for prefix in keys.outermost(self.options.prefixes):
                next(iter(bucket.list(prefix)), None)
            return Probe(version="", details={"url": bucket.url})

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        moment = clock.now()
        touched = Touched()
        with ExitStack() as stack:
            bucket = stack.enter_context(closing(self.bucket()))
            self._demand_abilities(bucket)
            now = stack.enter_context(Listing())
            old = stack.enter_context(Listing()) if self.options.versions else None
            with reporter.step(_("listing {url}").format(url=bucket.url), unit=_("objects")) as step:
                self._list(bucket, now, old, touched, step.advance)
            parts = [self._part(OBJECTS, bucket, now, touched)]
            if old is not None:
                parts.append(self._part(VERSIONS, bucket, old, touched))
            yield Capture(moment, parts, lambda: self._facts(now, old, touched, reporter))

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        with self._restore(point, parts, wanted, reporter) as restore:
            return restore.run()

    def foretell(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Foretold:
        if Target.read(wanted.target).directory is not None:
            return Foretold()
        with self._restore(point, parts, wanted, reporter) as restore:
            return restore.foretell()

    def rehearse(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> AbstractContextManager[Rehearsed]:
        """Below a directory, as plain files: nothing of it goes near the bucket in use."""
        return _throwaway.rehearse(
            self,
            point,
            parts,
            wanted,
            into,
            reporter,
            lambda path: {"directory": str(path / "objects")},
            lambda _restored, path: (Address(path=str(path / "objects")), Laid(path / "objects")),
        )

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        """Keys, or names below the prefix `where`, that are not in the bucket."""
        with closing(self.bucket()) as bucket:
            yield from missing(bucket, values, where, self.options.at_once)

    @contextmanager
    def portion(self, part: str, path: Path, elsewhere: bool) -> Iterator[Portioned]:
        touched = Touched()
        with closing(self.bucket()) as bucket:
            reader = self._reader(part, bucket, WrittenPortion(path, self._mark), touched)
            yield Portioned(touched.as_data, reader.entries, self.options.at_once)

    @property
    def _mark(self) -> dict[str, Any]:
        """Which bucket this is, and what of it is asked: no key to it, and nothing of this host."""
        said = {"url", "endpoint", "region", "account", "path_style", "object_tags"}
        return self.options.model_dump(include=said)

    def _reader(self, part: str, bucket: Bucket, listing: Placed, touched: Touched) -> Reader:
        return Reader(
            bucket,
            listing,
            touched,
            tagged=self.options.object_tags and part == OBJECTS,
            at_once=self.options.at_once,
        )

    def _part(self, name: str, bucket: Bucket, listing: Listing, touched: Touched) -> Part:
        reader = self._reader(name, bucket, listing, touched)
        count = self.options.hands
        return Part(
            PartInfo(name, "tar"),
            lambda: cast(BinaryIO, TarStream(reader.entries, self.options.at_once)),
            listing.size,
            entries=reader.entries,
            at_once=self.options.at_once,
            hands=Hands(count, partial(divide, listing, touched, count, self._mark)) if count > 1 else None,
        )

    def _list(
        self, bucket: Bucket, now: Listing, old: Listing | None, touched: Touched, advance: Any
    ) -> None:
        for prefix in keys.outermost(self.options.prefixes):
            if old is None:
                for found in self._wanted(bucket.list(prefix), touched):
                    now.add(record_of(found))
                    advance(1)
            else:
                split_versions(self._wanted(bucket.list_versions(prefix), touched), now.add, old.add)
        now.seal()
        if old is not None:
            old.seal()

    def _wanted(self, found: Iterable[Listed], touched: Touched) -> Iterator[Listed]:
        for one in found:
            if "\0" in one.key:
                touched.leave_out(one.key, _("its key cannot be kept"))
            elif not self._excluded(one.key):
                yield one

    def _facts(
        self, now: Listing, old: Listing | None, touched: Touched, reporter: Reporter
    ) -> dict[str, Any]:
        counting.tell(touched, reporter)
        scope = {"prefixes": list(self.options.prefixes), "exclude": list(self.options.exclude)}
        return {"url": self.options.url, "scope": scope, **counting.facts(now, old, touched)}

    @contextmanager
    def _restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Iterator[Restore]:
        target = Target.read(wanted.target)
        with ExitStack() as stack:
            if target.directory is not None:
                bucket: Bucket = stack.enter_context(new_directory(target.directory))
            else:
                bucket = stack.enter_context(closing(self._other(target, wanted)))
            restore = Restore(
                point,
                parts,
                wanted,
                reporter,
                bucket,
                time=target.time.astimezone() if target.time else None,
                versions=target.versions,
                over=target.over,
                delete=target.delete,
                at_once=self.options.at_once,
            )
            yield stack.enter_context(restore)

    def _other(self, target: Target, wanted: Wanted) -> Bucket:
        """The bucket into which it goes: the plan's own only when that was asked, for then it is saved before."""
        self._only_from_here()
        if target.url is None and not wanted.in_place:
            raise UsageMistake(
                _("Say where the objects are to come back."),
                hint=_(
                    "Into another bucket or prefix: --to url=s3://…; as files: --to directory=PATH; "
                    "over what is there, after that has been saved: --in-place"
                ),
            )
        secrets = {
            name: SecretSource(Origin(env=variable))
            for name, variable in (
                ("access_key", target.access_key_env),
                ("secret_key", target.secret_key_env),
            )
            if variable
        }
        there = {"endpoint": target.endpoint, "region": target.region, "storage_class": target.storage_class}
        bucket = open_bucket(target.url or self.options.url, self.options.store(**there, **secrets))
        if target.url is not None and wanted.in_place:
            raise UsageMistake(
                _("--in-place is for the bucket of the plan, which is saved before."),
                hint=_("Into another one nothing is overwritten unless you say so: --to over=true"),
            )
        if not wanted.in_place and target.endpoint is None and bucket.url == self.bucket().url:
            raise UsageMistake(
                _("{url} is the bucket in use.").format(url=bucket.url),
                hint=_("Over what is there, after that has been saved: --in-place"),
            )
        return bucket

    def _demand_abilities(self, bucket: Bucket) -> None:
        if (self.options.versions or self.options.object_tags) and not bucket.tells_versions:
            raise UsageMistake(
                _("Of {url}, versions and tags cannot be kept.").format(url=bucket.url),
                hint=_("Take `versions` and `object_tags` out of the plan, or give the keys of S3 in it."),
            )

    def _only_from_here(self) -> None:
        if not self.place.is_local:
            raise UsageMistake(
                _("Buckets are reached from this host, not from {place}.").format(place=self.place.name),
                hint=_("Leave out `at`; the address is in `url` and `endpoint`."),
            )
