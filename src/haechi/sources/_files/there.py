"""Names in the file system of another place, handled by its own programs: those every system has, BusyBox's too."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from haechi.errors import NotThere, ProgramFailed
from haechi.i18n import _
from haechi.places._base import Place
from haechi.sources import _beside

ENGLISH = {"LC_ALL": "C"}  # what programs say is read, and names are bytes
_ERRAND = 120.0  # seconds for what touches names only
_WALK = 6 * 3600.0  # for what walks through a tree
_BATCH = 400  # names on one command line

_RESOLVE = 'for path; do readlink -f -- "$path" && [ -e "$path" ] || exit 4; done'
_LYING = r"""
for path; do
    for found in "$path".haechi_* "$path".part_* "$path".before_* "$path".under-way_*; do
        if [ -e "$found" ] || [ -L "$found" ]; then printf '%s\0' "$found"; fi
    done
done
"""
_MISSING = r"""
for path; do [ -e "$path" ] || [ -L "$path" ] || printf '%s\0' "$path"; done
"""
_MOVE = r"""
there() { [ -e "$1" ] || [ -L "$1" ]; }
coming=$1 path=$2 aside=$3
there "$coming" || exit 4
if there "$path"; then
    [ -n "$aside" ] && ! there "$aside" || exit 5
    mv -- "$path" "$aside" || exit 1
    echo moved
fi
if ! mv -- "$coming" "$path"; then
    [ -z "$aside" ] || ! there "$aside" || mv -- "$aside" "$path"
    exit 1
fi
sync
"""
_DRESS = r"""
path=$1 owner=$2 mode=$3
[ -z "$owner" ] || chown -hR -- "$owner" "$path" || exit 1
[ -z "$mode" ] || find "$path" ! -type l -exec chmod "$mode" {} + || exit 1
"""


class There:
    """The files of one place, as one user."""

    def __init__(self, place: Place, user: str | None = None):
        self.place = place
        self.user = user

    def ask(
        self, script: str, *words: str, seconds: float = _ERRAND, check: bool = True
    ) -> tuple[int, bytes]:
        done = self.place.run(
            ["sh", "-c", script, "haechi", *words],
            env=ENGLISH,
            user=self.user,
            deadline=seconds,
            check=check,
        )
        return done.status, done.stdout

    def resolve(self, paths: Iterable[str]) -> list[str]:
        """Where they really lie, without those that lie in others. Raises NotThere."""
        found = set()
        for path in paths:
            status, said = self.ask(_RESOLVE, path, check=False)
            if status:
                raise NotThere(
                    _("{path} is not there.").format(path=f"{self.place.name}:{path}"),
                    hint=_(
                        "Correct the plan; if it was lost, bring it back: haechi restore, then haechi beside swap."
                    ),
                )
            found.add(os.fsdecode(said.removesuffix(b"\n")))
        return sorted(
            p for p in found if not any(p != q and p.startswith(q.rstrip("/") + "/") for q in found)
        )

    def really(self, path: str) -> str:
        """Where it lies, or would lie if it is lost."""
        status, said = self.ask('readlink -f -- "$1"', path, check=False)
        return os.fsdecode(said.removesuffix(b"\n")) if status == 0 and said else path

    def size(self, paths: Sequence[str]) -> int | None:
        """Roughly; None where this cannot be told."""
        status, said = self.ask('du -sk -- "$@"', *paths, seconds=_WALK, check=False)
        lines = [line.split(b"\t")[0] for line in said.splitlines()]
        return sum(int(line) for line in lines if line.isdigit()) << 10 if status == 0 else None

    def owns_all(self) -> bool:
        """Whether files can be given to others here."""
        return self.ask("id -u", check=False)[1].strip() == b"0"

    def free(self, path: str) -> int | None:
        """Bytes that are left where this directory is, or where it would be."""
        script = 'path=$1; while [ ! -d "$path" ]; do path=$(dirname -- "$path"); done; df -Pk -- "$path"'
        status, said = self.ask(script, path, check=False)
        words = said.splitlines()[-1].split() if status == 0 and said else []
        return int(words[-3]) << 10 if len(words) >= 6 and words[-3].isdigit() else None

    def make(self, path: str) -> None:
        """A new directory, open to its owner alone, and those above it."""
        self.ask('umask 022; mkdir -p -- "${1%/*}/" && mkdir -m 700 -- "$1"', path)

    def exists(self, path: str) -> bool:
        return self.ask('[ -e "$1" ] || [ -L "$1" ]', path, check=False)[0] == 0

    def lacks_below(self, directories: Sequence[str], values: Iterable[str]) -> Iterator[str]:
        """Those of these paths that lie below none of the directories; never a directory itself, and never something
        outside of it."""
        remaining = iter(values)
        while batch := list(islice(remaining, _BATCH)):
            inside = {value: posixpath.normpath(value.lstrip("/")) for value in batch}
            lacking = {v for v, path in inside.items() if path == "." or path.split("/")[0] == ".."}
            asked = [value for value in inside if value not in lacking]
            for directory in directories:
                wanted = [f"{directory}/{inside[value]}" for value in asked]
                absent = set(self._names(_MISSING, *wanted)) if wanted else set()
                asked = [v for v, path in zip(asked, wanted, strict=True) if path in absent]
            yield from (value for value in batch if value in lacking or value in set(asked))

    def lying(self, paths: Sequence[str]) -> list[_beside.Beside]:
        """What lies beside these, oldest first."""
        named = [_beside.read(Path(name)) for name in self._names(_LYING, *paths)]
        return sorted((b for b in named if b and b.of in paths), key=lambda beside: beside.time)

    def fresh(self, path: str, state: str, avoid: Collection[str] = ()) -> str:
        """A name beside this path that nothing has yet."""
        taken = {Path(name) for name in (*(b.name for b in self.lying([path])), *avoid)}
        return str(_beside.fresh(Path(path), state, taken))

    def move(self, coming: str, path: str, aside: str = "") -> bool:
        """`coming` becomes `path`; what was there becomes `aside`, or there is nothing. Whether there was.

        Done by one script there: a connection that breaks does not break it in the middle.
        """
        status, said = self.ask(_MOVE, coming, path, aside, check=False)
        if status:
            raise ProgramFailed(
                _("{path} could not be renamed at {place}.").format(path=coming, place=self.place.name),
                hint=_("Look who owns the directory in which it lies, and whether it is a mount point."),
            )
        return said.strip() == b"moved"

    def exchange(self, coming: str, path: str, state: str) -> str | None:
        """As `_beside.exchange`: where the old one lies now."""
        aside = self.fresh(path, state, [coming])
        return aside if self.move(coming, path, aside) else None

    def remove(self, path: str) -> None:
        self.ask('rm -rf -- "$1"', path, seconds=_WALK)

    def dress(self, path: str, owner: str | None, mode: str | None) -> None:
        if owner or mode:
            self.ask(_DRESS, path, owner or "", mode or "", seconds=_WALK)

    def _names(self, script: str, *words: str) -> list[str]:
        return [os.fsdecode(name) for name in self.ask(script, *words)[1].split(b"\0") if name]
