"""The kinds of snapshots, each by its own programs at the place where the files are."""

from __future__ import annotations

import os
import posixpath
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from haechi import process
from haechi.errors import HaechiError, ProgramFailed, ProgramMissing, SourceChanged, UsageMistake
from haechi.fileio import private_directory, state_directory, sync_directory
from haechi.i18n import _
from haechi.process import Completed
from haechi.sources._files.there import There
from haechi.sources._snapshots.names import OURS, owner
from haechi.sources._snapshots.options import Snapshot

_MOUNTS = "/run/haechi-snapshots"


@dataclass(frozen=True)
class Origin:
    """What a snapshot is taken of: a subvolume, a dataset, a logical volume. `at` is where its files are."""

    name: str
    at: str
    detail: str = ""


class Kind(ABC):
    programs: Sequence[str] = ()

    def __init__(self, there: There, options: Snapshot, service: str):
        self.there = there
        self.options = options
        self.service = service

    @abstractmethod
    def origin(self, root: str) -> Origin:
        """Of what this directory's snapshot is taken. Raises UsageMistake where that cannot be."""

    @abstractmethod
    def create(self, origin: Origin, name: str) -> None: ...

    @abstractmethod
    def remove(self, origin: Origin, name: str) -> None: ...

    @abstractmethod
    def names(self, origin: Origin) -> list[str]:
        """Of all snapshots of this origin; others' among them."""

    @abstractmethod
    def view(self, origin: Origin, name: str) -> str | None:
        """Where its files are, made visible; None where they are not to be seen."""

    def nested(self, origin: Origin) -> list[str]:
        """Directories in it whose contents are not in its snapshot, mounts apart."""
        return []

    def demand_valid(self, origin: Origin, name: str) -> None:  # noqa: B027 - most kinds have nothing to look at
        """Raises SourceChanged for one that ran full meanwhile."""

    def hide(self, name: str) -> None:  # noqa: B027 - nor to take away
        """Undo what `view` made visible."""

    def demand_programs(self) -> None:
        for program in self.programs:
            if not self.there.place.has(program):
                raise ProgramMissing(
                    _("The program “{program}” is not in {place}.").format(
                        program=program, place=self.there.place.name
                    ),
                    hint=_("Install it there, or take the snapshot by other means."),
                )

    def run(self, *argv: str, check: bool = True) -> Completed:
        done = self.there.place.run(argv, env={"LC_ALL": "C"}, deadline=self.options.timeout, check=False)
        if check and done.status:
            raise ProgramFailed(
                _("“{program}” ended with status {status}: {reason}").format(
                    program=" ".join(argv[:3]),
                    status=done.status,
                    reason=(done.stderr.splitlines() or ["-"])[-1],
                ),
                hint=_("Snapshots need root as a rule: run haechi as root, or log in as it."),
                detail=done.stderr,
            )
        return done

    def words(self, *argv: str) -> list[list[str]]:
        return [line.split("\t") for line in self.run(*argv).stdout.decode(errors="replace").splitlines()]


class Btrfs(Kind):
    """Beside the files, in the subvolume itself: `.haechi_media_20260128-120000`."""

    programs = ("btrfs",)
    _SUBVOLUME = r"""
path=$1
[ -d "$path" ] || path=$(dirname -- "$path")
[ "$(stat -f -c %T -- "$path")" = btrfs ] || exit 4
while [ "$(stat -c %i -- "$path")" != 256 ]; do path=$(dirname -- "$path"); done
printf %s "$path"
"""
    _NAMES = r"""
for path in "$1"/.haechi*_*_*; do [ ! -d "$path" ] || printf '%s\0' "${path##*/.}"; done
"""

    def origin(self, root: str) -> Origin:
        status, said = self.there.ask(self._SUBVOLUME, root, check=False)
        if status or not said:
            raise _not_on(root, "btrfs")
        return Origin(os.fsdecode(said), os.fsdecode(said))

    def create(self, origin: Origin, name: str) -> None:
        self.run("btrfs", "subvolume", "snapshot", "-r", origin.name, self._at(origin, name))

    def remove(self, origin: Origin, name: str) -> None:
        self.run("btrfs", "subvolume", "delete", self._at(origin, name))

    def names(self, origin: Origin) -> list[str]:
        said = self.there.ask(self._NAMES, origin.at)[1]
        return [os.fsdecode(name) for name in said.split(b"\0") if name]

    def view(self, origin: Origin, name: str) -> str:
        return self._at(origin, name)

    def nested(self, origin: Origin) -> list[str]:
        said = self.run("btrfs", "subvolume", "show", origin.at).stdout.decode(errors="replace")
        own = said.splitlines()[0].strip().strip("/") if said else ""
        begin = f"{own}/" if own and own != "<FS_TREE>" else ""
        listed = self.run("btrfs", "subvolume", "list", "-o", origin.at).stdout.decode(errors="replace")
        paths = [line.partition(" path ")[2].removeprefix("<FS_TREE>/") for line in listed.splitlines()]
        inside = [path.removeprefix(begin) for path in paths if path.startswith(begin)]
        return [posixpath.join(origin.at, path) for path in inside if not OURS.fullmatch(path)]

    def _at(self, origin: Origin, name: str) -> str:
        return posixpath.join(origin.at, f".{name}")


