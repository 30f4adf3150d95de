"""A member as it answers over HTTP: etcd's JSON gateway, which every server has and which needs no program here."""

from __future__ import annotations

import http.client
import io
import json
import ssl
from base64 import b64decode
from contextlib import ExitStack
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from haechi.errors import HaechiError, NotThere, ServerUnavailable
from haechi.i18n import _
from haechi.sources._etcd import member
from haechi.sources._etcd.member import Status
from haechi.sources._etcd.options import Options

_PATIENCE = 60.0  # seconds without a byte
_ALL = {"key": "AA==", "range_end": "AA=="}  # from the first possible key to the last
_LONGEST = 1 << 24  # characters of one line of a snapshot, which are some forty thousand


class ByHttp:
    """Satisfies `Member`. The password goes over the wire: give it together with https."""

    def __init__(self, options: Options):
        assert options.url
        self._options = options
        self._where = urlsplit(options.url)
        self._token: str | None = None

    def status(self) -> Status:
        return member.read_status(self._ask("maintenance/status", {}))

    def count(self, revision: int) -> int | None:
        try:
            answer = self._ask(
                "kv/range", {**_ALL, "count_only": True, "serializable": True, "revision": revision}
            )
        except HaechiError as problem:
            if member.is_compacted(problem.message):
                return None
            raise
        return int(answer.get("count", 0))

    def digest(self, revision: int) -> tuple[int, int] | None:
        """Versions before 3.6 have no address for it: theirs gives the hash of the file, which nobody can compare."""
        try:
            answer = self._ask("maintenance/hashkv", {"revision": revision})
        except NotThere:
            return None
        except HaechiError as problem:
            if member.is_compacted(problem.message):
                return None
            raise
        return (int(answer["hash"]), int(answer.get("compact_revision", 0)))

    def itself(self, number: str) -> tuple[str, list[str]]:
        return member.read_self(self._ask("cluster/member/list", {})["members"], number)

    def snapshot(self, stack: ExitStack) -> BinaryIO:
        connection, reply = self._post("maintenance/snapshot", {})
        stack.callback(connection.close)
        if reply.status != 200:
            raise self._refusal(reply.read().decode(errors="replace"))
        return cast(BinaryIO, io.BufferedReader(_Blobs(reply, self._refusal)))

    def explain(self, problem: HaechiError) -> HaechiError:
        return problem

    def _ask(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        connection, reply = self._post(what, body)
        try:
            text = reply.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as problem:
            raise self._away(problem) from None
        finally:
            connection.close()
        if reply.status == 404:
            raise NotThere(text)
        if reply.status != 200:
            raise self._refusal(text)
        found = json.loads(text)
        assert isinstance(found, dict)
        return found

    def _post(
        self, what: str, body: dict[str, Any], *, login: bool = True
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        headers = {"content-type": "application/json"}
        if login and self._options.user and self._options.password:
            headers["authorization"] = self._login()
        connection = self._connection()
        try:
            connection.request("POST", f"{self._where.path.rstrip('/')}/v3/{what}", json.dumps(body), headers)
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException) as problem:
            connection.close()
            raise self._away(problem) from None

    def _login(self) -> str:
        if self._token is None:
            assert self._options.password
            pair = {"name": self._options.user, "password": self._options.password.fetch().reveal()}
            connection, reply = self._post("auth/authenticate", pair, login=False)
            text = reply.read().decode(errors="replace")
            connection.close()
            if reply.status != 200:
                # One without authentication has no tokens, and needs none.
                if "authentication is not enabled" not in text:
                    raise self._refusal(text)
                return ""
            self._token = str(json.loads(text)["token"])
        return self._token

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._where.hostname or "localhost", self._where.port or 2379
        if self._where.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=_PATIENCE)
        options = self._options
        context = ssl.create_default_context(cafile=options.ca)
        if options.cert:
            context.load_cert_chain(options.cert, options.key)
        return http.client.HTTPSConnection(host, port, timeout=_PATIENCE, context=context)

    def _refusal(self, text: str) -> HaechiError:
        said = " ".join(text.split())[:300]
        try:
            told = json.loads(text)
            inner = told.get("error")
            said = str(inner["message"] if isinstance(inner, dict) else told.get("message") or inner or said)
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # not in its own form: a proxy's page, for example
        return member.trouble(self._shown, said) or ServerUnavailable(
            _("etcd at {where} does not answer: {reason}").format(where=self._shown, reason=said),
            hint=_("Look whether it runs, and whether the address and certificates in the plan are right."),
            retryable=False,
        )

    def _away(self, problem: Exception) -> HaechiError:
        return ServerUnavailable(
            _("etcd at {where} does not answer: {reason}").format(
                where=self._shown, reason=str(problem) or type(problem).__name__
            ),
            hint=_("Look whether it runs, and whether the address and certificates in the plan are right."),
        )

    @property
    def _shown(self) -> str:
        return self._where.netloc.rpartition("@")[2]


class _Blobs(io.RawIOBase):
    """Lines of JSON, each with a piece in base64. An error may be a line of its own, after any of them."""

    def __init__(self, reply: http.client.HTTPResponse, refusal: Any):
        self._reply = reply
        self._refusal = refusal
        self._left = memoryview(b"")
        self._due: int | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if not self._left:
            self._left = memoryview(self._next())
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def _next(self) -> bytes:
        while True:
            try:
                line = self._reply.readline(_LONGEST)
            except (OSError, http.client.HTTPException) as problem:
                raise _broken(problem) from None
            if not line:
                if self._due:
                    raise _broken(EOFError(f"{self._due} bytes are missing"))
                return b""
            if not line.strip():
                continue
            try:
                told = json.loads(line)
            except ValueError:
                raise _broken(EOFError("half a line")) from None
            if "result" not in told:
                raise self._refusal(line.decode(errors="replace"))
            self._due = int(told["result"].get("remaining_bytes", 0))
            if blob := told["result"].get("blob"):
                return b64decode(blob)

    def close(self) -> None:
        if not self.closed:
            self._reply.close()
        super().close()


def _broken(problem: Exception) -> ServerUnavailable:
    return ServerUnavailable(
        _("The connection broke while the snapshot was read: {reason}").format(
            reason=str(problem) or type(problem).__name__
        ),
        hint=_("Run the same command again; what was half-done does not count."),
    )
