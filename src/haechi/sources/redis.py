"""Redis and Valkey: the whole state as one file, as a replica would get it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from haechi import clock
from haechi.credentials import Secret, SecretSource
from haechi.errors import HaechiError, NotThere, ProgramFailed, ProgramMissing, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import PartInfo, RestorePoint
from haechi.places._base import Place
from haechi.places.local import LocalPlace
from haechi.process import BUFFER, Output
from haechi.sources import _beside, _reading, _target
from haechi.sources._base import (
    Address,
    Capture,
    Comparison,
    Part,
    PartReader,
    Probe,
    Rehearsed,
    Restored,
    Source,
    Wanted,
)
from haechi.sources._newfile import new_file
from haechi.sources._redis import instance, rdb
from haechi.sources._redis.client import CLI, Client, explain, from_url

PART = "dump.rdb"


class Options(BaseModel):
    """One server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretSource | None = Field(
        None, description="Address of the server: redis://user:password@host:6379, rediss://, unix://"
    )
    host: str | None = Field(None, description="Host name; without it the place's own 127.0.0.1")
    port: int | None = Field(None, ge=1, le=65535)
    socket: str | None = Field(None, description="Path of the server's socket")
    user: str | None = Field(None, description="User of its access list")
    password: SecretSource | None = None
    tls: bool = Field(False, description="Speak TLS")
    run_as: str | None = Field(None, description="System user in the place")
    file: Path | None = Field(
        None, description="The server's own dump.rdb on this host: what is restored lies beside it"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Options:
        if self.url and (self.host or self.port or self.socket or self.user or self.password or self.tls):
            raise ValueError("give either url, or host, port, socket, user, password and tls")
        return self


class Target(_target.Target):
    """Where it comes back, if not beside the server's file or into the running server."""

    file: Path | None = Field(None, description="A new file; one that is there is never replaced")


def build(name: str, options: Options, place: Place) -> Source:
    return Redis(name, options, place)


def main_form(_options: Options) -> str:
    """What archives must be able to hold."""
    return rdb.FORM


class Redis:
    """Satisfies `Source`, `Exchangeable` and `Rehearsable`."""

    kept_as = _beside.KEPT_AS

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    def client(self) -> Client:
        """As it is now: the secrets are fetched here."""
        options = self.options
        if options.url:
            words, password = from_url(options.url.fetch())
            return Client(self.place, tuple(words), password, options.run_as)
        settings = {"-h": options.host, "-p": options.port, "-s": options.socket, "--user": options.user}
        words = [word for name, value in settings.items() if value for word in (name, str(value))]
        if options.tls:
            words.append("--tls")
        password = options.password.fetch() if options.password else None
        return Client(self.place, tuple(words), password, options.run_as)

    def probe(self) -> Probe:
        self.place.probe()
        client = self.client()
        about = client.info("server")
        if about.get("redis_mode") == "cluster":
            raise UsageMistake(
                _("“{service}” is one node of a cluster, which has a share of the keys only.").format(
                    service=self.name
                ),
                hint=_("Make each master a service of its own, and restore each into its own node."),
            )
        warnings: tuple[str, ...] = ()
        if not _proving(self.place):
            warnings = (_("There is no redis-server here or there, so copies cannot be rehearsed."),)
        memory = int(client.info("memory").get("used_memory", "0"))
        details = {"keys": sum(about["keys"] for about in client.keys().values())}
        return Probe(about.get("redis_version", ""), memory or None, details, warnings)

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        client = self.client()
        before = _counted(client)
        streams: list[rdb.Checked] = []
        with ExitStack() as stack:

            def begin() -> BinaryIO:
                running = stack.enter_context(
                    client.place.start(client.argv("--rdb", "-"), env=client.env, user=client.run_as)
                )
                streams.append(rdb.Checked(cast(BinaryIO, _Explained(running))))
                return cast(BinaryIO, streams[0])

            def facts() -> Mapping[str, Any]:
                # Of a moment between two counts: what was the same in both was so in between.
                after = _counted(client)
                same = {key: value for key, value in before.items() if after.get(key) == value}
                return {**same, "checksum": all(stream.has_checksum for stream in streams)}

            yield Capture(clock.now(), [Part(PartInfo(PART, rdb.FORM), begin)], facts)

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        target = Target.read(wanted.target)
        part = _the_one(parts, wanted)
        if target.file is not None:
            return self._into_file(target.file, point, part, reporter)
        if wanted.in_place:
            return self._into_server(point, part, reporter)
        if self.options.file is None or not self.place.is_local:
            raise UsageMistake(
                _("It is not said where the file of “{service}” lies on this host.").format(
                    service=self.name
                ),
                hint=_(
                    "Into the running server with --in-place, into a new file with --to file=PATH; or name `file`."
                ),
            )
        path = self.options.file
        _beside.sweep([path])
        under_way = _beside.fresh(path, _beside.UNDER_WAY)
        made = self._into_file(under_way, point, part, reporter)
        lying = _beside.settle(under_way, path, _beside.RESTORED)
        _like(path, lying)
        return Restored(
            str(lying), made.comparisons, {"came_back": [str(path)], "beside": {str(path): str(lying)}}
        )

    @contextmanager
    def rehearse(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> Iterator[Rehearsed]:
        """In a throwaway redis-server, in a new directory (below `into`, if that is said)."""
        place = _proving(self.place)
        if place is None:
            raise ProgramMissing(
                _("There is no redis-server to rehearse with."),
                hint=_("Install redis-server here, or where the service is."),
            )
        began = clock.monotonic()
        part = _the_one(parts, wanted)
        with (
            reporter.step(part.info.name, unit=""),
            part.open() as stream,
            instance.throwaway(place, rdb.checked(stream), into=into or "") as client,
        ):
            restored = Restored(f"{instance.SERVER} ({place.name})", _compare(client, point))
            rehearsed = Rehearsed(restored, restored.where, clock.monotonic() - began)
            if place.is_local:
                socket = client.where[-1]
                rehearsed.address = Address(url=Secret(f"unix://{socket}"), path=socket)
            yield rehearsed

    def listing(
        self, point: RestorePoint, parts: Mapping[str, PartReader], reporter: Reporter
    ) -> Mapping[str, int]:
        return {"bytes_in": _reading.through(parts.values(), rdb.checked, reporter)}

    def lying_beside(self) -> Sequence[_beside.Beside]:
        return _beside.lying([self.options.file] if self.options.file else [])

    def swap(self, name: str) -> str:
        self._demand_stopped()
        return str(_beside.swap(Path(name)) or "")

    def undo(self, name: str) -> str:
        self._demand_stopped()
        return str(_beside.undo(Path(name)) or "")

    def finish(self, name: str) -> Sequence[str]:
        return _beside.finish(Path(name))

    def _into_file(self, path: Path, point: RestorePoint, part: PartReader, reporter: Reporter) -> Restored:
        """Whole and verified, or not there; proven by a throwaway server where there is one."""
        with (
            reporter.step(part.info.name, part.info.size or None) as step,
            part.open() as stream,
            new_file(path) as file,
        ):
            checked = rdb.Checked(stream)
            shutil.copyfileobj(checked, file, BUFFER)
            step.advance(checked.size)
        comparisons: Sequence[Comparison] = ()
        if (place := _proving(self.place)) is not None:
            try:
                with path.open("rb") as file, instance.throwaway(place, file) as client:
                    comparisons = _compare(client, point)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        return Restored(str(path), tuple(comparisons))

    def _into_server(self, point: RestorePoint, part: PartReader, reporter: Reporter) -> Restored:
        client = self.client()
        if not self.place.has(instance.SERVER):
            raise ProgramMissing(
                _("There is no redis-server at {place} that could hand the file over.").format(
                    place=self.place.name
                ),
                hint=_("Bring it into a file with --to file=PATH, and start the server with that."),
            )
        databases = int((client.ask("CONFIG", "GET", "databases").split() or ["16"])[-1])
        with reporter.step(part.info.name, unit=""):
            instance.hand_over(client, self.place, lambda: rdb.checked(part.open()), databases)
        return Restored(f"redis ({self.place.name})", _compare(client, point))

    def _demand_stopped(self) -> None:
        try:
            self.client().ask("PING")
        except HaechiError as problem:
            if "refuse" not in problem.code and problem.code != "program-failed":
                return
        raise UsageMistake(
            _("Redis is running: it would write over the file when it ends."),
            hint=_("Stop it, exchange the file, start it again; or restore into it with --in-place."),
        )


class _Explained(Output):
    """What redis-cli gives, with its complaints as ours."""

    def readinto(self, buffer: object) -> int:
        try:
            return super().readinto(buffer)
        except ProgramFailed as problem:
            raise explain(problem.detail or problem.message) from None


def _counted(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = {"keys": client.lasting()}
    if digest := client.digest():
        found["digest"] = digest
    return found


def _compare(client: Client, point: RestorePoint) -> tuple[Comparison, ...]:
    made = []
    if "keys" in point.facts:
        made.append(Comparison("keys that do not expire", dict(point.facts["keys"]), client.lasting()))
    if "digest" in point.facts and (found := client.digest()):
        made.append(Comparison("digest", point.facts["digest"], found))
    return tuple(made)


def _proving(place: Place) -> Place | None:
    """Where a throwaway server can run: here, or else where the service is."""
    local = LocalPlace()
    if local.has(instance.SERVER) and local.has(CLI):
        return local
    return place if not place.is_local and place.has(instance.SERVER) else None


def _like(path: Path, other: Path) -> None:
    """The server must be able to read it: owner and mode as the old one's."""
    if path.exists():
        about = path.stat()
        try:
            os.chown(other, about.st_uid, about.st_gid)
        except PermissionError:
            return
        other.chmod(about.st_mode & 0o7777)


def _the_one(parts: Mapping[str, PartReader], wanted: Wanted) -> PartReader:
    if wanted.only or not parts:
        raise NotThere(
            _("A file of Redis comes back as a whole."), hint=_("Leave out the names of single parts.")
        )
    return parts.get(PART) or next(iter(parts.values()))
