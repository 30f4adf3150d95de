"""What every kind of service must do, whatever it is.

A kind brings a `Ground`: the service itself, really running, with contents that a test may replace, break and mend.
Its tests subclass `SourceContract` and give it a fixture `ground`. Nothing here knows any kind.
"""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import pytest

from haechi import clock
from haechi.errors import Damaged, HaechiError
from haechi.events import SILENT
from haechi.model import PartInfo, RestorePoint
from haechi.sources._base import (
    Address,
    Answering,
    PartReader,
    Rehearsable,
    Rehearsed,
    Restored,
    Searchable,
    Source,
    Wanted,
)

_PIECE = 1 << 16
_PATIENCE = 15.0  # seconds in which a server may notice that a session has ended


class Ground(Protocol):
    """One service for a kind's tests. A unit of contents is a few MiB of stream: more than pipes and buffers hold."""

    kind: str

    def source(self, **options: object) -> Source:
        """The service under test, really running; options go over those that fit the ground."""

    def fill(self, amount: int) -> None:
        """Replace the contents by so many units of known, awkward contents."""

    def state(self) -> object:
        """All that a user would miss, comparable with `==`."""

    def bring_back(self, point: RestorePoint, parts: Mapping[str, PartReader]) -> tuple[Restored, object]:
        """Restore into a throwaway target; its state, as `state` gives it. May be called any number of times."""

    def break_off(self) -> None:
        """The service dies now; called while it is captured."""

    def mend(self) -> None:
        """And is there again, with the contents it had."""

    def leftovers(self) -> list[str]:
        """What a capture would leave behind at the service or on disk: sessions, snapshots, files. Else empty."""

    # A ground may have `into(self, directory: Path) -> str`, the place where a rehearsal is to be made.


@dataclass
class Taken:
    """A capture carried to its end, each part in a file."""

    point: RestorePoint
    parts: dict[str, PartReader]


@dataclass
class Interruption:
    """Something that happens once so many bytes have been read."""

    at: int
    action: Callable[[], None]
    happened: bool = False

    def look(self, done: int) -> None:
        if done >= self.at and not self.happened:
            self.happened = True
            self.action()


@dataclass
class _Peak:
    """The most memory this process held since the last `reset`, above what it held then."""

    before: int = field(default=0)

    def reset(self) -> None:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        self.before = self._held("VmRSS")

    @property
    def risen(self) -> int:
        return max(0, self._held("VmHWM") - self.before)

    def _held(self, name: str) -> int:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) << 10
        raise AssertionError(f"the system does not say {name}")


def take(
    ground: Ground, directory: Path | None, interruption: Interruption | None = None, **options: object
) -> Taken:
    """Capture it and keep every part in this directory; without one the parts are read and thrown away."""
    infos: list[PartInfo] = []
    readers: dict[str, PartReader] = {}
    done = 0
    with ground.source(**options).capture(SILENT) as capture:
        for number, part in enumerate(capture.parts):
            path = (directory or Path("/dev")) / (str(number) if directory else "null")
            size = 0
            with part.open() as stream, path.open("wb") as file:
                while piece := stream.read(_PIECE):
                    file.write(piece)
                    size += len(piece)
                    done += len(piece)
                    if interruption:
                        interruption.look(done)
            infos.append(replace(part.info, size=size))
            readers[part.info.name] = PartReader(infos[-1], partial(_opened, path))
        facts = capture.facts()
    point = RestorePoint(
        id=f"{ground.kind}-contract",
        service="contract",
        source=ground.kind,
        time=capture.time,
        size=done,
        parts=tuple(infos),
        facts=facts,
    )
    # Through plain values, as every copy keeps it: facts that JSON does not know would be lost there.
    return Taken(RestorePoint.from_dict(_plain(point.as_dict())), readers)


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(json.dumps(values, ensure_ascii=False)))


