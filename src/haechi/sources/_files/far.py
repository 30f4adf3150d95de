"""Trees at other places, read and written by the tar that is there: GNU's or BusyBox's."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, cast

from haechi.errors import AccessRefused, HaechiError, ProgramMissing, UsageMistake
from haechi.fileio import Pieces
from haechi.i18n import _
from haechi.process import Running
from haechi.sources._files.excludes import Rules, without
from haechi.sources._files.packing import root_name
from haechi.sources._files.tally import Tallies, Tally, passing
from haechi.sources._files.tarball import ENDING, Member
from haechi.sources._files.there import ENGLISH, There

_ONE_RUN = 200  # names for one tar
_CHANGED = re.compile(
    r"tar: (.*?): (?:file changed as we read it|File removed before we read it|File shrank by .*)$"
)
_OCTAL = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True)
class Tar:
    """The tar of a place."""

    is_gnu: bool
    keeps_attributes: bool  # extended attributes and access control lists

    @classmethod
    def of(cls, there: There) -> Tar:
        """Raises ProgramMissing."""
        if not there.place.has("tar"):
            raise ProgramMissing(
                _("The program “{program}” is not in {place}.").format(program="tar", place=there.place.name),
                hint=_("Install it there, or say where it runs with `at` in the plan."),
            )
        said = there.ask("tar --version 2>&1; tar --help 2>&1", check=False)[1]
        is_gnu = b"GNU tar" in said
        return cls(is_gnu, is_gnu and b"--xattrs" in said and b"--acls" in said)

    @property
    def name(self) -> str:
        return "GNU tar" if self.is_gnu else "tar"

    def lacking(self, place: str) -> str:
        return _("The tar at {place} keeps no extended attributes and no access control lists.").format(
            place=place
        )

    def reading(self, base: str, names: Sequence[str], renamed: Mapping[str, str]) -> list[str]:
        """Members are named as below `base`; what stands for another is named as that. Raises UsageMistake."""
        if not self.is_gnu and renamed:
            raise UsageMistake(
                _("Only GNU tar can read a snapshot under the names of the files that it is of."),
                hint=_("Install it there, or leave `snapshot` out of the plan."),
            )
        if not self.is_gnu:
            return ["tar", "-c", "-f", "-", "-C", base, "--", *names]
        return [
            "tar",
            "--create",
            "--file=-",
            f"--directory={base}",
            "--format=posix",
            "--pax-option=delete=atime,delete=ctime,delete=mtime",  # a header for every file, for decimals
            *(["--xattrs", "--xattrs-include=*", "--acls"] if self.keeps_attributes else []),
            *(_transform(snapshot, original) for original, snapshot in renamed.items()),
            "--",
            *names,
        ]

    def writing(self, base: str) -> list[str]:
        if not self.is_gnu:
            return ["tar", "-x", "-p", "-f", "-", "-C", base]
        return [
            "tar",
            "--extract",
            "--file=-",
            f"--directory={base}",
            "--preserve-permissions",
            "--numeric-owner",
            "--delay-directory-restore",
            *(["--xattrs", "--xattrs-include=*", "--acls"] if self.keeps_attributes else []),
        ]


class Reading:
    """One tree or several at a place, as one stream. `facts` and `changed` are known once that came to its end."""

    def __init__(
        self,
        there: There,
        tar: Tar,
        roots: Sequence[str],
        rules: Rules,
        *,
        base: str = "/",
        seen_at: Mapping[str, str] | None = None,
    ):
        self._there = there
        self._tar = tar
        self._rules = rules
        self._base = base
        self._excluded = without(rules)
        self._names = {root: root_name(root) for root in roots}
        self.tallies = Tallies({root: _raw(name) for root, name in self._names.items()})
        self._renamed = {root: path for root, path in (seen_at or {}).items() if path != root}
        self.changed: list[str] = []
        self.whole = False
        self._orphans: list[bytes] = []

    @property
    def keeps_attributes(self) -> bool:
        return self._tar.keeps_attributes

    def stream(self, stack: ExitStack) -> BinaryIO:
        """To be read once; the programs end with the stack."""
        return cast(BinaryIO, Pieces(self._pieces(stack)))

    def _pieces(self, stack: ExitStack) -> Iterator[bytes]:
        names = [self._there_name(name) for name in self._names.values()]
        yield from self._run(stack, names)
        while self._orphans:
            some, self._orphans = self._orphans[:_ONE_RUN], self._orphans[_ONE_RUN:]
            yield from self._run(stack, [self._there_name(_text(name)) for name in some])
        self.whole = True
        yield ENDING

    def _run(self, stack: ExitStack, names: Sequence[str]) -> Iterator[bytes]:
        argv = self._tar.reading(self._base, names, self._renamed)
        running = stack.enter_context(self._there.place.start(argv, env=ENGLISH, user=self._there.user))
        try:
            yield from passing(running.stdout, self.tallies, self._keep, end=False)
        except HaechiError:
            # A stream that breaks off was broken off by something: that is what people want to hear.
            self._judge(running)
            raise
        self._judge(running)

    def _judge(self, running: Running) -> None:
        """GNU tar's 1 means that files changed under its hands, which it names; BusyBox's is a failure."""
        status = running.wait()
        if status == 1 and self._tar.is_gnu and not running.was_cut:
            self.changed += [
                _unquoted(m[1]) for line in running.said.splitlines() if (m := _CHANGED.match(line))
            ]
            return
        if "Permission denied" in running.said and not running.was_cut:
            raise AccessRefused(
                _("{path} may not be read.").format(path=running.said.splitlines()[0].removeprefix("tar: ")),
                hint=_("Read it as another user, with `run_as`, or leave it out with `exclude` in the plan."),
                detail=running.said,
            )
        running.check()

    def _keep(self, member: Member) -> bool:
        if self._left_out(member.name, member.kind == "d"):
            return False
        if member.is_link and self._left_out(member.link, False):
            self._orphans.append(
                member.name
            )  # its contents came under a name that is left out: they are fetched
            return False
        return True

    def _left_out(self, name: bytes, is_directory: bool) -> bool:
        found = self.tallies.find(name) if self._rules else None
        return found is not None and self._excluded(_text(found[1]), is_directory)

    def _there_name(self, name: str) -> str:
        """Where it is read, in a snapshot."""
        for root, path in self._renamed.items():
            begin = root_name(root)
            if name == begin or name.startswith(begin + "/"):
                return root_name(path) + name[len(begin) :]
        return name


def write(
    there: There, tar: Tar, stream: BinaryIO, tallies: Tallies, keep: Sequence[bytes], base: str
) -> None:
    """Unpack what lies at or below the names of `keep` into the directory `base` there. Raises what reading the
    stream raised, and what is wrong with the place."""

    def wanted(member: Member) -> bool:
        return any(not n or member.name == n or member.name.startswith(n + b"/") for n in keep)

    if tar.is_gnu:
        _feed(there, tar, base, passing(stream, tallies, wanted))
        return
    with tempfile.TemporaryFile(prefix="haechi-") as directories:
        _feed(there, tar, base, passing(stream, tallies, wanted, plain=directories))
        # It gave a directory its time and mode before it filled it: they are given once more.
        directories.seek(0)
        _feed(there, tar, base, chain(iter(lambda: directories.read(1 << 20), b""), [ENDING]))


def _feed(there: There, tar: Tar, base: str, pieces: Iterator[bytes]) -> None:
    stream = cast(BinaryIO, Pieces(pieces))
    with there.place.start(tar.writing(base), stdin=stream, env=ENGLISH, user=there.user) as running:
        while running.stdout.read(1 << 16):
            pass
        running.wait()
        if "extended attribute" in running.said and "Permission denied" in running.said:
            raise AccessRefused(
                _("Only root gives extended attributes to files that may not be written: {reason}").format(
                    reason=running.said.splitlines()[0].removeprefix("tar: ")
                ),
                hint=_("Bring them back as root there, with `run_as` in the plan."),
                detail=running.said,
            )
        running.check()


def measure(there: There, tar: Tar, root: str, base: str) -> Tally:
    """What lies below `base` as `root` is kept, read and counted."""
    with ExitStack() as stack:
        reading = Reading(there, tar, [root], Rules(()), base=base)
        stream = reading.stream(stack)
        while stream.read(1 << 20):
            pass
        return reading.tallies.of[root]


@contextmanager
def closing(there: There, path: str) -> Iterator[None]:
    """What is made under this name goes again if something goes wrong."""
    try:
        yield
    except BaseException:
        there.remove(path)
        raise


def _transform(snapshot: str, original: str) -> str:
    """Names of members and of what hard links lead to, but not what symbolic links say."""
    begin = re.sub(r"([\\.*\[\]^$,])", r"\\\1", root_name(snapshot))
    to = re.sub(r"([\\&,])", r"\\\1", root_name(original))
    return rf"--transform=flags=rhS;s,^{begin}\(/\|$\),{to}\1,"


def _unquoted(name: str) -> str:
    return _OCTAL.sub(lambda m: bytes([int(m[1], 8)]), name.encode("utf-8", "replace")).decode(
        "utf-8", "backslashreplace"
    )


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
