"""One Milvus server: its calls, each checked, and what is wrong told in our words."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from haechi import clock
from haechi.errors import AccessRefused, HaechiError, NotThere, ServerUnavailable
from haechi.i18n import _
from haechi.sources._milvus.driver import messages
from haechi.sources._milvus.options import _Server

_PATIENCE = 60.0
_PAGE = 120.0  # for some mebibytes of rows; whoever cancels waits no longer
_LONG = 3600.0  # for what a server does at its own pace: flush, load, index
_NOT_FOUND = 100
STRONG, AS_OF = 0, 4  # consistency: all that was written before, and all that was at a given time
_UNLIMITED = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 0),
]


class Server:
    """Safe to use from many threads."""

    def __init__(self, options: _Server):
        import grpc

        self._messages = messages()
        assert options.url
        where = urlsplit(options.url)
        self.shown = where.netloc.rpartition("@")[2]
        address = f"{where.hostname}:{where.port or 19530}"
        if where.scheme == "https":
            ca = Path(options.ca).read_bytes() if options.ca else None
            self._channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(ca), _UNLIMITED)
        else:
            self._channel = grpc.insecure_channel(address, _UNLIMITED)
        self._stub = self._messages.Stub(self._channel)
        self._login = _login(options)
        self._failed = grpc.RpcError
        self._codes = grpc.StatusCode

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_problem: object) -> None:
        self.close()

    def call(self, name: str, database: str = "", *, seconds: float = _PATIENCE, **fields: Any) -> Any:
        """One call by its name in Milvus's own interface. Raises what `_refusal` and `_away` say."""
        request = getattr(self._messages.milvus, f"{name}Request")(**fields)
        if database and hasattr(request, "db_name"):
            request.db_name = database
        metadata = [*self._login, *([("dbname", database)] if database else [])]
        try:
            answer = getattr(self._stub, name)(request, timeout=seconds, metadata=metadata)
        except self._failed as problem:
            raise self._away(problem) from None
        except ValueError as problem:  # the channel was closed under our hands
            raise self._away(problem) from None
        status = answer if isinstance(answer, self._messages.common.Status) else answer.status
        if status.code or status.error_code:
            raise self._refusal(status)
        return answer

    def pairs(self, values: dict[str, Any]) -> list[Any]:
        return [
            self._messages.common.KeyValuePair(key=key, value=str(value)) for key, value in values.items()
        ]

    def now(self) -> int:
        """The server's time, as it stamps what is written."""
        return int(self.call("AllocTimestamp").timestamp)

    def query(
        self,
        database: str,
        collection: str,
        expression: str,
        fields: list[str],
        *,
        partition: str = "",
        limit: int = 0,
        as_of: int = 0,
    ) -> Any:
        """Rows in the order of their keys. `as_of`: those of that moment, where the server knows it still."""
        how = {"limit": limit, "iterator": True, "reduce_stop_for_best": True} if limit else {}
        return self.call(
            "Query",
            database,
            seconds=_PAGE,
            collection_name=collection,
            expr=expression,
            output_fields=fields,
            partition_names=[partition] if partition else [],
            query_params=self.pairs(how),
            consistency_level=AS_OF if as_of else STRONG,
            guarantee_timestamp=as_of,
        )

    def count(self, database: str, collection: str, *, partition: str = "", as_of: int = 0) -> int:
        answer = self.query(database, collection, "", ["count(*)"], partition=partition, as_of=as_of)
        return int(answer.fields_data[0].scalars.long_data.data[0])

    def flush(self, database: str, collections: list[str]) -> None:
        """Until all that was written is in the storage."""
        flushed = self.call("Flush", database, seconds=_LONG, collection_names=collections)
        until = clock.monotonic() + _LONG
        for name in collections:
            segments = list(flushed.coll_segIDs[name].data)
            while not self.call(
                "GetFlushState",
                database,
                segmentIDs=segments,
                collection_name=name,
                flush_ts=flushed.coll_flush_ts[name],
            ).flushed:
                self._wait(until)

    def load(self, database: str, collection: str, partitions: list[str]) -> None:
        """These partitions, or the whole; until it is done."""
        what = {"partition_names": partitions} if partitions else {"replica_number": 1}
        name = "LoadPartitions" if partitions else "LoadCollection"
        self.call(name, database, collection_name=collection, **what)
        until = clock.monotonic() + _LONG
        while not self.is_loaded(database, collection, partitions):
            self._wait(until)

    def is_loaded(self, database: str, collection: str, partitions: list[str]) -> bool:
        state = self.call(
            "GetLoadState", database, collection_name=collection, partition_names=partitions
        ).state
        return bool(state == self._messages.common.LoadStateLoaded)

    def _wait(self, until: float) -> None:
        if clock.monotonic() > until:
            raise ServerUnavailable(
                _("Milvus at {where} does not get done with it.").format(where=self.shown),
                hint=_("Look into its log, and whether its nodes have memory and their storage answers."),
            )
        clock.sleep(0.1)

    def _refusal(self, status: Any) -> HaechiError:
        said = status.reason or status.detail or str(status.code)
        low = said.lower()
        if status.code == _NOT_FOUND or "collection not found" in low or "can't find collection" in low:
            return NotThere(_("Milvus at {where}: {reason}").format(where=self.shown, reason=said))
        if "auth" in low or "permission" in low or "privilege" in low:
            return self._refused(said)
        return Refused(
            _("Milvus at {where}: {reason}").format(where=self.shown, reason=said),
            hint=_("Look into its log, and whether its nodes have memory and their storage answers."),
            detail=f"code {status.code}",
        )

    def _refused(self, said: str) -> AccessRefused:
        return AccessRefused(
            _("Milvus at {where} refuses: {reason}").format(where=self.shown, reason=said),
            hint=_("Give `user` and `password`, or `token`, of a user who may read every collection."),
        )

    def _away(self, problem: Any) -> HaechiError:
        code = problem.code() if hasattr(problem, "code") else None
        said = str(problem.details() if hasattr(problem, "details") else problem)
        if code in (self._codes.UNAUTHENTICATED, self._codes.PERMISSION_DENIED):
            return self._refused(said)
        if code == self._codes.UNIMPLEMENTED:
            return Refused(
                _("Milvus at {where} is too old: {reason}").format(where=self.shown, reason=said),
                hint=_("Versions from 2.3 on are understood."),
            )
        return ServerUnavailable(
            _("Milvus at {where} does not answer: {reason}").format(where=self.shown, reason=said),
            hint=_("Look whether it runs, and whether `url` in the plan is right."),
        )


class Refused(HaechiError):
    """Milvus could not do what it was asked for."""

    code = "milvus-refused"


def _login(options: _Server) -> list[tuple[str, str]]:
    """The secrets are fetched here, when they are used."""
    if options.token:
        pair = options.token.fetch().reveal()
    elif options.user and options.password:
        pair = f"{options.user}:{options.password.fetch().reveal()}"
    else:
        return []
    return [("authorization", b64encode(pair.encode()).decode())]
