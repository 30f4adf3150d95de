"""Any program: what it writes to standard output is kept, and another one reads it back from standard input."""

from __future__ import annotations

import shlex
import shutil
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, BinaryIO, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from haechi import clock
from haechi.credentials import SecretSource
from haechi.errors import NotThere, ProgramMissing, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import PartInfo, RestorePoint
from haechi.places._base import Place
from haechi.places._open import open_place
from haechi.process import BUFFER, Output, Running
from haechi.sources import _target, _throwaway
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
from haechi.sources._measured import Measured
from haechi.sources._newfile import new_file


def _argv(value: object) -> object:
    """A line becomes words as a shell would cut it; it is never given to one."""
    words = shlex.split(value) if isinstance(value, str) else value
    if isinstance(words, list | tuple) and not (words and all(isinstance(w, str) and w for w in words[:1])):
        raise ValueError("a program and its arguments")
    return words


CommandLine = Annotated[
    tuple[str, ...],
    BeforeValidator(_argv),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class Options(BaseModel):
    """A pair of programs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dump: CommandLine = Field(description="Program that writes the state to standard output, without a shell")
    load: CommandLine | None = Field(
        None, description="Program that reads it from standard input; else it comes back as a file"
    )
    load_beside: bool = Field(
        False, description="The load program itself puts it beside what is there, and so may run unasked"
    )
    rehearse: CommandLine | None = Field(
        None,
        description="Program that reads it from standard input into a throwaway place, and fails if it is not right; "
        "else a drill compares the bytes alone",
    )
    part: str = Field("", description="Name of the stream, such as “users.ldif”; else the service's name")
    form: str = Field(
        "bytes", description="What it is: “sql”, “tar”, …; archives with such an ending want it"
    )
    env: dict[str, SecretSource] = Field(
        default_factory=dict, description="Environment of both programs; the way for their secrets"
    )
    run_as: str | None = Field(None, description="System user in the place")


class Target(_target.Target):
    """Where it comes back, if not through the load program in the service's place."""

    file: Path | None = Field(None, description="A new file; one that is there is never replaced")
    at: str | None = Field(None, description="Another place for the load program, as in the plan")
    load: CommandLine | None = Field(None, description="Another program to read it")


def build(name: str, options: Options, place: Place) -> Source:
    return Command(name, options, place)


def main_form(options: Options) -> str:
    """What archives must be able to hold."""
    return options.form


class Command:
    """One pair of programs of the plan."""

    def __init__(self, name: str, options: Options, place: Place):
        self.name = name
        self.options = options
        self.place = place

    def probe(self) -> Probe:
        self.place.probe()
        for argv in (self.options.dump, self.options.load, self.options.rehearse):
            if argv and not self.place.has(argv[0]):
                raise ProgramMissing(
                    _("The program “{program}” is not here.").format(program=argv[0]),
                    hint=_("Install it, or say where it runs with `at` in the plan."),
                )
        return Probe(version="", details={"program": self.options.dump[0]})

    @contextmanager
    def capture(self, reporter: Reporter) -> Iterator[Capture]:
        with ExitStack() as stack:
            streams: list[Measured] = []

            def begin() -> BinaryIO:
                started = self.place.start(self.options.dump, env=self._env(), user=self.options.run_as)
                streams.append(Measured(cast(BinaryIO, Output(stack.enter_context(started)))))
                return cast(BinaryIO, streams[0])

            info = PartInfo(self.options.part or self.name, self.options.form)
            yield Capture(
                clock.now(),
                [Part(info, begin)],
                lambda: streams[0].facts if streams and streams[0].whole else {},
            )

    def restore(
        self, point: RestorePoint, parts: Mapping[str, PartReader], wanted: Wanted, reporter: Reporter
    ) -> Restored:
        target = Target.read(wanted.target)
        part = _the_one(parts, wanted)
        with (
            reporter.step(part.info.name, part.info.size or None) as step,
            Measured(part.open()) as stream,
        ):
            if target.file is not None:
                with new_file(target.file) as file:
                    shutil.copyfileobj(stream, file, BUFFER)
                where = str(target.file)
            else:
                where = self._load(cast(BinaryIO, stream), target, wanted)
            step.advance(stream.size)
        expected = {key: point.facts[key] for key in ("size", "sha256") if key in point.facts}
        return Restored(where, tuple(Comparison(key, expected[key], stream.facts[key]) for key in expected))

    def rehearse(
        self,
        point: RestorePoint,
        parts: Mapping[str, PartReader],
        wanted: Wanted,
        into: str | None,
        reporter: Reporter,
    ) -> AbstractContextManager[Rehearsed]:
        if self.options.rehearse is not None:
            there = replace(wanted, target={**wanted.target, "load": self.options.rehearse})
            return self._through(point, parts, there, reporter)
        return _throwaway.rehearse(
            self,
            point,
            parts,
            wanted,
            into,
            reporter,
            lambda place: {"file": place / "restored"},
            lambda _restored, place: (Address(path=str(place / "restored")), None),
        )

    @contextmanager
    def _through(
        self, point: RestorePoint, parts: Mapping[str, PartReader], there: Wanted, reporter: Reporter
    ) -> Iterator[Rehearsed]:
        """The program makes its place and takes it down by itself: nothing stands afterwards."""
        began = clock.monotonic()
        restored = self.restore(point, parts, there, reporter)
        yield Rehearsed(restored, restored.where, clock.monotonic() - began)

    def _load(self, stream: BinaryIO, target: Target, wanted: Wanted) -> str:
        load = target.load or self.options.load
        if load is None:
            raise UsageMistake(
                _("The plan names no program that takes “{service}” back.").format(service=self.name),
                hint=_("Name one with `load` in the plan, or bring it into a file: --to file=PATH"),
            )
        if not (wanted.in_place or self.options.load_beside or target.at or target.load):
            raise UsageMistake(
                _("“{program}” would bring it back over what is there.").format(program=load[0]),
                hint=_("Ask for that with --in-place, or bring it into a file: --to file=PATH"),
            )
        place = open_place(target.at) if target.at else self.place
        with place.start(load, feed=True, env=self._env(), user=self.options.run_as) as running:
            _feed(running, stream)
        return f"{load[0]} ({place.name})"

    def _env(self) -> dict[str, str]:
        """The secrets are fetched here, when they are used."""
        return {name: source.fetch().reveal() for name, source in self.options.env.items()}


def _feed(running: Running, stream: BinaryIO) -> None:
    """All of the stream into the program. Should reading it fail, leaving the program's block ends that."""
    talk = threading.Thread(
        target=lambda: deque(iter(lambda: running.stdout.read(BUFFER), b""), 0), daemon=True
    )
    talk.start()
    listening = True
    while data := stream.read(BUFFER):
        if not listening:
            continue  # it has what it wants; the copy is measured to its end all the same
        try:
            view = memoryview(data)
            while view:
                view = view[running.stdin.write(view) :]
        except BrokenPipeError:
            listening = False
    with suppress(OSError):
        running.stdin.close()
    talk.join()
    running.check()


def _the_one(parts: Mapping[str, PartReader], wanted: Wanted) -> PartReader:
    unknown = set(wanted.only) - set(parts)
    if unknown or not parts:
        raise NotThere(
            _("This restore point has no {names}.").format(names=", ".join(sorted(unknown)) or "-"),
            hint=_("It has: {parts}").format(parts=", ".join(parts)),
        )
    return next(iter(parts.values()))
