"""Where a log goes: a file that is turned over when it is full, the system's journal, or standard output."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

JOURNALD = "/run/systemd/journal/socket"
_PRIORITIES = {"info": 6, "note": 5, "warning": 4, "error": 3}  # as syslog counts them


class Sink(Protocol):
    def write(self, line: str, level: str, fields: Mapping[str, str]) -> None:
        """One line. Raises OSError."""


class File:
    """A file that several processes write. `keep` older ones stay beside it: NAME.1 is the youngest of them."""

    def __init__(self, path: Path, size: int, keep: int):
        self._path, self._size, self._keep = path, size, keep
        self._lock = threading.Lock()  # between threads; between processes it is the file's own

    def write(self, line: str, level: str, fields: Mapping[str, str]) -> None:
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            handle = self._open()
            try:
                os.write(handle, data)
            finally:
                os.close(handle)

    def _open(self) -> int:
        """The file, locked, with room in it. Somebody may have turned it over while we waited for the lock."""
        while True:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                mine = os.fstat(handle)
                with suppress(FileNotFoundError):
                    if os.path.samestat(mine, self._path.stat()):
                        if mine.st_size < self._size:
                            return handle
                        self._turn_over()
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)

    def _turn_over(self) -> None:
        for number in range(self._keep, 0, -1):
            older = self._numbered(number - 1) if number > 1 else self._path
            with suppress(FileNotFoundError):
                older.replace(self._numbered(number))
        if not self._keep:
            self._path.unlink()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


class Journald:
    """systemd's journal, with the run and the service as fields: `journalctl HAECHI_SERVICE=erp`."""

    def __init__(self, path: str = JOURNALD):
        self._path = path

    def write(self, line: str, level: str, fields: Mapping[str, str]) -> None:
        told = {
            "MESSAGE": line,
            "PRIORITY": str(_PRIORITIES.get(level, 6)),
            "SYSLOG_IDENTIFIER": "haechi",
            **{f"HAECHI_{name.upper()}": value for name, value in fields.items() if value},
        }
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
            there.connect(self._path)
            there.send(b"".join(_field(name, value) for name, value in told.items()))


class Stdout:
    """Standard output, as containers are read; standard error while the answer is for a program."""

    def __init__(self, *, errors: bool = False):
        self._errors = errors

    def write(self, line: str, level: str, fields: Mapping[str, str]) -> None:
        stream = sys.stderr if self._errors else sys.stdout
        stream.write(
            line.encode(stream.encoding or "utf-8", "replace").decode(stream.encoding or "utf-8") + "\n"
        )
        stream.flush()


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