class Zfs(Kind):
    programs = ("zfs",)

    def origin(self, root: str) -> Origin:
        done = self.run("zfs", "list", "-H", "-o", "name,mountpoint", root, check=False)
        line = done.stdout.decode(errors="replace").strip("\n").split("\t")
        if done.status or len(line) != 2:
            raise _not_on(root, "ZFS")
        return Origin(line[0], line[1])

    def create(self, origin: Origin, name: str) -> None:
        self.run("zfs", "snapshot", f"{origin.name}@{name}")

    def remove(self, origin: Origin, name: str) -> None:
        self.run("zfs", "destroy", f"{origin.name}@{name}")

    def names(self, origin: Origin) -> list[str]:
        listed = self.words("zfs", "list", "-H", "-t", "snapshot", "-o", "name", "-d", "1", origin.name)
        return [line[0].partition("@")[2] for line in listed]

    def view(self, origin: Origin, name: str) -> str:
        return posixpath.join(origin.at, ".zfs", "snapshot", name)


class Lvm(Kind):
    programs = ("lvs", "lvcreate", "lvremove", "findmnt", "mount", "umount")
    _MOUNT = 'umask 077; mkdir -p -- "$3" && mount -o "$1" "$2" "$3"'
    _UMOUNT = '! [ -d "$1" ] || { umount -- "$1" 2>/dev/null; rmdir -- "$1"; }'

    def origin(self, root: str) -> Origin:
        done = self.run("findmnt", "-n", "-o", "SOURCE,TARGET,FSTYPE", "--target", root, check=False)
        found = done.stdout.decode(errors="replace").split()
        if done.status or len(found) < 3:
            raise _not_on(root, "LVM")
        fields = "vg_name,lv_name,pool_lv"
        asked = self.run("lvs", "--noheadings", "--separator", ":", "-o", fields, found[0], check=False)
        words = asked.stdout.decode(errors="replace").strip().split(":")
        if asked.status or len(words) != 3:
            raise _not_on(root, "LVM")
        return Origin(f"{words[0]}/{words[1]}", found[1], f"{found[2]} {'thin' if words[2] else 'thick'}")

    def create(self, origin: Origin, name: str) -> None:
        if origin.detail.endswith("thin"):
            room = ["--setactivationskip", "n"]
        elif "%" in self.options.size:
            room = ["--extents", self.options.size]
        else:
            room = ["--size", self.options.size]
        self.run("lvcreate", "--snapshot", "--name", name, *room, origin.name)

    def hide(self, name: str) -> None:
        self.there.ask(self._UMOUNT, f"{_MOUNTS}/{name}", check=False)

    def remove(self, origin: Origin, name: str) -> None:
        self.hide(name)
        self.run("lvremove", "--yes", f"{origin.name.partition('/')[0]}/{name}")

    def names(self, origin: Origin) -> list[str]:
        group, _slash, volume = origin.name.partition("/")
        listed = self.run("lvs", "--noheadings", "--separator", ":", "-o", "lv_name,origin", group).stdout
        pairs = [line.strip().partition(":") for line in listed.decode(errors="replace").splitlines()]
        return [name for name, _colon, of in pairs if of == volume]

    def view(self, origin: Origin, name: str) -> str:
        group = origin.name.partition("/")[0]
        how = "ro,nouuid" if origin.detail.startswith("xfs") else "ro"
        status, said = self.there.ask(
            self._MOUNT, how, f"/dev/{group}/{name}", f"{_MOUNTS}/{name}", check=False
        )
        if status:
            raise ProgramFailed(
                _("The snapshot {name} could not be mounted.").format(name=name),
                hint=_("Snapshots need root as a rule: run haechi as root, or log in as it."),
                detail=said.decode(errors="replace"),
            )
        return f"{_MOUNTS}/{name}"

    def demand_valid(self, origin: Origin, name: str) -> None:
        group = origin.name.partition("/")[0]
        said = self.run("lvs", "--noheadings", "-o", "lv_snapshot_invalid", f"{group}/{name}").stdout
        if b"invalid" in said:
            raise SourceChanged(
                _("The snapshot {name} ran full while it was read.").format(name=name),
                hint=_("Give it more room with `size` in the plan; nothing of this copy counts."),
            )


class Command(Kind):
    """By the plan's commands. What was taken is known from notes here: they are written before."""

    def origin(self, root: str) -> Origin:
        at = self.options.of or root
        if root != at and not root.startswith(at.rstrip("/") + "/"):
            raise UsageMistake(
                _("{path} does not lie in {directory}, of which the snapshot is taken.").format(
                    path=root, directory=at
                ),
                hint=_("Say with `of` in the plan of which directory the snapshot is."),
            )
        return Origin(at, at)

    def create(self, origin: Origin, name: str) -> None:
        note = private_directory(self._notes) / name
        note.touch(mode=0o600)
        sync_directory(self._notes)
        self.run(*self._filled(self.options.create, name))

    def remove(self, origin: Origin, name: str) -> None:
        self.run(*self._filled(self.options.remove, name))
        with suppress(FileNotFoundError):
            (self._notes / name).unlink()

    def names(self, origin: Origin) -> list[str]:
        return [path.name for path in self._notes.iterdir()] if self._notes.is_dir() else []

    def view(self, origin: Origin, name: str) -> str | None:
        return self.options.path.replace("{name}", name) if self.options.path else None

    @property
    def _notes(self) -> Path:
        return state_directory() / "snapshots" / owner(self.service)

    def _filled(self, argv: Sequence[str] | None, name: str) -> list[str]:
        return [word.replace("{name}", name) for word in argv or ()]


KINDS: dict[str, type[Kind]] = {"btrfs": Btrfs, "zfs": Zfs, "lvm": Lvm, "command": Command}


@contextmanager
def undisturbed() -> Iterator[None]:
    """What tidies up is not ended by the first Ctrl-C; what went wrong before is what people want to hear."""
    with process.spared(), suppress(HaechiError):
        yield


def _not_on(root: str, kind: str) -> UsageMistake:
    return UsageMistake(
        _("{path} does not lie on {kind}, so there is no snapshot of it.").format(path=root, kind=kind),
        hint=_("Correct `snapshot` in the plan, or leave it out."),
    )
