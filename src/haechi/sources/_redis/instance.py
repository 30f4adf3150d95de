"""A throwaway server that is made of one file: to prove the file, and to hand it to a server that runs.

It runs in a place, in a new directory of its own, which goes with it whatever happens.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from haechi import clock, process
from haechi.errors import Damaged, HaechiError, ServerUnavailable
from haechi.i18n import _
from haechi.places._base import Place
from haechi.process import BUFFER
from haechi.sources._redis.client import Client, explain

SERVER = "redis-server"
_PATIENCE = 600.0  # seconds to load a file
_PORTS = range(20_000, 32_000)  # below those that connections are given
_TRIES = 10
_SCRIPT = r"""
umask 077
room=$(mktemp -d "${1:-${TMPDIR:-/tmp}}/haechi-redis-XXXXXX") || exit
server=
trap 'test -n "$server" && kill -9 "$server" 2>/dev/null && wait "$server" 2>/dev/null; rm -rf "$room"' EXIT
trap 'exit 143' HUP INT TERM
cd "$room" || exit
cat > dump.rdb || exit
"$2" --port "$3" --bind 127.0.0.1 --protected-mode yes --unixsocket "$room/socket" --unixsocketperm 700 \
    --dir "$room" --dbfilename dump.rdb --save '' --appendonly no --daemonize no --repl-diskless-sync-delay 0 \
    --databases "$4" $5 >log 2>&1 </dev/null &
server=$!
echo "$room/socket"
wait "$server"
status=$?
server=
tail -n 5 log >&2
exit "$status"
"""


@contextmanager
def throwaway(
    place: Place,
    stream: BinaryIO,
    *,
    into: str = "",
    port: int = 0,
    databases: int = 16,
    run_as: str | None = None,
) -> Iterator[Client]:
    """Feed it the file, and wait until it has loaded it. Raises Damaged if it refuses the file."""
    quick = "--enable-debug-command yes" if _knows_debug(place, run_as) else ""
    argv = ["sh", "-c", _SCRIPT, "sh", into, SERVER, str(port), str(databases), quick]
    with place.start(argv, feed=True, user=run_as) as running:
        while data := stream.read(BUFFER):
            view = memoryview(data)
            try:
                while view:
                    view = view[running.stdin.write(view) :]
            except BrokenPipeError:
                raise explain(running.said) from None
        with suppress(OSError):
            running.stdin.close()
        socket = running.stdout.readline().decode().strip()
        client = Client(place, ("-s", socket), run_as=run_as)
        until = clock.monotonic() + _PATIENCE
        while not _answers(client):
            if not running.is_alive:
                running.wait()
                if "Failed listening" in running.said:
                    raise PortTaken(_("The port {port} is taken.").format(port=port))
                raise Damaged(
                    _("Redis does not load this file: {reason}").format(
                        reason=(running.said.splitlines() or ["-"])[-1]
                    ),
                    hint=_("Use another copy, or a Redis as new as the one that wrote it."),
                    detail=running.said,
                )
            if clock.monotonic() > until:
                raise ServerUnavailable(_("A throwaway Redis has not loaded its file in time."))
            clock.sleep(0.05)
        yield client


class PortTaken(ServerUnavailable):
    """Somebody else listens there."""

    code = "redis-port-taken"


def hand_over(live: Client, place: Place, open_file: Callable[[], BinaryIO], databases: int) -> None:
    """Have the server that runs take over all of a file, in the place of all it has: for a moment it follows a
    throwaway server beside it."""
    for attempt in range(_TRIES):
        port = _PORTS.start + secrets.randbelow(len(_PORTS))
        try:
            with (
                open_file() as stream,
                throwaway(place, stream, port=port, databases=databases, run_as=live.run_as),
            ):
                _follow(live, port)
            return
        except PortTaken:
            if attempt == _TRIES - 1:
                raise


def _follow(live: Client, port: int) -> None:
    live.ask("REPLICAOF", "127.0.0.1", str(port))
    try:
        until = clock.monotonic() + _PATIENCE
        while True:
            told = live.info("replication")
            if told.get("master_link_status") == "up" and told.get("master_sync_in_progress") == "0":
                return
            if clock.monotonic() > until:
                raise ServerUnavailable(
                    _("Redis has not taken over the file in time."),
                    hint=_("Look into its log; the state before is kept as a safety point."),
                )
            clock.sleep(0.1)
    finally:
        with process.spared():  # Ctrl-C must not leave it following nobody, and read-only
            live.ask("REPLICAOF", "NO", "ONE")


def _answers(client: Client) -> bool:
    try:
        return client.ask("PING") == "PONG"
    except HaechiError:
        return False


def _knows_debug(place: Place, run_as: str | None) -> bool:
    """Since 7 the digest must be allowed; before, the option is unknown and the digest is."""
    said = place.run([SERVER, "--version"], user=run_as, deadline=30).stdout.decode(errors="replace")
    version = said.partition("v=")[2].partition(".")[0]
    return version.isdigit() and int(version) >= 7
