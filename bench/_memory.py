"""How much memory a process held at most.

python -m bench._memory FILE ARGUMENTS ...       is `haechi ARGUMENTS ...` and leaves its peak in FILE, in MiB
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path


def peak() -> float:
    """MiB since this program began. `ru_maxrss` would say what its parent held, if that was more."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the system does not say VmHWM")


def peak_of(argv: Sequence[object], env: Mapping[str, str]) -> float:
    """Of `haechi` with these arguments, which must end well."""
    with tempfile.TemporaryDirectory() as directory:
        told = Path(directory, "peak")
        subprocess.run(
            [sys.executable, "-m", "bench._memory", str(told), *map(str, argv)],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=Path(__file__).parent.parent,
            env=env,
        )
        return float(told.read_text())


def main() -> None:
    from haechi.__main__ import main as haechi

    told, *sys.argv[1:] = sys.argv[1:]
    try:
        haechi()
    finally:
        Path(told).write_text(str(peak()))


if __name__ == "__main__":
    main()
