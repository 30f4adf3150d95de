"""A GitLab comes back: over one of the same version, in GitLab's own order, and looked over by its own checks."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from haechi import clock, process
from haechi.errors import Damaged, HaechiError, NotThere, ProgramFailed, VersionMismatch
from haechi.events import Reporter
from haechi.fileio import Pieces, explain
from haechi.i18n import _
from haechi.model import RestorePoint
from haechi.process import BUFFER
from haechi.sources._base import Comparison, PartReader, Restored
from haechi.sources._files.there import There
from haechi.sources._gitlab.capturing import OURS, SUFFIX, sweep
from haechi.sources._gitlab.options import ARCHIVE, Options
from haechi.sources._gitlab.talking import GitLab
from haechi.sources._gitlab.tarball import Passing, version_in
from haechi.sources._newfile import new_file, refuse_old

_SMALL = 16 << 20
_WRITING = 6 * 3600.0

_TAKE = r'umask 077; cat >"$1"'
_SETTLE = r"""
owner=$(stat -c %u:%g -- "$3") || exit 1
chown "$owner" "$1" && chmod 600 "$1" && mv -- "$1" "$2" && sync
"""
_REPLACE = r"""
new=$1 path=$2 old=$3
chmod 600 "$new" || exit 1
if [ -e "$path" ]; then
    chown "$(stat -c %u:%g -- "$path")" "$new" || exit 1
    # Under its name it is whole: what puts it back trusts that.
    cp -p -- "$path" "$old.part" && sync && mv -- "$old.part" "$old" || { rm -f -- "$old.part"; exit 1; }
fi
mv -- "$new" "$path" && sync
"""
_PUT_BACK = r"""
path=$1 old=$2 before=$3
if [ -e "$old" ]; then
    mv -- "$old" "$path"
elif [ "$before" = none ]; then
    rm -f -- "$path"
fi
sync
"""


def installed_version(there: There, rails: str) -> str:
    """As GitLab itself compares it. Raises NotThere."""
    status, said = there.ask('cat "$1/VERSION"', rails, check=False)
    if status or not said.strip():
        raise NotThere(
            _("The version of GitLab at {place} is not known: there is no {path}.").format(
                place=there.place.name, path=f"{rails}/VERSION"
            ),
            hint=_("Say where its program lies with `rails` in the plan."),
        )
    return said.decode(errors="replace").strip()


@dataclass
class GitLabReturn:
    """One restore over a GitLab, to be run once."""

    gitlab: GitLab
    options: Options
    point: RestorePoint
    parts: Mapping[str, PartReader]
    reporter: Reporter

    def run(self) -> Restored:
        there = There(self.gitlab.place, self.options.run_as)
        archive = archive_of(self.parts)
        self._demand_fit(there, archive)
        files = {name: _small(self.parts[name]) for name in self.options.parts if name in self.parts}
        sweep(there, self.options.backups)
        backup = f"{OURS}{clock.now():%Y%m%d_%H%M%S}"
        path = f"{self.options.backups}/{backup}{SUFFIX}"
        with ExitStack() as stack:
            stack.callback(
                _spared, there, 'rm -f -- "$1" "$2"', path, f"{self.options.backups}/.{backup}.part"
            )
            compared = self._put(there, archive, backup, path)
            if not all(c.equal for c in compared):
                raise Damaged(
                    _("GitLab's archive is not what it was when it was saved."),
                    hint=_("Use another copy of this restore point, or an older one. Nothing was changed."),
                )
            with (
                self._settings(there, files) as replaced,
                self._standing_still(replaced),
                self.reporter.step(_("GitLab takes its archive back"), unit=""),
            ):
                self.gitlab.restore(backup)
            compared += [self._check(task) for task in self.options.tasks]
        return Restored(
            f"gitlab ({there.place.name})",
            tuple(compared),
            {"version": self._version, "settings": sorted(files), "in_place": True},
        )

    def _demand_fit(self, there: There, archive: PartReader) -> None:
        """Before anything is touched."""
        self.gitlab.program()
        self._version = str(self.point.facts.get("gitlab_version") or "")
        if not self._version:
            with archive.open() as stream:
                self._version = version_in(stream)
        installed = installed_version(there, self.options.rails)
        if installed != self._version:
            raise VersionMismatch(
                _("The GitLab at {place} is {installed}, and the archive was made by {version}.").format(
                    place=there.place.name, installed=installed, version=self._version
                ),
                hint=_("Install the same version and edition there. Nothing was changed."),
            )

    def _put(self, there: There, archive: PartReader, backup: str, path: str) -> list[Comparison]:
        """Into GitLab's directory, under a name that counts only when it has been read back."""
        passing = Passing()
        half = f"{self.options.backups}/.{backup}.part"
        title = archive.info.name
        with self.reporter.step(title, archive.info.size or None) as step, archive.open() as stream:
            pieces = _advancing(passing.through(stream, archive.info.size or None), step.advance)
            feed = cast(BinaryIO, Pieces(pieces))
            with there.place.start(
                ["sh", "-c", _TAKE, "haechi", half], stdin=feed, user=there.user
            ) as running:
                running.stdout.read()
                running.check()
        with there.place.start(["cat", half], user=there.user) as running:
            digest = hashlib.sha256()
            while data := running.stdout.read(BUFFER):
                digest.update(data)
            running.check()
        if digest.hexdigest() != passing.facts["sha256"]:
            raise ProgramFailed(
                _("{place} did not keep what was written there.").format(place=f"{there.place.name}:{half}"),
                hint=_("Look at its disk and its memory. Nothing was changed."),
            )
        there.ask(_SETTLE, half, path, self.options.backups)
        known = {
            key: self.point.facts[key] for key in ("size", "sha256", "members") if key in self.point.facts
        }
        return [Comparison(f"archive: {key}", known[key], passing.facts[key]) for key in known]

    @contextmanager
    def _settings(self, there: There, files: Mapping[str, bytes]) -> Iterator[bool]:
        """The files that go with it, put back; the old ones are kept beside them. If the restore fails they are what
        they were."""
        stamp = f"{clock.now():%Y%m%d_%H%M%S}"
        with ExitStack() as undo:
            replaced = False
            undo.callback(lambda: self._as_it_was() if replaced else None)
            for name, data in files.items():
                path = self.options.parts[name]
                now = there.place.run(["cat", path], user=there.user, check=False, deadline=60)
                if now.status == 0 and now.stdout == data:
                    continue
                old, new = f"{path}.before_{stamp}", f"{path}.under-way_{stamp}"
                undo.callback(_spared, there, 'rm -f -- "$1"', new)
                there.place.run(["sh", "-c", _TAKE, "haechi", new], stdin=data, user=there.user, deadline=60)
                before = "some" if there.exists(path) else "none"
                undo.callback(_spared, there, _PUT_BACK, path, old, before)
                there.ask(_REPLACE, new, path, old)
                replaced = True
            yield replaced
            undo.pop_all()

    def _as_it_was(self) -> None:
        with process.spared(), suppress(HaechiError):
            self.gitlab.control("reconfigure", check=False)
            self.gitlab.control("start", check=False)

    @contextmanager
    def _standing_still(self, replaced: bool) -> Iterator[None]:
        """Its services down, in GitLab's order; they are up again whatever happens."""
        try:
            if replaced:
                self.gitlab.control("reconfigure")
            for service in self.options.stop:
                self.gitlab.control("stop", service)
            said = self.gitlab.control("status", check=False).stdout.decode(errors="replace")
            running = [s for s in self.options.stop if f"run: {s}:" in said]
            if running:
                raise ProgramFailed(
                    _("GitLab did not stop: {services}").format(services=", ".join(running)),
                    hint=_("Look at `gitlab-ctl status`. Nothing was changed."),
                )
            yield
            self.gitlab.control("reconfigure")
        finally:
            with process.spared():
                self.gitlab.control("start")

    def _check(self, task: str) -> Comparison:
        with self.reporter.step(task, unit=""):
            passed, complaint = self.gitlab.rake(task)
        return Comparison(task, "passed", "passed" if passed else complaint or "failed")