class SourceContract:
    """Amounts are in the ground's units. A kind whose capture needs a fixed extra may widen SLACK, and says why."""

    FEW = 1
    SOME = 4
    MANY = 10  # times FEW
    SLACK = 48 << 20

    def test_a_look_finds_it_well(self, ground: Ground) -> None:
        ground.fill(self.FEW)
        before = ground.state()
        probe = ground.source().probe()
        assert isinstance(probe.version, str)
        assert probe.size is None or probe.size > 0
        self._demand_untouched(ground, before)

    def test_a_look_at_a_dead_one_says_so(self, ground: Ground) -> None:
        ground.fill(self.FEW)
        ground.break_off()
        try:
            with pytest.raises(HaechiError):
                ground.source().probe()
        finally:
            ground.mend()
        ground.source().probe()

    def test_what_comes_back_is_what_was_there(self, ground: Ground, tmp_path: Path) -> None:
        ground.fill(self.FEW)
        before = ground.state()
        taken = take(ground, tmp_path)
        self._demand_untouched(ground, before)
        restored, state = ground.bring_back(taken.point, taken.parts)
        assert state == before
        assert restored.equal, [c for c in restored.comparisons if not c.equal]
        assert ground.state() == before

    def test_the_comparison_is_with_the_point_and_not_with_today(
        self, ground: Ground, tmp_path: Path
    ) -> None:
        ground.fill(self.FEW)
        before = ground.state()
        taken = take(ground, tmp_path)
        ground.fill(self.FEW + 1)
        assert ground.state() != before
        restored, state = ground.bring_back(taken.point, taken.parts)
        assert state == before
        assert restored.equal, [c for c in restored.comparisons if not c.equal]

    def test_a_rehearsal_proves_it_and_leaves_nothing(self, ground: Ground, tmp_path: Path) -> None:
        """Every kind has a throwaway place of its own: what was never rehearsed is no backup."""
        ground.fill(self.FEW)
        (tmp_path / "kept").mkdir()
        taken = take(ground, tmp_path / "kept")
        ground.fill(self.FEW + 1)
        now = ground.state()
        source = ground.source()
        assert isinstance(source, Rehearsable), f"{ground.kind} cannot be rehearsed"
        (tmp_path / "place").mkdir()
        choose = getattr(ground, "into", lambda _directory: None)
        into = choose(tmp_path / "place")
        with source.rehearse(taken.point, taken.parts, Wanted(), into, SILENT) as rehearsed:
            self._demand_standing(source, rehearsed)
        assert rehearsed.restored.equal, [c for c in rehearsed.restored.comparisons if not c.equal]
        assert rehearsed.restored.comparisons, "nothing was compared"
        assert rehearsed.left == ()
        assert list((tmp_path / "place").iterdir()) == []
        assert not rehearsed.address.path or not Path(rehearsed.address.path).exists()
        self._demand_untouched(ground, now)

    def test_a_copy_that_breaks_off_does_not_come_back(self, ground: Ground, tmp_path: Path) -> None:
        ground.fill(self.FEW)
        before = ground.state()
        taken = take(ground, tmp_path)
        largest = max(taken.parts.values(), key=lambda part: part.info.size)
        breaking = replace(largest, open=lambda: cast(BinaryIO, _Breaking(largest.open(), largest.info.size)))
        with pytest.raises(HaechiError):
            ground.bring_back(taken.point, {**taken.parts, largest.info.name: breaking})
        assert ground.state() == before
        restored, state = ground.bring_back(taken.point, taken.parts)
        assert (restored.equal, state) == (True, before)

    def test_cancelled_half_way_nothing_is_left(self, ground: Ground, tmp_path: Path) -> None:
        ground.fill(self.SOME)
        before = ground.state()
        size = take(ground, None).point.size

        def cancel() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            take(ground, None, Interruption(size // 2, cancel))
        self._demand_untouched(ground, before)
        self._demand_whole(ground, take(ground, tmp_path), before)

    def test_a_source_that_dies_half_way_is_never_a_short_part(self, ground: Ground, tmp_path: Path) -> None:
        """An error; or all of it, from where it lay safe before the service died."""
        ground.fill(self.SOME)
        before = ground.state()
        size = take(ground, None).point.size
        death = Interruption(size // 2, ground.break_off)
        taken = None
        try:
            taken = take(ground, tmp_path, death)
        except HaechiError as problem:
            assert problem.message
        finally:
            ground.mend()
        assert death.happened
        self._demand_untouched(ground, before)
        if taken is not None:
            self._demand_whole(ground, taken, before)

    def test_ten_times_as_much_takes_the_same_memory(self, ground: Ground) -> None:
        peak = _Peak()
        risen = []
        for amount in (self.FEW, self.FEW * self.MANY):
            ground.fill(amount)
            peak.reset()
            take(ground, None)
            risen.append(peak.risen)
        assert risen[1] - risen[0] < self.SLACK, risen

    def _demand_standing(self, source: Source, rehearsed: Rehearsed) -> None:
        """While it stands, it can be reached, and be asked for what the service itself can be asked for."""
        address = rehearsed.address
        assert address != Address(), "nobody knows where it stands"
        assert not address.path or Path(address.path).exists()
        for ability in (Answering, Searchable):
            assert isinstance(rehearsed.standing, ability) or not isinstance(source, ability), ability
        if address.password:
            assert address.password.reveal() not in repr(rehearsed)

    def _demand_untouched(self, ground: Ground, before: object) -> None:
        until = clock.monotonic() + _PATIENCE
        while (left := ground.leftovers()) and clock.monotonic() < until:
            clock.sleep(0.1)
        assert left == []
        assert ground.state() == before

    def _demand_whole(self, ground: Ground, taken: Taken, before: object) -> None:
        restored, state = ground.bring_back(taken.point, taken.parts)
        assert state == before
        assert restored.equal, [c for c in restored.comparisons if not c.equal]


class _Breaking(io.RawIOBase):
    """A stream that is found damaged half way, as a stored copy can be."""

    def __init__(self, stream: BinaryIO, size: int):
        self._stream = stream
        self._left = size // 2

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._stream.read(min(len(buffer), self._left))
        if not piece:
            raise Damaged("the copy is damaged here")
        self._left -= len(piece)
        memoryview(buffer).cast("B")[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._stream.close()
        super().close()
