"""The index in memory: where every blob lies. About 60 bytes a blob with borghash, see `table.py`."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from haechi.errors import Damaged, NotThere, VaultLocked
from haechi.i18n import _
from haechi.vault import index_files
from haechi.vault.files import Files
from haechi.vault.index_files import ID
from haechi.vault.packing import Blob, Kind, Pack
from haechi.vault.table import new_table

_READERS = 3
_AHEAD = 4  # files fetched and unpacked while earlier ones are entered
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Where a blob lies."""

    pack: bytes
    blob: Blob


class Index:
    """Every blob of a vault, as far as its index files tell. Safe in many threads.

    A blob that lies in several packs is known by one of them. `damaged` are the index files that could not be
    read: what they alone know is missing here, so nothing may be removed on the word of such an index.
    """

    def __init__(self) -> None:
        self.damaged: list[str] = []
        self.pruned = 0  # how often others were found to have removed what had been read here
        self._lock = threading.Lock()
        self._clear()

    def _clear(self, expected: int = 0) -> None:
        self._tables = {
            kind: new_table(ID, index_files.VALUE_SIZE, expected if kind is Kind.DATA else 0) for kind in Kind
        }
        self._packs = bytearray()  # ids, one after another
        self._loaded: set[str] = set()
        self.damaged = []

    def __len__(self) -> int:
        return sum(len(table) for table in self._tables.values())

    def count(self, kind: Kind) -> int:
        return len(self._tables[kind])

    def has(self, kind: Kind, blob: bytes) -> bool:
        return blob in self._tables[kind]

    def find(self, kind: Kind, blob: bytes) -> Place | None:
        value = self._tables[kind].get(blob)
        if value is None:
            return None
        number, offset, length, plain = index_files.unpack_value(value)
        pack = bytes(self._packs[number * ID : (number + 1) * ID])
        return Place(pack, Blob(blob, kind, offset, length, plain))

    def ids(self, kind: Kind) -> Iterator[bytes]:
        """Every blob of this kind; not while others add."""
        for blob, _value in self._tables[kind].items():
            yield blob

    def packs(self) -> set[bytes]:
        """Every pack that an index file names."""
        return {bytes(self._packs[at : at + ID]) for at in range(0, len(self._packs), ID)}

    def add(self, pack: Pack) -> None:
        """A pack that is stored now."""
        with self._lock:
            number = len(self._packs) // ID
            self._packs += pack.id
            for blob in pack.blobs:
                self._tables[blob.kind][blob.id] = index_files.value(number, blob)

    def wrote(self, name: str) -> None:
        """This index file is ours, and everything in it is known here."""
        self._loaded.add(name)

    def stands(self, files: Files, since: int | None = None) -> None:
        """Raises VaultLocked if others have removed index files that were read here: they prune. `since` is what
        `pruned` was when it was read: another thread may have noticed in between, and read it all anew."""
        with self._lock:
            there = set(files.names(index_files.KIND))
            if since not in (None, self.pruned) or not self._loaded <= there:
                raise VaultLocked(
                    _("Somebody pruned the vault just when this began."),
                    hint=_("Run the same command again."),
                )

    def refresh(self, files: Files) -> None:
        """Learn what was written since, and forget what others removed."""
        with self._lock:
            for _attempt in range(_ATTEMPTS):
                sizes = files.sizes(index_files.KIND)
                whole = self._loaded <= sizes.keys()
                self.pruned += not whole
                if self.damaged or not self._packs or not whole:
                    self._clear(index_files.most_blobs(sum(sizes.values()), files.version))
                try:
                    self._load(files, sorted(sizes.keys() - self._loaded))
                except NotThere:
                    continue  # somebody pruned while we read
                return
        raise Damaged(
            _("The vault's index changes faster than it can be read."),
            hint=_("Wait until the other program is done, then run the same command again."),
        )

    def _load(self, files: Files, names: list[str]) -> None:
        data, tree = self._tables[Kind.DATA], self._tables[Kind.TREE]
        for name, fetched in _fetched(files, names):
            try:
                index_files.scatter(fetched.result(), self._packs, data, tree)
            except Damaged:
                self.damaged.append(name)
            self._loaded.add(name)


def _fetched(files: Files, names: list[str]) -> Iterator[tuple[str, Future[bytes]]]:
    with ThreadPoolExecutor(_READERS, thread_name_prefix="vault-index") as pool:
        coming: deque[tuple[str, Future[bytes]]] = deque()
        try:
            for name in names:
                coming.append((name, pool.submit(files.load_bytes, index_files.KIND, name)))
                if len(coming) >= _AHEAD:
                    yield coming.popleft()
            while coming:
                yield coming.popleft()
        finally:
            for _name, fetched in coming:
                fetched.cancel()
