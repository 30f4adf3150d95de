"""Damage that only a comparison can find: whole copies with good checksums, of something else than was counted.

Either a stream is rewritten on its way, after the source has counted it. Or the source is captured twice: what is
counted is of the first time, then the damage is done, and what goes into the vault and the archive is of the second.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from haechi.events import SILENT, Reporter
from haechi.operations import drill
from haechi.operations.backup import back_up
from haechi.operations.drill import Drilled
from haechi.sources._base import Capture, Part, Probe, Source
from tests.unit.sources.ground import Installation

Bytes = Callable[[str, bytes], bytes | None]  # a part's name and bytes; None leaves it out
Facts = dict[str, Any]


@dataclass
class Planted:
    """A source between whose facts and whose streams something happens."""

    honest: Source
    damage: Callable[[], object] | None = None
    rewrite: Bytes | None = None
    join: Callable[[Facts, Facts], Facts] = lambda counted, _taken: counted

    def probe(self) -> Probe:
        return self.honest.probe()

    def capture(self, reporter: Reporter) -> AbstractContextManager[Capture]:
        return self._capture(reporter)

    @contextmanager
    def _capture(self, reporter: Reporter) -> Iterator[Capture]:
        with self.honest.capture(reporter) as counted:
            if self.rewrite is not None:
                yield replace(counted, parts=list(self._rewritten(counted.parts)))
                return
            if self.damage is None:
                yield counted
                return
            for part in counted.parts:
                _drain(part)
            facts = dict(counted.facts())
        self.damage()
        with self.honest.capture(reporter) as capture:
            yield Capture(counted.time, capture.parts, lambda: self.join(facts, dict(capture.facts())))

    def _rewritten(self, parts: Sequence[Part]) -> Iterator[Part]:
        assert self.rewrite
        for part in parts:
            with part.open() as stream:
                made = self.rewrite(part.info.name, stream.read())
            if made is not None:
                yield replace(part, open=_opener(made), expected=len(made), tree=None, entries=None)


def _drain(part: Part) -> None:
    with part.open() as stream:
        while stream.read(1 << 16):
            pass


def _opener(data: bytes) -> Callable[[], BinaryIO]:
    return lambda: cast(BinaryIO, io.BytesIO(data))


def drilled(
    it: Installation,
    damage: Callable[[], object] | None = None,
    *,
    rewrite: Bytes | None = None,
    join: Callable[[Facts, Facts], Facts] = lambda counted, _taken: counted,
    copy: str = "vault.main",
    into: Path | str | None = None,
) -> Drilled:
    """A point with this damage in it, taken for real and rehearsed by the source that knows nothing of it. `join` is
    for facts that are about the streams and not about the service."""
    planted = Planted(it.service.source, damage, rewrite, join)
    back_up(replace(it.service, source=planted), it.desk, SILENT).raise_if_partial()  # type: ignore[arg-type]
    done = drill.drill(it.service, it.desk, SILENT, copies=(copy,), into=str(into) if into else None)
    if isinstance(into, Path):
        assert list(into.iterdir()) == [], "nothing is left of it"
    return done


def named(done: Drilled) -> str:
    """Everything that is said about what is wrong; fails if nothing is."""
    assert not done.passed, "the damage was not found"
    if done.problem is not None:
        return f"{done.problem.code}: {done.problem.message}"
    return "\n".join(f"{c.what}: {c.expected} is {c.found}" for c in done.differences)


def whole(done: Drilled) -> None:
    """No false alarm."""
    assert done.problem is None, done.problem
    assert done.passed, named(done)
    assert done.rehearsed and done.rehearsed.restored.comparisons
