"""Which paths of a restore point are to come back, whether here or at another place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haechi.errors import NotThere
from haechi.i18n import _
from haechi.sources._files.packing import root_name


@dataclass(frozen=True)
class Item:
    """One path that comes back, of the root in which it was kept."""

    root: str
    path: str

    @property
    def whole(self) -> bool:
        return self.path == self.root


def items(trees: Mapping[str, Any], only: Iterable[str]) -> list[Item]:
    """Whole roots, or the single paths that were asked for: absolute, or below the only root."""
    if not only:
        return [Item(root, root) for root in trees]
    found = []
    for asked in only:
        fitting = _fitting(trees, asked)
        if len(fitting) != 1 or ".." in Path(asked).parts:
            raise NotThere(
                _("“{path}” is not in this restore point, or not in one place only.").format(path=asked),
                hint=_("Give a path that begins with one of: {paths}").format(paths=", ".join(trees)),
            )
        found += fitting
    return found


def names_of(found: Iterable[Item], *, foreign: bool) -> dict[str, Item]:
    """With which names their members begin. In other people's archives these may have been made where they lie, not
    from the top: `tar -C /srv -c media`."""
    names = {root_name(item.path): item for item in found}
    if foreign:
        names |= {str(Path(i.path).relative_to(Path(i.root).parent)): i for i in names.values()}
    return names


def _fitting(trees: Mapping[str, Any], asked: str) -> list[Item]:
    """`/srv/media/a`, or `media/a` where /srv/media is kept, or `a` where nothing else could be meant."""
    roots = [Path(root) for root in trees]
    named = [Item(str(r), str(p)) for r in roots if (p := r.parent / asked).is_relative_to(r)]
    folders = [r for r in roots if trees[str(r)].get("directories", 1)]
    if named or asked.startswith("/"):
        return named
    return [Item(str(r), str(r / asked)) for r in folders]
