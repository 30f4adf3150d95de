"""Index files in the place of others: the new ones are stored and read back before an old one goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from haechi.errors import Damaged
from haechi.i18n import _
from haechi.vault import index_files
from haechi.vault.files import Files
from haechi.vault.packing import Pack


def replace_index(
    files: Files, old: Iterable[str], packs: Iterable[Pack], *, check: Callable[[], None]
) -> Sequence[str]:
    """Write index files of these packs, then remove the old ones; says the names of the new ones.

    `check` is called before the first removal and raises when it may no longer happen.
    """
    new = []
    for portion in index_files.portions(packs):
        name = files.save_bytes(index_files.KIND, index_files.encode(portion))
        if [pack.id for pack in index_files.decode(files.load_bytes(index_files.KIND, name))] != [
            pack.id for pack in portion
        ]:
            raise Damaged(
                _("An index file came back from the storage changed."),
                hint=_("Do not trust this storage: look at its disk, its memory and its log."),
            )
        new.append(name)
    check()
    for name in old:
        if name not in new:
            files.remove(index_files.KIND, name)
    return new
