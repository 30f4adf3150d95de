"""Documents of one collection as the server sends them: raw, in batches of a size that fits into memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from haechi.i18n import _
from haechi.sources._mongodb import problems
from haechi.sources._mongodb.archive import Name
from haechi.sources._mongodb.server import Server

_BATCH = 2 << 20  # bytes, about: several are under way at once
_MOST = 100_000


def batches(
    server: Server, name: Name, average: int = 0, query: Mapping[str, Any] | None = None
) -> Iterator[bytes]:
    """Raises our errors; ends the cursor whatever happens. `average`: bytes of a document, as far as it is known."""
    doing = _("Reading “{name}”").format(name=".".join(name))
    size = max(2, min(_MOST, _BATCH // average)) if average else 1000
    with problems.translated(doing), server.client.start_session() as session:
        # Within a session of ours a cursor may wait as long as it takes until its documents are stored.
        cursor = server.collection(name).find_raw_batches(
            dict(query or {}), batch_size=size, no_cursor_timeout=True, session=session
        )
        with cursor:
            for batch in cast(Iterator[bytes], cursor):  # told wrongly: these are bytes
                if batch:
                    yield batch
