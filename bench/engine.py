"""The daemon: what a run costs on top of its work, what it costs to do nothing, and how soon it is ready."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from bench._base import Comparison

LEFT_OUT = "the idle minute"

_PLAN = """
[plan]
name = "bench"
[server]
state = "{root}/state"
[vault.main]
url = "{root}/vault"
key = {{ env = "HAECHI_BENCH_KEY" }}
"""
_SERVICE = """
[service.s{n}]
source = "files"
paths = ["/etc"]
to = "vault.main"
backup = "yearly 01-01 03:{n:02}"
"""
_HAND = """
import json, sys
sys.stdin.readline()
for line in sys.stdin:
    print(json.dumps({"looked": True}), flush=True)
"""


def comparisons(quick: bool, work: Path) -> Iterable[Comparison]:
    runs, together = (20, 20) if quick else (100, 4)
    yield Comparison(
        "engine: CPU of a run, without its work",
        ours=lambda: _a_run(work, runs, together),
        goal=0.05,
        runs=1 if quick else 3,
    )
    daemon = _Daemon(work / "daemon")
    yield Comparison(
        "engine: until the daemon is ready", ours=daemon.started, goal=2.0, runs=1 if quick else None
    )
    if not quick:
        yield Comparison(
            "engine: a core's share when idle, 50 services", ours=lambda: daemon.idle(60), goal=0.01, runs=1
        )
    yield Comparison(
        "engine: memory, 50 services",
        ours=lambda: daemon.memory(2 if quick else 5),
        goal=120.0,
        unit="MB",
        runs=1,
    )


def _a_run(work: Path, count: int, together: int) -> float:
    """CPU seconds of this process for each run, those of the hand's start taken off: they are the work's."""
    script = work / "engine_run.py"
    script.write_text(_RUN.format(hand=_HAND))
    argv = [sys.executable, str(script), str(work / f"runs-{time.monotonic_ns()}"), str(count), str(together)]
    return float(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


_RUN = '''
import sys, time
from pathlib import Path
from haechi.engine.database import Database
from haechi.engine.hand import Outfit
from haechi.engine.worker import Post, working

state, count, together = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
hand = Outfit((sys.executable, "-ISc", """{hand}"""), "", "")
with working(Post("bench", state, Database.of(state, None), parallel=together), hand, print) as worker:
    began = time.process_time()
    for number in range(count):
        worker.submit(f"run-{{number}}", f"s{{number % 20}}", "backup", f"s{{number % 20}}", {{}})
    while worker.pending():
        time.sleep(0.5)
    print((time.process_time() - began) / count)
    sys.stdout.flush()
    worker.leave()
'''


class _Daemon:
    def __init__(self, root: Path):
        root.mkdir()
        self._root = root
        text = _PLAN.format(root=root) + "".join(_SERVICE.format(n=number) for number in range(50))
        (root / "haechi.toml").write_text(text)

    def started(self) -> float:
        began = time.perf_counter()
        daemon = self._start()
        took = time.perf_counter() - began
        _end(daemon)
        return took

    def idle(self, seconds: float) -> float:
        daemon = self._start()
        time.sleep(3)
        before = _cpu(daemon.pid)
        time.sleep(seconds)
        share = (_cpu(daemon.pid) - before) / seconds
        _end(daemon)
        return share

    def memory(self, settled_after: float) -> float:
        daemon = self._start()
        time.sleep(settled_after)
        lines = Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
        _end(daemon)
        return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS"))

    def _start(self) -> subprocess.Popen[bytes]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            name = f"haechi-bench-{os.getpid()}-{time.monotonic_ns()}"
            systemd.bind(f"\0{name}")
            systemd.settimeout(60)
            daemon = subprocess.Popen(
                [sys.executable, "-m", "haechi", "--plan", self._root / "haechi.toml", "serve", "--quiet"],
                env={**os.environ, "NOTIFY_SOCKET": f"@{name}", "HAECHI_BENCH_KEY": "a long passphrase"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            systemd.recv(4096)
            return daemon


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(60)
