"""A docker volume: read by its path or by a container that helps, with the containers that use it halted if asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from haechi import clock
from haechi.errors import NotThere, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import PartInfo, RestorePoint
from haechi.places._base import Place
from haechi.sources import _beside, _target
from haechi.sources._base import (
    Address,
    Capture,
    Part,
    PartReader,
    Probe,
    Rehearsed,
    Restored,
    Source,
    Wanted,
)
from haechi.sources._files.excludes import Rules
from haechi.sources._files.far import Reading, Tar
from haechi.sources._files.here import from_snapshot, offered
from haechi.sources._files.packing import PART
from haechi.sources._files.returning import facts_of
from haechi.sources._files.there import There
from haechi.sources._snapshots.options import SnapshotField
from haechi.sources._snapshots.taking import examine
from haechi.sources._volume import docker
from haechi.sources._volume.docker import MOUNTED, Container, Volume
from haechi.sources._volume.exchange import exchange
from haechi.sources._volume.halting import halted, set_going
from haechi.sources._volume.returning import VolumeReturn, fresh, lying, sweep

Quiesce = Literal["none", "stop", "pause"]


class Options(BaseModel):
    """A volume and those who use it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    volume: str = Field(
        min_length=1,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="Its name, as `docker volume ls` shows it",
    )
    quiesce: Quiesce = Field(
        "none",
        description="What is done meanwhile with the containers that use it: “stop”, “pause” or “none”",
    )
    stop: bool = Field(False, description='The same as quiesce = "stop"')
    stop_timeout: float = Field(
        60, gt=0, description="Seconds that a container has to end by itself before docker kills it"
    )
    read: Literal["auto", "path", "container"] = Field(
        "auto", description="By its path where haechi may, else by a container; or one of the two"
    )
    image: str | None = Field(
        None,
        description="Image of that container, with sh and tar; else that of a container that uses the volume",
    )
    snapshot: SnapshotField | None = Field(
        None, description="Read by its path from a snapshot, so that containers halt for that moment only"
    )
    exclude: tuple[str, ...] = Field(
        (), description="What to leave out, as .gitignore says it: “*.tmp”, “cache/”, “!keep.tmp”"
    )

    @model_validator(mode="after")
    def _one_word(self) -> Options:
        if self.snapshot is not None and self.read == "container":
            raise ValueError("a snapshot is read by its path, not by a container")
        if self.stop and self.quiesce == "pause":
            raise ValueError("either stop = true or quiesce = “pause”, not both")
        return self

    @property
    def how(self) -> Quiesce:
        return "stop" if self.stop else self.quiesce


class Target(_target.Target):
    """Where a restore goes, if not beside what is there."""

    volume: str | None = Field(None, description="A new volume of this name")
    image: str | None = Field(None, description="As in the plan, for this time")


def build(name: str, options: Options, place: Place) -> Source:
    return DockerVolume(name, options, place)


def main_form(_options: Options) -> str:
    """What archives must be able to hold."""
    return "tar"


