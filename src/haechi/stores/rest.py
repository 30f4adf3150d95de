"""restic's REST protocol: rest-server, with or without append-only, and `rclone serve restic`.

    url = "rest:https://backup.example:8000/erp/"     # options: user, password, ca_file

The server holds vaults only: it knows the names that lie in one and refuses others, so archives need another
kind of storage. An append-only server lets this machine add and never take away, which is what keeps copies
from an intruder on it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field

from haechi.credentials import SecretSource
from haechi.errors import HaechiError, StoreFull, StoreRefused, StoreUnavailable, UsageMistake
from haechi.i18n import _
from haechi.stores._base import Buffer, Entry, exists
from haechi.stores._http import Answer, Client, bytes_in, range_of
from haechi.stores._keys import already_there, checked, not_there
from haechi.stores._options import StoreOptions

schemes = ("rest",)

TYPES = ("data", "index", "keys", "locks", "snapshots")

_VERSION_2 = "application/vnd.x.restic.rest.v2"
_FULL = re.compile(r"no space left|quota|disk full", re.I)


class Options(StoreOptions):
    """What a REST server wants to know."""

    user: str | None = Field(default=None, description="User name at the server.")
    password: SecretSource | None = Field(default=None, description="The user's password.")
    ca_file: Path | None = Field(default=None, description="Certificate of a private authority.")


def build(url: str, options: Options) -> Rest:
    address = url.removeprefix("rest:")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageMistake(
            _("“{url}” is not the address of a REST server.").format(url="rest:"),
            hint=_("Write it as rest:https://host:8000/path/."),
        )
    user = options.user or (unquote(parts.username) if parts.username else None)
    password = options.password or (SecretSource.literal(unquote(parts.password)) if parts.password else None)
    host = parts.netloc.rpartition("@")[2]
    client = Client(
        address,
        timeout=options.timeout,
        user=user,
        password=password.fetch() if password else None,
        ca_file=options.ca_file,
    )
    return Rest(f"rest:{parts.scheme}://{host}{parts.path}", client)


class Rest:
    def __init__(self, url: str, client: Client):
        self.url = url
        self._client = client

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        if length == 0:
            self.stat(key)
            return b""
        answer = self._call("GET", _path(key), key, headers=range_of(offset, length), fine=(200, 206, 416))
        return bytes_in(answer, offset, length)

    def put(self, key: str, data: Buffer | Iterable[Buffer], *, replace: bool = False) -> None:
        path = _path(key)
        if not isinstance(data, bytes | bytearray | memoryview):
            # The files of a vault are small, and a server that is told their size notices when one breaks off.
            data = b"".join(data)
        there = exists(self, key)
        if there and not replace:
            raise already_there(key, self.url)
        if key == "config" or key.startswith("keys/"):
            # The first files of a vault: its directories have to be asked for. If that fails, so will the upload.
            self._client.call("POST", "/?create=true", body=b"")
        try:
            self._call("POST", path, key, body=data, headers={"content-type": "application/octet-stream"})
        except StoreRefused:
            raise  # it took nothing
        except HaechiError:
            # Some servers keep what came of it. Nobody else writes under this name: it is the content's digest.
            if key != "config" and not there:
                with suppress(HaechiError):
                    self.delete(key)
            raise

    def delete(self, key: str) -> None:
        self._call("DELETE", _path(key), key, fine=(200, 204, 404))

    def list(self, prefix: str = "") -> Iterator[Entry]:
        for kind in TYPES:
            if f"{kind}/".startswith(prefix) or prefix.startswith(f"{kind}/"):
                yield from (entry for entry in self._list_type(kind) if entry.key.startswith(prefix))
        if "config".startswith(prefix) and exists(self, "config"):
            yield self.stat("config")

    def stat(self, key: str) -> Entry:
        answer = self._call("HEAD", _path(key), key)
        return Entry(key, int(answer.headers.get("content-length", 0)))

    def duplicate(self, key: str, new: str) -> None:
        self.put(new, self.get(key), replace=True)

    def close(self) -> None:
        self._client.close()

    def _list_type(self, kind: str) -> Iterator[Entry]:
        answer = self._call("GET", f"/{kind}/", kind, headers={"accept": _VERSION_2}, fine=(200, 404))
        if answer.status == 404:
            return
        try:
            found = json.loads(answer.body) or []
        except ValueError:
            raise StoreUnavailable(
                _("{store} sent a listing that is not one.").format(store=self.url),
                hint=_("Check that the address is that of a REST server for restic."),
            ) from None
        for item in found:
            if isinstance(item, str):  # version 1 of the protocol gives names alone
                yield self.stat(_key(kind, item))
            else:
                yield Entry(_key(kind, item["name"]), item["size"])

    def _call(
        self,
        method: str,
        path: str,
        key: str,
        *,
        body: Buffer | Iterable[Buffer] | None = None,
        headers: dict[str, str] | None = None,
        fine: tuple[int, ...] = (200, 201, 204),
    ) -> Answer:
        answer = self._client.call(method, path, body=body, headers=headers)
        if answer.status in fine:
            return answer
        if answer.status == 404:
            raise not_there(key, self.url)
        raise explain(answer, key, self.url)


def explain(answer: Answer, key: str, where: str) -> HaechiError:
    """An HTTP refusal as one of the store's errors."""
    about = {"store": where, "reason": answer.said}
    if answer.status in (413, 507) or _FULL.search(answer.said):
        return StoreFull(
            _("{store} is full: {reason}").format(**about),
            hint=_("Free some space there, then run the same command again: nothing half-written counts."),
        )
    if 400 <= answer.status < 500 and answer.status not in (408, 425, 429):
        hint = (
            _("Check the user and password.")
            if answer.status == 401
            else _("The server may be append-only, or this user may not do that there.")
        )
        return StoreRefused(_("{store} refuses “{key}”: {reason}").format(key=key, **about), hint=hint)
    return StoreUnavailable(
        _("{store} failed: {status} {reason}").format(status=answer.status, **about),
        hint=_("Look into the server's log."),
    )


def _path(key: str) -> str:
    """Where the protocol keeps this key: it leaves out the directories that packs are spread over."""
    parts = checked(key).split("/")
    if parts == ["config"]:
        return "/config"
    if len(parts) == 3 and parts[0] == "data" and parts[1] == parts[2][:2]:
        return f"/data/{quote(parts[2])}"
    if len(parts) == 2 and parts[0] in TYPES and parts[0] != "data":
        return f"/{parts[0]}/{quote(parts[1])}"
    raise StoreRefused(
        _("A REST server holds the files of a vault only, and “{key}” is none.").format(key=key),
        hint=_("Keep archives in a directory, a bucket or an rclone remote."),
    )


def _key(kind: str, name: str) -> str:
    return f"data/{name[:2]}/{name}" if kind == "data" else f"{kind}/{name}"
