"""How much memory this process held at most."""

from __future__ import annotations

from pathlib import Path


def peak() -> float:
    """MiB since this program began. `ru_maxrss` would say what its parent held, if that was more."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the system does not say VmHWM")