class DockerVolume:
    """One volume of the docker daemon that `docker` speaks to here."""

    kept_as = _beside.KEPT_AS

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    @property
    def _root(self) -> str:
        """Under which name it is kept."""
        return f"{MOUNTED}/{self.options.volume}"

    def probe(self) -> Probe:
        self._demand_local()
        going = set_going()
        volume = docker.volume(self.options.volume)
        users = docker.users(volume.name)
        directory = self._directory(volume)
        if directory is not None:
            examine(self.options.snapshot, There(self.place), self.name, [str(directory)])
        else:
            docker.image_for(volume.name, self.options.image, users)
        details = {
            "read": "path" if directory else "container",
            "containers": [c.name for c in users],
            "quiesce": self.options.how,
        }
        return Probe(version="", details=details, warnings=tuple(_warnings(going, users, self.options)))

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        self._demand_local()
        set_going(reporter)
        volume = docker.volume(self.options.volume)
        docker.sweep_helpers(volume.name)
        users = docker.users(volume.name)
        directory = self._directory(volume)
        if directory is None:
            with self._halted(users), self._by_container(volume, users, reporter) as capture:
                yield capture
            return
        with ExitStack() as stack:
            halted = ExitStack()
            with halted:
                halted.enter_context(self._halted(users))
                tree, view = stack.enter_context(
                    from_snapshot(
                        self.options.snapshot,
                        There(self.place),
                        self.name,
                        [directory],
                        self.options.exclude,
                        reporter,
                        {directory: Path(self._root)},
                    )
                )
                if self.options.snapshot is None or view.paths == {str(directory): str(directory)}:
                    stack.push(halted.pop_all())  # read as it lies: they stand still to the end
            yield stack.enter_context(offered(tree, reporter, view))

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        self._demand_local()
        set_going(reporter)
        target = Target.read(wanted.target)
        of = self.options.volume
        sweep(of)
        state = _beside.PART if wanted.only else _beside.RESTORED
        name = target.volume or fresh(of, state)
        restored, equal = self._return(point, parts, wanted, reporter, target).run(name)
        if wanted.in_place and equal and not wanted.only:
            before = self._exchange(name, _beside.BEFORE)
            if before:
                docker.remove(before)
            details = {**restored.details, "came_back": dict.fromkeys(restored.details["came_back"], of)}
            return Restored(of, restored.comparisons, {**details, "beside": False})
        return restored

    @contextmanager
    def rehearse(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> Iterator[Rehearsed]:
        """In a new volume whose name says that it is to go again; `into` may say another, which must not exist."""
        self._demand_local()
        of = self.options.volume
        sweep(of)
        name = into or fresh(of, _beside.UNDER_WAY)
        began_to_stand = False
        began = clock.monotonic()
        target = Target.read(wanted.target)
        try:
            restored, _equal = self._return(point, parts, wanted, reporter, target).run(name)
            began_to_stand = True
            rehearsed = Rehearsed(restored, name, clock.monotonic() - began)
            rehearsed.address = Address(name=name)
            rehearsed.standing = self._standing(name)
            yield rehearsed
        finally:
            if into is None or began_to_stand:  # one of this name that was there before is not ours
                docker.remove(name)
        rehearsed.left = (name,) if docker.look_up(name) else ()

    def _standing(self, name: str) -> DockerVolume:
        """What has come back in this volume."""
        options = self.options.model_copy(update={"volume": name, "image": self._any_image()})
        return DockerVolume(self.name, options, self.place)

    def lying_beside(self) -> Sequence[_beside.Beside]:
        return lying(self.options.volume)

    def swap(self, name: str) -> str:
        set_going()
        return self._exchange(_newest(name, _beside.RESTORED), _beside.BEFORE)

    def undo(self, name: str) -> str:
        set_going()
        return self._exchange(_newest(name, _beside.BEFORE), _beside.RESTORED)

    def finish(self, name: str) -> Sequence[str]:
        gone = [beside.name for beside in lying(name)]
        for volume in gone:
            docker.remove(volume)
        return gone

    def missing(self, values: Iterable[str], where: str = "", *, beside: bool = False) -> Iterator[str]:
        """Values are paths in the volume, or below `where` in it."""
        of = self.options.volume
        waiting = [b.name for b in lying(of) if beside and b.state == _beside.RESTORED]
        name = waiting[-1] if waiting else of
        with self._helper(name, docker.users(of)) as place:
            yield from There(place).lacks_below([f"{self._root}/{where.strip('/')}".rstrip("/")], values)

    @contextmanager
    def _by_container(
        self, volume: Volume, users: Sequence[Container], reporter: Reporter
    ) -> Iterator[Capture]:
        with ExitStack() as stack:
            there = There(stack.enter_context(self._helper(volume.name, users)))
            tar, rules = Tar.of(there), Rules(self.options.exclude)
            moment = clock.now()
            readings: list[Reading] = []

            def begin() -> BinaryIO:
                readings.append(Reading(there, tar, [self._root], rules))
                return readings[-1].stream(stack)

            part = Part(PartInfo(PART, "tar"), begin, there.size([self._root]))
            yield Capture(moment, [part], lambda: facts_of(readings[-1] if readings else None, reporter))

    @contextmanager
    def _helper(self, name: str, users: Sequence[Container]) -> Iterator[Place]:
        image = docker.image_for(self.options.volume, self.options.image, users)
        with docker.helper(image, self.options.volume, docker.mount(name, self._root)) as place:
            yield place

    @contextmanager
    def _halted(self, users: Sequence[Container], *, stop: bool = False) -> Iterator[None]:
        how = "stop" if stop else self.options.how
        if how == "none":
            yield
        else:
            with halted(self.name, users, how, self.options.stop_timeout):
                yield

    def _return(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        reporter: Reporter,
        target: Target,
    ) -> VolumeReturn:
        part = parts.get(PART) or next(iter(parts.values()))
        image = target.image or self.options.image
        return VolumeReturn(self.options.volume, point, part, wanted, reporter, image)

    def _exchange(self, coming: str, state: str) -> str:
        """`coming` into the place of the volume; the volume under which the old contents are kept."""
        of = self.options.volume
        if docker.look_up(of) is None:
            docker.create(of, of)
            exchange(coming, of, None, self._any_image())
            return ""
        aside = fresh(of, state)
        with self._halted(docker.users(of), stop=True):
            docker.create(aside, of)
            exchange(coming, of, aside, self._any_image())
        return aside

    def _any_image(self) -> str | None:
        return self.options.image or next((c.image for c in docker.users(self.options.volume)), None)

    def _directory(self, volume: Volume) -> Path | None:
        """Where it can be read without a container."""
        if self.options.read == "container":
            return None
        wanted = self.options.read == "path" or self.options.snapshot is not None
        if wanted and volume.directory is None:
            raise UsageMistake(
                _("The volume “{name}” cannot be read by its path.").format(name=volume.name),
                hint=_("Run haechi as root on the docker host, or leave `read` out of the plan."),
            )
        return volume.directory

    def _demand_local(self) -> None:
        if not self.place.is_local:
            raise UsageMistake(
                _("A volume is reached by the docker command of this host, not at {place}.").format(
                    place=self.place.name
                ),
                hint=_(
                    "Leave `at` out, and say where the daemon is with DOCKER_HOST or `docker context use`."
                ),
            )


def _newest(of: str, state: str) -> str:
    found = [beside for beside in lying(of) if beside.state == state]
    if not found:
        raise NotThere(
            _("Nothing lies beside {path} that could take its place.").format(path=of),
            hint=_("Restore it first: what comes back lies beside until it is put in place."),
        )
    return found[-1].name


def _warnings(going: Sequence[str], users: Sequence[Container], options: Options) -> Iterator[str]:
    if going:
        yield _("A run that was killed had left these containers halted; they go again: {names}").format(
            names=", ".join(going)
        )
    running = [container.name for container in users if container.state == "running"]
    if running and options.how == "none":
        yield _(
            "{names} may write while the volume is read. Halt them meanwhile with `stop = true` in the plan."
        ).format(names=", ".join(running))
