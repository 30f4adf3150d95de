"""Every remote that rclone knows: SFTP, WebDAV, Google Drive, OneDrive, Dropbox, SMB, FTP, and seventy more.

    url = "rclone:nas:backup/erp"        # the remote `nas` of rclone's own configuration
    options: config, config_password, settings

A remote can be written into the plan instead, with secrets kept where secrets are; passwords in `settings` are
plain and are obscured for rclone on the way:

    settings = { type = "sftp", host = "nas.local", user = "backup", pass = { env = "NAS_PASSWORD" } }

One rclone runs beside us, listens on a socket that only this user can reach, and ends with us however we end.
Objects are uploaded under a temporary name and moved, so that none is ever seen in part.
"""

from __future__ import annotations

import itertools
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import Field

from haechi.credentials import SecretSource
from haechi.errors import HaechiError, NotThere, StoreFull, StoreRefused, StoreUnavailable, UsageMistake
from haechi.i18n import _
from haechi.stores._base import Buffer, Entry
from haechi.stores._http import Answer, bytes_in, range_of
from haechi.stores._keys import already_there, checked, checked_prefix, not_there
from haechi.stores._options import StoreOptions
from haechi.stores._rclone_server import OWN_REMOTE, RcloneServer

schemes = ("rclone",)

_TEMPORARY = re.compile(r"(?:^|/)\.haechi-[0-9a-f]{16}\.tmp$")
_FULL = re.compile(r"no space left|quota|insufficient storage|disk full|storage limit", re.I)
_REFUSED = re.compile(
    r"permission denied|read-only|not permitted|access ?denied|forbidden|unauthori[sz]ed|unable to authenticate",
    re.I,
)
_MISTAKE = re.compile(r"didn't find (?:section|backend)|couldn't decrypt", re.I)
# A move or copy must never be spared because sizes and times look alike.
_ALWAYS = {"_config": {"IgnoreTimes": True}}


class Options(StoreOptions):
    """What rclone wants to know."""

    config: Path | None = Field(
        default=None, description="rclone's configuration file, unless it is the usual one."
    )
    config_password: SecretSource | None = Field(
        default=None, description="Password of that file, if it has one."
    )
    settings: dict[str, SecretSource] = Field(
        default_factory=dict, description="The remote itself, as rclone's configuration would hold it."
    )


def build(url: str, options: Options) -> Rclone:
    target = url.removeprefix("rclone:")
    remote, colon, path = target.partition(":")
    if not remote or not colon or "]" in target:
        raise UsageMistake(
            _("“{url}” is not the address of an rclone remote.").format(url=url),
            hint=_("Write it as rclone:remote:path/in/it."),
        )
    # Options in a connection string may be secrets, and an address is shown to people.
    shown = f"rclone:{remote.split(',')[0]}:{path}"
    if options.settings:
        target = f"{OWN_REMOTE}:{path}"
    return Rclone(shown, target.rstrip("/"), RcloneServer(options))


