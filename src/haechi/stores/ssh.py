"""A directory on another host, over ssh: a server with a disk, a NAS with a login. Large files go there by rsync.

    url = "ssh://backup@nas.example:22/backups/erp"

The ssh command and its settings are those of the user who runs haechi: keys, known hosts, jump hosts. Over there a
POSIX shell, the usual small programs (find, stat, dd, ln) and rsync are all that is wanted: Linux or BusyBox.

A file that is on its way lies below `.haechi-partial/` under the digest of its contents, so that what was sent before
the line broke is not sent again, by this run or by a later one. It takes its name when all of it is there and its
SHA-256, counted over there, is right. Nothing is ever removed but what retention names: there is no `--delete`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shlex
import tempfile
from base64 import b64encode
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

from pydantic import Field

from haechi import process
from haechi.errors import StoreFull, StoreRefused, StoreUnavailable, UsageMistake
from haechi.fileio import explain
from haechi.i18n import _
from haechi.stores._base import Buffer, Entry
from haechi.stores._keys import already_there, checked, checked_prefix, not_there
from haechi.stores._options import StoreOptions
from haechi.stores._ssh_session import Host, Login
from haechi.stores.wrappers.retry import Pauses

schemes = ("ssh",)
limits_upload = True  # rsync holds itself to `upload_limit`

PARTIAL = ".haechi-partial"
_SMALL = 1 << 20  # what is smaller goes through the shell, whole
_BLOCK = 1 << 16  # dd reads in these
_GONE, _THERE, _SHORT, _OTHER = 44, 45, 46, 47  # our scripts' exit statuses
_LINE = re.compile(rb"(\d+) (\d+) (.*)", re.DOTALL)
_LOST = (10, 12, 30, 35, 255)  # rsync: the line broke or fell silent
_PIECE = 1 << 20


class Options(StoreOptions):
    """What ssh and rsync want to know."""

    config: Path | None = Field(
        default=None, description="ssh's configuration file, unless it is the usual one."
    )
    identity: Path | None = Field(default=None, description="The private key, unless it is one of the usual.")
    compress: bool = Field(default=False, description="Have rsync compress on the way; archives are already.")
    resume: bool = Field(
        default=True,
        description="Keep each file here until it is over there, to go on where the line broke; false: send it "
        "straight through, for hosts with little disk.",
    )
    spool: Path | None = Field(
        default=None, description="The directory for that; else the system's for such."
    )


def build(url: str, options: Options) -> Ssh:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    path = unquote(parts.path).rstrip("/")
    if not host or host.startswith("-") or not path or parts.password:
        raise UsageMistake(
            _("“{url}” is not the address of a directory behind ssh.").format(
                url=url.partition("@")[2] or "ssh:"
            ),
            hint=_("Write it as ssh://user@host/path or ssh://user@host:2222/path; ssh logs in with keys."),
        )
    login = Login(
        host, unquote(parts.username) if parts.username else None, port, options.config, options.identity,
        min(options.timeout, 20.0),
    )  # fmt: skip
    shown = f"ssh://{host}{f':{port}' if port else ''}{path}"
    return Ssh(shown, path, Host(login, shown), options)


class Ssh:
    def __init__(self, url: str, root: str, host: Host, options: Options):
        self.url = url
        self._root = root
        self._host = host
        self._options = options
        self._swept = False

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        first = offset // _BLOCK
        count = "" if length is None else f" count={-(-(offset + length) // _BLOCK) - first}"
        script = (
            f'f={self._at(key)}; [ -f "$f" ] || exit {_GONE}; stat -c %s -- "$f" || exit {_OTHER}; '
            f'dd if="$f" bs={_BLOCK} skip={first}{count} 2>/dev/null || exit {_SHORT}'
        )
        size, newline, data = self._ask(script, key)[1].partition(b"\n")
        if not newline:
            raise self._unknown(key)
        begin = offset - first * _BLOCK
        data = data[begin:] if length is None else data[begin : begin + length]
        left = max(0, int(size) - offset)
        if len(data) != (left if length is None else min(left, length)):
            raise self._unknown(key)
        return data

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        if isinstance(data, bytes | bytearray | memoryview):
            data = [data]
        if isinstance(data, list | tuple) and sum(map(len, data)) <= _SMALL:
            self._write(key, b"".join(data), replace)
            return
        if not replace:
            self._demand_free(key)
        if self._options.resume:
            self._sync(key, data, replace)
        else:
            self._send(key, data, replace)

    def delete(self, key: str) -> None:
        self._ask(f"rm -f -- {self._at(key)}", key)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        directory, prefix = checked_prefix(prefix)
        root = self._quoted(f"{self._root}/{directory}".rstrip("/"))
        script = (
            f"[ -d {root} ] || exit 0; cd {root} || exit {_OTHER}; "
            "find . -type f ! -path './lost+found/*' ! -path './@eaDir/*' -exec stat -c '%s %Y %n' {} + "
            f"|| exit {_SHORT}"
        )
        for line in self._ask(script, directory or ".")[1].split(b"\n"):
            if found := _LINE.fullmatch(line):
                key = directory + found[3].decode("utf-8", "surrogateescape").removeprefix("./")
                if key.startswith(prefix) and not key.startswith(f"{PARTIAL}/"):
                    yield Entry(key, int(found[1]), datetime.fromtimestamp(int(found[2]), UTC))

    def stat(self, key: str) -> Entry:
        script = f'f={self._at(key)}; [ -f "$f" ] || exit {_GONE}; stat -c \'%s %Y\' -- "$f" || exit {_OTHER}'
        size, _space, time = self._ask(script, key)[1].partition(b" ")
        if not time.strip().isdigit():
            raise self._unknown(key)
        return Entry(key, int(size), datetime.fromtimestamp(int(time), UTC))

    def duplicate(self, key: str, new: str) -> None:
        source, target = self._at(key), self._at(new)
        temporary = self._quoted(f"{self._root}/{PARTIAL}/{secrets.token_hex(8)}")
        script = (
            f"[ -f {source} ] || exit {_GONE}; [ ! {source} -ef {target} ] || exit 0; {self._directories(new)}"
            f"{{ ln -- {source} {temporary} 2>/dev/null || cp -- {source} {temporary}; }} || exit 1; "
            f"mv -f -- {temporary} {target} || exit 1; rm -f -- {temporary}; {self._durable(new)}"
        )
        self._ask(script, key)

    def close(self) -> None:
        self._host.close()

    # -- going up -----------------------------------------------------------------------------------------

    def _write(self, key: str, data: bytes, replace: bool) -> None:
        """Within the shell that is open already, in one question."""
        temporary = f"{PARTIAL}/{secrets.token_hex(16)}"
        self._sweep()
        free = "" if replace else f"[ ! -e {self._at(key)} ] || exit {_THERE}; "
        written = f"printf %s '{b64encode(data).decode()}' | base64 -d > {self._at(temporary)} || exit 1; "
        try:
            self._name(temporary, key, hashlib.sha256(data).hexdigest(), len(data), replace, free + written)
        except (StoreFull, StoreRefused):
            self._forget(temporary)
            raise

    def _send(self, key: str, pieces: Iterable[Buffer], replace: bool) -> None:
        """Straight through. The far side knows its end by its size, which comes afterwards: a broken line is none."""
        temporary = f"{PARTIAL}/{secrets.token_hex(16)}"
        made, size = hashlib.sha256(), 0

        def counted() -> Iterator[Buffer]:
            nonlocal size
            for piece in pieces:
                made.update(piece)
                size += len(piece)
                yield piece

        self._sweep()
        try:
            self._host.feed(f"umask 077; cat > {self._at(temporary)}", counted())
            self._name(temporary, key, made.hexdigest(), size, replace)
        except BaseException:
            self._forget(temporary)
            raise

    def _sync(self, key: str, pieces: Iterable[Buffer], replace: bool) -> None:
        directory = self._options.spool or Path(tempfile.gettempdir())
        try:
            with tempfile.NamedTemporaryFile(prefix="haechi-", dir=directory) as spool:
                digest, size = _spooled(pieces, cast(BinaryIO, spool))
                self._bring(spool.name, digest, size, key, replace)
        except OSError as problem:
            raise explain(problem, problem.filename or directory) from None

    def _bring(self, path: str, digest: str, size: int, key: str, replace: bool) -> None:
        """As often as the line breaks, within reason; what has arrived is not sent again."""
        temporary = f"{PARTIAL}/{digest}"
        pauses = Pauses(self._options.retries + 1, self._options.patience)
        again = False
        while True:
            try:
                # The answer to a naming that went well may be what was lost.
                if again and self._is_named(temporary, key, digest):
                    return
                self._sweep()
                if self._rsync(path, temporary):
                    self._name(temporary, key, digest, size, replace)
                    return
            except StoreUnavailable:
                if not pauses.another():
                    raise
            except StoreFull:
                self._forget(temporary)  # it would keep the disk full
                raise
            else:
                if not pauses.another():
                    raise StoreUnavailable(
                        _("{store} does not answer: the line broke again and again.").format(store=self.url),
                        hint=_("What has arrived stays there: the same command goes on from it."),
                    )
            again = True

    def _is_named(self, temporary: str, key: str, digest: str) -> bool:
        script = (
            f"[ ! -e {self._at(temporary)} ] && [ -f {self._at(key)} ] || exit {_SHORT}; "
            f's=$(sha256sum < {self._at(key)}); [ "${{s%% *}}" = {digest} ] || exit {_SHORT}'
        )
        return self._ask(script, key, (_SHORT,))[0] == 0

    def _rsync(self, path: str, temporary: str) -> bool:
        """Whether all of it has gone over; False when the line broke on the way."""
        login = self._host.login
        limit = self._options.upload_limit
        host = f"[{login.host}]" if ":" in login.host else login.host
        argv = [
            *("rsync", "--inplace", "--partial", "--append-verify", "--protect-args", "--chmod=F600"),
            f"--timeout={max(15, round(self._options.timeout))}",
            *(["--compress"] if self._options.compress else []),
            *([f"--bwlimit={max(1, int(limit) // 1024)}"] if limit else []),
            "--rsh=" + shlex.join(["ssh", *login.options]),
            "--",
            path,
            f"{host}:{self._root}/{temporary}",
        ]
        done = process.run(argv, check=False)
        if done.status == 0:
            return True
        complaint = self._host.complaint(done.stderr)
        if done.status in _LOST and complaint is None:
            trouble = self._host.trouble(done.stderr)
            if isinstance(trouble, StoreRefused):
                raise trouble
            return False
        raise complaint or StoreUnavailable(
            _("{store} does not take a file: {reason}").format(
                store=self.url, reason=done.stderr.splitlines()[-1] if done.stderr else str(done.status)
            ),
            hint=_("See that rsync is installed there, and that its directory can be written."),
            detail=done.stderr,
        )

    def _name(
        self, temporary: str, key: str, digest: str, size: int, replace: bool, before: str = ""
    ) -> None:
        """Give what has arrived its name, once it is what was sent."""
        source, target = self._at(temporary), self._at(key)
        script = before + (
            f'[ "$(stat -c %s -- {source})" = {size} ] || exit {_SHORT}; '
            f"s=$(sha256sum < {source}) || exit {_OTHER}; "
            f'[ "${{s%% *}}" = {digest} ] || exit {_SHORT}; {self._durable(temporary)}; {self._directories(key)}'
        )
        if replace:
            script += f"mv -f -- {source} {target} || exit 1; "
        else:  # a link refuses to replace where a rename would; some file systems have none
            script += (
                f"if ln -- {source} {target} 2>/dev/null; then rm -f -- {source}; "
                f"elif [ -e {target} ]; then exit {_THERE}; else mv -- {source} {target} || exit 1; fi; "
            )
        status, _answer = self._ask(script + self._durable(key), key, (_THERE, _SHORT))
        if status:
            self._forget(temporary)  # taken by somebody else, or not what was sent: then it is begun anew
        if status == _THERE:
            raise already_there(key, self.url)
        if status == _SHORT:
            raise self._unknown(key)

    def _sweep(self) -> None:
        """Make the directory for what is on its way; what nobody went on with for a week goes."""
        if not self._swept:
            at = self._at(PARTIAL)
            self._ask(
                f"umask 077; mkdir -p -- {at} || exit 1; find {at} -type f -mtime +7 -exec rm -f -- {{}} +",
                PARTIAL,
            )
            self._swept = True

    def _forget(self, temporary: str) -> None:
        try:
            self._ask(f"rm -f -- {self._at(temporary)}", temporary)
        except (StoreUnavailable, StoreRefused):
            return  # a later sweep removes it

    # -- over there ---------------------------------------------------------------------------------------

    def _ask(self, script: str, key: str, fine: tuple[int, ...] = ()) -> tuple[int, bytes]:
        status, answer = self._host.ask(script)
        if status == _GONE:
            raise not_there(key, self.url)
        if status and status not in fine:
            raise self._unknown(key)
        return status, answer

    def _demand_free(self, key: str) -> None:
        if self._ask(f"[ ! -e {self._at(key)} ] || exit {_THERE}", key, (_THERE,))[0]:
            raise already_there(key, self.url)

    def _at(self, key: str) -> str:
        return self._quoted(f"{self._root}/{checked(key)}")

    @staticmethod
    def _quoted(path: str) -> str:
        return shlex.quote(path)

    def _directories(self, key: str) -> str:
        """Those that it and what is on its way lie in."""
        mine = self._quoted(f"{self._root}/{key}".rpartition("/")[0])
        return f"mkdir -p -- {mine} {self._at(PARTIAL)} || exit 1; "

    def _durable(self, key: str) -> str:
        """Written to the disk, with its name; where sync takes no names, everything is."""
        above = self._quoted(f"{self._root}/{key}".rpartition("/")[0])
        return f"{{ sync -- {self._at(key)} {above} 2>/dev/null || sync; }}"

    def _unknown(self, key: str) -> StoreUnavailable:
        return StoreUnavailable(
            _("{store} gives no proper answer about {key}.").format(store=self.url, key=key),
            hint=_("Is it a Linux or BusyBox system with find, stat, dd and sha256sum?"),
        )


def _spooled(pieces: Iterable[Buffer], spool: BinaryIO) -> tuple[str, int]:
    """The digest and the size of what lies in the file now."""
    made, size = hashlib.sha256(), 0
    for piece in pieces:
        made.update(piece)
        spool.write(piece)
        size += len(piece)
    spool.flush()
    return made.hexdigest(), size
