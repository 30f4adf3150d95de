"""A stream that is measured as it passes: how many bytes, and their SHA-256."""

from __future__ import annotations

import hashlib
import io
from typing import Any, BinaryIO, cast


class Measured(io.RawIOBase):
    """Reads another stream, which it closes with itself. `whole` once that came to its end."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self.size = 0
        self.whole = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        count = int(cast(Any, self._stream).readinto(view) or 0)
        self._sha256.update(view[:count])
        self.size += count
        self.whole = self.whole or (count == 0 and len(view) > 0)
        return count

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()

    @property
    def facts(self) -> dict[str, Any]:
        return {"size": self.size, "sha256": self._sha256.hexdigest()}
