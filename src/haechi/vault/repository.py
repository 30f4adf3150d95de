"""A vault: one deduplicating, encrypted repository. The rooms behind this door each do one thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from haechi.credentials import Secret
from haechi.errors import Damaged, NotThere, UsageMistake
from haechi.events import SILENT, Reporter
from haechi.i18n import _
from haechi.stores._base import Store
from haechi.vault import chunking, config, creating, keys, locking, snapshots, trees
from haechi.vault.blobs import Blobs
from haechi.vault.config import Config
from haechi.vault.files import Files
from haechi.vault.index import Index
from haechi.vault.ingest import Ingest
from haechi.vault.locking import Lock
from haechi.vault.nodes import Node
from haechi.vault.reader import StoredFile
from haechi.vault.restoring import Restorer, RestoreReport
from haechi.vault.sealing import SealingKey
from haechi.vault.shelving import Shelf
from haechi.vault.snapshots import Snapshot
from haechi.vault.writer import Writer

_READERS = 4
_REMOVERS = 8  # each waits for the disk, and the disk takes several at once


class Vault:
    """An open vault. Safe in many threads; several programs may have the same one open."""

    def __init__(self, store: Store, key: SealingKey, key_id: str, settings: Config):
        self.store = store
        self.key = key
        self.key_id = key_id  # the key file that opened it
        self.config = settings
        self.files = Files(store, key, settings.version)
        self.damaged_snapshots: list[str] = []  # by the last `snapshots()`
        self._index = Index()
        self._blobs = Blobs(self.files, self._index)

    @property
    def id(self) -> str:
        return self.config.id

    def __repr__(self) -> str:
        return f"Vault({self.store.url})"

    @classmethod
    def create(cls, store: Store, secret: Secret, *, version: int = config.VERSION) -> Vault:
        """A new, empty vault, or one whose making broke off and was done with the same secret. Raises AlreadyThere
        if there is one, WrongKey or Damaged if there is only a part of one."""
        key_id, key, settings = creating.create(store, secret, version)
        return cls(store, key, key_id, settings)

    @classmethod
    def open(cls, store: Store, secret: Secret) -> Vault:
        """Raises VaultMissing and WrongKey; and Damaged where the config of one is gone."""
        if not config.exists(store):
            raise creating.what_is_missing(store)
        try:
            key_id, key = keys.unlock(store, secret)
            return cls(store, key, key_id, config.load(store, key))
        except NotThere:
            raise creating.what_is_missing(store) from None

    # -- what is kept ----------------------------------------------------------------------------------------

    def snapshots(self) -> list[Snapshot]:
        """Oldest first. Those that cannot be read are named in `damaged_snapshots` and cost nobody else anything."""
        names = self.files.names(snapshots.KIND)
        with ThreadPoolExecutor(_READERS, thread_name_prefix="vault-snapshots") as pool:
            found = list(pool.map(self._try_snapshot, names))
        self.damaged_snapshots = [name for name, one in zip(names, found, strict=True) if one == "damaged"]
        return sorted((one for one in found if isinstance(one, Snapshot)), key=lambda one: (one.time, one.id))

    def snapshot(self, ref: str) -> Snapshot:
        """By its id or enough of its beginning. Raises NotThere."""
        found = [name for name in self.files.names(snapshots.KIND) if name.startswith(ref)] if ref else []
        if len(found) > 1:
            raise UsageMistake(
                _("“{ref}” stands for {count} restore points.").format(ref=ref, count=len(found)),
                hint=_("Give more of the id."),
            )
        if not found:
            raise NotThere(
                _("There is no restore point “{ref}” in {store}.").format(ref=ref, store=self.store.url),
                hint=_("List them with: haechi list"),
            )
        return snapshots.load(self.files, found[0])

    def forget(self, gone: Sequence[Snapshot]) -> None:
        """Remove snapshots, not their data: `prune` frees the space. Others may work in the vault meanwhile."""
        with ThreadPoolExecutor(_REMOVERS, thread_name_prefix="vault-forget") as pool:
            for _done in pool.map(lambda one: self.files.remove(snapshots.KIND, one.id), gone):
                pass

    def retag(self, snapshot: Snapshot, tags: Sequence[str]) -> Snapshot:
        """The same state under other tags: the new snapshot is there before the old one goes."""
        if tuple(tags) == snapshot.tags:
            return snapshot
        with self.lock(exclusive=False):
            changed = snapshots.save(self.files, snapshots.with_tags(snapshot, tags))
            self.files.remove(snapshots.KIND, snapshot.id)
        return changed

    # -- reading ---------------------------------------------------------------------------------------------

    def index(self) -> Index:
        """The index as of now. Reading order matters: take the snapshots first, then the index."""
        self._index.refresh(self.files)
        return self._index

    def confirm_index(self, since: int | None = None) -> None:
        """Raises VaultLocked if others have removed some of what was read of it. See `Index.stands`."""
        self._index.stands(self.files, since)

    @property
    def blobs(self) -> Blobs:
        """Contents by their ids. The index is loaded when it is first needed."""
        if not len(self._index):
            self.index()
        return self._blobs

    def node(self, snapshot: Snapshot, path: str) -> Node:
        """Raises NotThere."""
        return trees.find(self.blobs.tree, snapshot.tree, path)

    def walk(self, snapshot: Snapshot, path: str = "/") -> Iterator[tuple[str, Node]]:
        """Every entry below this path with its own path, a directory before what it holds."""
        start = self.node(snapshot, path)
        if start.subtree is not None:
            yield from trees.walk(self.blobs.tree, start.subtree, "/".join(["", *trees.parts_of(path)]))

    def open_file(self, snapshot: Snapshot, path: str) -> BinaryIO:
        """A seekable stream over one file; only what is read is fetched. Raises NotThere."""
        node = self.node(snapshot, path)
        if node.type != "file":
            raise NotThere(_("“{path}” is not a file in this restore point.").format(path=path))
        return self.open_node(node)

    def open_node(self, node: Node) -> BinaryIO:
        """The same over a file's node."""
        return cast(BinaryIO, StoredFile(self.blobs, node.content or ()))

    def open_aside(self, content: Sequence[str]) -> BinaryIO:
        """The same over what a writer has laid aside."""
        return cast(BinaryIO, StoredFile(self.blobs, content))

    def read_file(self, snapshot: Snapshot, path: str) -> bytes:
        """A small file, whole."""
        with self.open_file(snapshot, path) as file:
            return file.read()

    def restore(
        self,
        snapshot: Snapshot,
        target: Path,
        *,
        path: str = "/",
        verify: bool = True,
        reporter: Reporter = SILENT,
    ) -> RestoreReport:
        """Bring back what lies at `path`: a directory's contents into `target`, or a file of its name there.

        Whatever is damaged is named in the Damaged that is raised at the end, after all the rest has come back.
        """
        with reporter.step(_("restore to {target}").format(target=target)) as step:
            return Restorer(self.blobs, target, verify=verify, step=step).run(snapshot.tree, path)

    # -- writing ---------------------------------------------------------------------------------------------

    @contextmanager
    def writer(self, *, reporter: Reporter = SILENT) -> Iterator[Writer]:
        """A snapshot in the making. Leaving the block without `commit` leaves nothing that counts."""
        since: int | None = None

        def look() -> Index:
            nonlocal since
            index = self.index()
            since = index.pruned
            return index

        with self.lock(exclusive=False, meanwhile=look, confirm=lambda: self.confirm_index(since)) as lock:
            shelf = Shelf(self.files, look(), ready=lock.settle)
            ingest = Ingest(shelf, chunking.cutter(self.config.chunk_seed))
            try:
                yield Writer(shelf, ingest, lock, self._blobs.tree, reporter)
            except BaseException as problem:
                ingest.workers.fail(problem)
                raise
            finally:
                ingest.workers.close()
                shelf.give_up()
                shelf.close()

    def lock(
        self,
        *,
        exclusive: bool,
        meanwhile: Callable[[], object] | None = None,
        confirm: Callable[[], object] | None = None,
    ) -> AbstractContextManager[Lock]:
        """Raises VaultLocked, which names who holds it and since when. See `locking.held`."""
        return locking.held(self.files, exclusive=exclusive, meanwhile=meanwhile, confirm=confirm)

    def _try_snapshot(self, name: str) -> Snapshot | str:
        try:
            return snapshots.load(self.files, name)
        except NotThere:
            return "gone"  # forgotten between the listing and the look
        except Damaged:
            return "damaged"
