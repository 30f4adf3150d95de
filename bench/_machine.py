"""Where figures were measured, and of which versions: what a reader needs to know before he compares."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

# Ours are packages; theirs, and the servers, are programs.
_PACKAGES = ("haechi", "isal", "deflate", "zstandard", "cryptography", "pyfastcdc", "borghash")
_PROGRAMS = {
    "PostgreSQL": ("/usr/lib/postgresql/15/bin/pg_dump", "--version"),
    "gzip": ("gzip", "--version"),
    "restic": ("restic", "version"),
    "rclone": ("rclone", "version"),
}


def described() -> dict[str, object]:
    return {
        "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": _machine(),
        "versions": {"Python": platform.python_version(), **_packages(), **_programs()},
    }


def _machine() -> dict[str, object]:
    found = re.search(r"^model name\s*: (.*)$", _text("/proc/cpuinfo"), re.MULTILINE)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "processor": found[1] if found else platform.machine(),
        "memory_gb": round(pages / 1e9),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": round(os.getloadavg()[0], 2),
    }


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _programs() -> dict[str, str]:
    found = {}
    for name, argv in _PROGRAMS.items():
        try:
            said = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            continue
        if number := re.search(r"\d+(\.\d+)+", said):
            found[name] = number[0]
    return found


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
