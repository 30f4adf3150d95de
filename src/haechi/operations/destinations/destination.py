"""Where copies go, as operations see it: a vault and an archive look the same from here.

`app` builds them from the plan. What differs (deduplication, tiers of plain files) stays on their side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, BinaryIO, Protocol, runtime_checkable

from haechi.events import Reporter
from haechi.model import Copy, PartInfo, RestorePoint, Share
from haechi.retention import Decision
from haechi.sources._base import Kept, Part, Unfold
from haechi.stores._base import Store


class Intake(Protocol):
    """One restore point on its way in. Leaving the block without `commit` leaves nothing that counts."""

    def part(self, info: PartInfo, stream: BinaryIO) -> None:
        """Take this stream to its end. If reading it raises, the point must not be committed."""

    def commit(self, point: RestorePoint, attachments: Mapping[str, bytes]) -> Copy:
        """Make the copy count: synced and read back where the kind does so. `attachments` are small files kept
        beside the parts, such as the plan."""


@runtime_checkable
class TakesSeveral(Protocol):
    """An ability of intakes: `part` may be called by several threads at once."""

    @property
    def side_by_side(self) -> bool: ...


@runtime_checkable
class TakesTrees(Protocol):
    """An ability of intakes: a tree is kept as a tree, and what has not changed is not read again."""

    def tree(self, part: Part, reporter: Reporter) -> int:
        """Take it whole; how many bytes it holds."""


@runtime_checkable
class ReadsBack(Protocol):
    """An ability of intakes: all that was taken is proven to lie there before it counts."""

    def read_back(self) -> None:
        """Raises Damaged."""


@runtime_checkable
class OpensAhead(Protocol):
    """An ability of destinations: they can be opened before they are needed, which takes a key its time."""

    def begin(self) -> None:
        """Open it beside whatever else is done. Who needs it next waits for that, and is told what went wrong."""


@runtime_checkable
class GivesTrees(Protocol):
    """An ability of destinations: what was kept as a tree comes back as one."""

    def unfolder(self, point: RestorePoint, part: str, reporter: Reporter) -> Unfold | None:
        """As `PartReader.unfold`; None for a part that is kept as a stream."""


@runtime_checkable
class TakesEntries(Protocol):
    """An ability of intakes: entries are kept one by one, and what has not changed is not read again."""

    def entries(self, part: Part, reporter: Reporter) -> int:
        """Take all of this part's entries; how many bytes they hold."""


@runtime_checkable
class GivesEntries(Protocol):
    """An ability of destinations: what was kept entry by entry comes back so."""

    def entries(self, point: RestorePoint, part: str) -> Callable[[], Iterator[Kept]] | None:
        """As `PartReader.entries`; None for a part that is kept otherwise."""


@runtime_checkable
class CopiesFrom(Protocol):
    """An ability of destinations: to take a point over from another one without its parts being put together."""

    def copy_from(self, other: Destination, point: RestorePoint, reporter: Reporter) -> Copy | None:
        """The copy, complete and counting; None if these two have no such way."""


PLAN = "plan.toml"  # what is kept beside every point, so that what comes back says how it was protected


@runtime_checkable
class GivesAttachments(Protocol):
    """An ability of destinations: small files that were kept beside a point can be asked for."""

    def attachment(self, point: RestorePoint, name: str) -> bytes:
        """Raises NotThere."""


@runtime_checkable
class KnowsObjects(Protocol):
    """An ability of destinations: to say which objects of their storage a point lies in."""

    @property
    def store(self) -> Store: ...

    def objects_of(self, point: RestorePoint) -> Sequence[str]:
        """Those that go when the point is let go, whatever others need."""

    def objects_for(self, points: Sequence[RestorePoint]) -> Mapping[str, datetime]:
        """All that these points need to come back, each with the time of the newest point that needs it."""


class Destination(Protocol):
    """A vault or an archive of the plan."""

    @property
    def name(self) -> str:
        """As the plan names it: `vault.main`, `archive.nas`."""

    def intake(self, service: str, reporter: Reporter) -> AbstractContextManager[Intake]:
        """Begin a restore point of this service."""

    def points(self, service: str | None = None) -> Sequence[RestorePoint]:
        """Every point kept here, oldest first, each with exactly its copy here. The truth, not the journal.

        Facts may be left out, where they cost a look at every copy: `describe` brings them."""

    def describe(self, point: RestorePoint) -> RestorePoint:
        """The point with its facts, as they lie beside the copy."""

    def open_part(self, point: RestorePoint, part: str) -> BinaryIO:
        """A fresh stream over one part of a point kept here; what it yields has been authenticated."""

    def verify(
        self, point: RestorePoint, depth: str, reporter: Reporter, share: Share | None = None
    ) -> Mapping[str, Any]:
        """Read the copy ("structure", "sample" or "all") and raise Damaged unless it is whole; facts about it
        otherwise. A sample is this share of it, read as "all" is; all of it is looked at as "structure" is."""

    def remove(self, points: Sequence[RestorePoint], reporter: Reporter) -> Mapping[str, int]:
        """Let go of these points; says what came free (`points`, `bytes`)."""

    def free_space(self, reporter: Reporter) -> int:
        """Give back what no point needs any more, where letting go did not; how many bytes came free."""

    def settle(self, decisions: Sequence[Decision]) -> None:
        """Take up what retention decided about points that stay, such as the tier in which their files lie."""

    def hold(self, point: RestorePoint, held: bool) -> None:
        """Put a hold on a point, or lift it: a held point never expires."""