class Rclone:
    def __init__(self, url: str, target: str, server: RcloneServer):
        self.url = url
        self._fs = target
        self._server = server

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        if length == 0:
            self.stat(key)
            return b""
        path = f"/{quote(f'[{self._fs}]')}/{quote(checked(key))}"
        answer = self._server.call("GET", path, headers=range_of(offset, length))
        if answer.status not in (200, 206, 416):
            raise self._explain(answer, key)
        return bytes_in(answer, offset, length)

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        if not replace and self._find(key) is not None:
            raise already_there(key, self.url)
        directory, _slash, _name = key.rpartition("/")
        name = f".haechi-{secrets.token_hex(8)}.tmp"
        temporary = f"{directory}/{name}" if directory else name
        try:
            self._upload(directory, name, data)
            self._move(temporary, key)
        except BaseException:
            self._discard(temporary)
            raise

    def delete(self, key: str) -> None:
        try:
            self._ask("operations/deletefile", key, fs=self._fs, remote=checked(key))
        except NotThere:
            return

    def list(self, prefix: str = "") -> Iterator[Entry]:
        directory, prefix = checked_prefix(prefix)
        options = {"recurse": True, "filesOnly": True, "noMimeType": True}
        try:
            found = self._ask(
                "operations/list", directory, fs=self._fs, remote=directory.rstrip("/"), opt=options
            )
        except NotThere:
            return
        for item in found["list"] or ():
            if item["Path"].startswith(prefix) and not _TEMPORARY.search(item["Path"]):
                yield _entry(item["Path"], item)

    def stat(self, key: str) -> Entry:
        found = self._find(key)
        if found is None:
            raise not_there(key, self.url)
        return found

    def duplicate(self, key: str, new: str) -> None:
        self._ask(
            "operations/copyfile",
            key,
            srcFs=self._fs,
            srcRemote=checked(key),
            dstFs=self._fs,
            dstRemote=checked(new),
            **_ALWAYS,
        )

    def close(self) -> None:
        self._server.close()

    def _find(self, key: str) -> Entry | None:
        try:
            item = self._ask("operations/stat", key, fs=self._fs, remote=checked(key))["item"]
        except NotThere:  # not even the directory
            return None
        return None if item is None or item["IsDir"] else _entry(key, item)

    def _upload(self, directory: str, name: str, data: Buffer | Iterable[Buffer]) -> None:
        boundary = secrets.token_hex(16)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        pieces = [data] if isinstance(data, bytes | bytearray | memoryview) else data
        listed = isinstance(pieces, list | tuple)  # then its length can be told beforehand
        body: Iterable[Buffer] = [head, *pieces, tail] if listed else itertools.chain([head], pieces, [tail])
        answer = self._server.call(
            "POST",
            f"/operations/uploadfile?fs={quote(self._fs, safe='')}&remote={quote(directory, safe='')}",
            body=body,
            headers={"content-type": f"multipart/form-data; boundary={boundary}"},
        )
        if answer.status != 200:
            raise self._explain(answer, f"{directory}/{name}".lstrip("/"))

    def _move(self, temporary: str, key: str) -> None:
        self._ask(
            "operations/movefile",
            key,
            srcFs=self._fs,
            srcRemote=temporary,
            dstFs=self._fs,
            dstRemote=key,
            **_ALWAYS,
        )

    def _discard(self, temporary: str) -> None:
        try:
            self.delete(temporary)
        except HaechiError:
            return  # the error that brought us here tells more

    def _ask(self, command: str, key: str, **parameters: Any) -> Any:
        answer = self._server.call(
            "POST",
            f"/{command}",
            body=json.dumps(parameters).encode(),
            headers={"content-type": "application/json"},
        )
        if answer.status != 200:
            raise self._explain(answer, key)
        return json.loads(answer.body)

    def _explain(self, answer: Answer, key: str) -> HaechiError:
        reason = _reason(answer)
        if (answer.status == 404 and not _MISTAKE.search(reason)) or "is a directory" in reason:
            return not_there(key, self.url)
        about = {"store": self.url, "reason": reason}
        if _FULL.search(reason):
            return StoreFull(
                _("{store} is full: {reason}").format(**about),
                hint=_(
                    "Free some space there, then run the same command again: nothing half-written counts."
                ),
            )
        if _MISTAKE.search(reason):
            return UsageMistake(
                _("rclone does not know {store}: {reason}").format(**about),
                hint=_("Run `rclone config`, or write the remote into the plan with `settings`."),
            )
        if _REFUSED.search(reason):
            return StoreRefused(
                _("{store} refuses “{key}”: {reason}").format(key=key, **about),
                hint=_("Check the remote's credentials and what they may do."),
            )
        return StoreUnavailable(
            _("{store} failed: {reason}").format(**about),
            hint=_("Try the remote by hand: rclone lsd {target}").format(
                target=self.url.removeprefix("rclone:")
            ),
        )


def _reason(answer: Answer) -> str:
    try:
        return str(json.loads(answer.body)["error"])
    except (ValueError, KeyError, TypeError):
        return answer.said


def _entry(key: str, item: Mapping[str, Any]) -> Entry:
    return Entry(key, int(item["Size"]), datetime.fromisoformat(item["ModTime"]))
