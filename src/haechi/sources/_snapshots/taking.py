"""A snapshot around a backup: taken before, and removed after whatever happens, or kept where the plan says so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from haechi import clock
from haechi.errors import NotThere, UsageMistake
from haechi.events import Reporter
from haechi.i18n import _
from haechi.sources._files.there import There
from haechi.sources._snapshots import names
from haechi.sources._snapshots.kinds import KINDS, Kind, Origin, undisturbed
from haechi.sources._snapshots.names import Name
from haechi.sources._snapshots.options import Keeping, Snapshot

_SPACE = re.compile(r"\\(\d{3})")
Excluded = Callable[[str], bool]


@dataclass
class View:
    """Where each root's files are as of the moment; the root itself where they are not to be seen."""

    paths: dict[str, str] = field(default_factory=dict)
    demand_valid: Callable[[], None] = lambda: None


@contextmanager
def taken(
    options: Snapshot | None,
    there: There,
    service: str,
    roots: Sequence[str],
    excluded: Excluded,
    reporter: Reporter,
) -> Iterator[View]:
    """`excluded` is asked about directories that a snapshot lacks: other file systems that are mounted in it."""
    if options is None:
        yield View({root: root for root in roots})
        return
    kind = KINDS[options.kind](there, options, service)
    kind.demand_programs()
    origins = {root: kind.origin(root) for root in roots}
    different = list(dict.fromkeys(origins.values()))
    for origin in different:
        _sweep(kind, origin, service, reporter)
        if options.kind != "command" or options.path:
            _demand_whole(kind, origin, there, [r for r in roots if origins[r] == origin], excluded)
    name = names.make(service, clock.now(), stays=_due(kind, different, service, options.keep))
    with ExitStack() as stack:
        bases = {}
        for origin in different:
            stack.callback(_remove_unless_kept, kind, origin, name)
            kind.create(origin, name.text)
            bases[origin] = kind.view(origin, name.text)
        paths = {root: _inside(bases[origin], root, origin, there) for root, origin in origins.items()}

        def demand_valid() -> None:
            for origin in different:
                kind.demand_valid(origin, name.text)

        yield View(paths, demand_valid)
        if options.keep:
            for origin in different:
                _let_go(kind, origin, service, options.keep, reporter)


def examine(options: Snapshot | None, there: There, service: str, roots: Sequence[str]) -> None:
    """Whether one could be taken. Changes nothing."""
    if options is None:
        return
    kind = KINDS[options.kind](there, options, service)
    kind.demand_programs()
    for root in roots:
        kind.names(kind.origin(root))


def ours_in(path: str) -> bool:
    """Whether this directory is a snapshot of ours in a subvolume: in another snapshot it is empty."""
    return names.OURS.fullmatch(path.rpartition("/")[2]) is not None


def _inside(base: str | None, root: str, origin: Origin, there: There) -> str:
    if base is None:
        return root
    below = root[len(origin.at.rstrip("/")) :].strip("/")
    path = f"{base.rstrip('/')}/{below}".rstrip("/")
    if not there.exists(path):
        raise NotThere(
            _("The snapshot has no {path}.").format(path=path),
            hint=_(
                "Correct `path` and `of` in the plan: `path` is where the directory `of` lies in the snapshot."
            ),
        )
    return path


def _due(kind: Kind, origins: Sequence[Origin], service: str, keep: Keeping | None) -> bool:
    if keep is None or keep.every is None:
        return keep is not None
    kept = [n.time for origin in origins for n in _ours(kind, origin, service) if n.stays]
    # An hour less: a run that began a little earlier than the last one is not one too few.
    return not kept or clock.now() - max(kept) >= keep.every - min(timedelta(hours=1), keep.every / 10)


def _ours(kind: Kind, origin: Origin, service: str) -> list[Name]:
    """Oldest first."""
    found = [name for text in kind.names(origin) if (name := names.read(service, text))]
    return sorted(found, key=lambda name: name.time)


def _sweep(kind: Kind, origin: Origin, service: str, reporter: Reporter) -> None:
    """Remove what a killed run has left. Two runs of one service never work at once."""
    for name in _ours(kind, origin, service):
        if not name.stays:
            reporter.note(
                _("Removing the snapshot {name}, which a killed run has left.").format(name=name.text)
            )
            kind.remove(origin, name.text)


def _let_go(kind: Kind, origin: Origin, service: str, keep: Keeping, reporter: Reporter) -> None:
    """Only after a new one is there, and never the newest."""
    kept = [name for name in _ours(kind, origin, service) if name.stays]
    old = kept[: -keep.last] if keep.last else []
    if keep.age is not None:
        old += [name for name in kept[:-1] if clock.now() - name.time > keep.age and name not in old]
    for name in old:
        reporter.note(_("Letting the snapshot {name} go.").format(name=name.text))
        kind.remove(origin, name.text)


def _remove_unless_kept(kind: Kind, origin: Origin, name: Name) -> None:
    """One that stays is as good after a failed backup as after a good one."""
    with undisturbed():
        if name.stays:
            kind.hide(name.text)
        elif name.text in kind.names(origin):
            kind.remove(origin, name.text)


def _demand_whole(kind: Kind, origin: Origin, there: There, roots: Sequence[str], excluded: Excluded) -> None:
    """A snapshot with holes would count as whole."""
    lacking = [*kind.nested(origin), *_mounts(there)]
    for path in lacking:
        inside = [root for root in roots if path.startswith(root.rstrip("/") + "/")]
        if inside and "/.zfs/" not in path and not excluded(path):
            raise UsageMistake(
                _(
                    "{path} is a file system or subvolume of its own, and not in the snapshot of {root}."
                ).format(path=path, root=inside[0]),
                hint=_("Make it a service of its own, and leave it out here with `exclude`."),
            )


def _mounts(there: There) -> list[str]:
    said = there.ask("cat /proc/self/mountinfo", check=False)[1].decode("utf-8", "surrogateescape")
    points = [line.split(" ")[4] for line in said.splitlines() if line.count(" ") > 4]
    return [_SPACE.sub(lambda m: chr(int(m[1], 8)), point) for point in points]