def into_directory(
    directory: Path, point: RestorePoint, parts: Mapping[str, PartReader], reporter: Reporter
) -> Restored:
    """The archive and the files beside it, as files, compared; what is packed in it is unpacked to its end."""
    refuse_old(directory)
    passing = Passing()
    found: dict[str, str] = {}
    try:
        directory.mkdir(mode=0o700, parents=True)
        for name, part in parts.items():
            with (
                reporter.step(name, part.info.size or None) as step,
                part.open() as stream,
                new_file(directory / name) as file,
            ):
                if part is archive_of(parts):
                    pieces = passing.through(stream, part.info.size or None)
                else:
                    pieces = iter(lambda stream=stream: stream.read(BUFFER), b"")  # type: ignore[misc]
                digest = hashlib.sha256()
                for piece in _advancing(pieces, step.advance):
                    digest.update(piece)
                    file.write(piece)
                found[name] = digest.hexdigest()
    except OSError as problem:
        shutil.rmtree(directory, ignore_errors=True)
        raise explain(problem, directory) from None
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    facts = point.facts
    compared = [
        Comparison(f"archive: {key}", facts[key], passing.facts[key])
        for key in ("size", "sha256", "members", "gitlab_version")
        if key in facts
    ]
    compared += [Comparison(name, sha, found.get(name)) for name, sha in facts.get("files", {}).items()]
    return Restored(
        str(directory), tuple(compared), {"came_back": {name: str(directory / name) for name in found}}
    )


def archive_of(parts: Mapping[str, PartReader]) -> PartReader:
    """GitLab's own. Raises NotThere."""
    found = parts.get(ARCHIVE) or next((p for p in parts.values() if p.info.form == "tar"), None)
    if found is None:
        raise NotThere(_("This restore point has no archive of GitLab's."))
    return found


def _small(part: PartReader) -> bytes:
    with part.open() as stream:
        data = stream.read(_SMALL)
        while more := stream.read(_SMALL):
            data += more
    return data


def _advancing(pieces: Iterator[bytes], advance: object) -> Iterator[bytes]:
    for piece in pieces:
        advance(len(piece))  # type: ignore[operator]
        yield piece


def _spared(there: There, script: str, *words: str) -> None:
    """To put things in order; what went wrong before is what people want to hear."""
    with process.spared(), suppress(HaechiError):
        there.ask(script, *words, check=False)
