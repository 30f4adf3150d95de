"""Runs every comparison, or those of one area; a table, build/bench.json, and a status that says if goals are met."""

from __future__ import annotations

import argparse
import json
import pkgutil
import shutil
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import bench
from bench import _machine
from bench._base import Result, measure

_BUILD = Path(__file__).parent.parent / "build"


def main() -> int:
    areas = sorted(m.name for m in pkgutil.iter_modules(bench.__path__) if not m.name.startswith("_"))
    asked = argparse.ArgumentParser(prog="make bench")
    asked.add_argument("--only", choices=areas, action="append", help="this area")
    asked.add_argument("--quick", action="store_true", help="smaller data, three runs, within 50 seconds")
    asked.add_argument("--work", type=Path, help="where data is made (a fast disk with room)")
    given = asked.parse_args()

    began = time.perf_counter()
    results: list[Result] = []
    about = {**_machine.described(), "quick": given.quick, "areas": given.only or areas}
    _line("", "ours", "theirs", "limit", "ratio", "goal", "met")
    for area in given.only or areas:
        # Servers that do not run as root must reach what lies in it.
        work = Path(tempfile.mkdtemp(prefix=f"haechi-bench-{area}-", dir=given.work))
        work.chmod(0o755)
        try:
            for comparison in import_module(f"bench.{area}").comparisons(given.quick, work):
                rows = measure(comparison, 3 if given.quick else 5).rows()
                results += rows
                for row in rows:
                    _show(row)
                _keep(results, about)  # a run that is cut short keeps what it has measured
        finally:
            shutil.rmtree(work, ignore_errors=True)
    missed = [result.name for result in results if not result.met]
    if missed:
        print(f"\n{len(missed)} of {len(results)} goals missed: {', '.join(missed)}", file=sys.stderr)
    print(f"\nwritten to build/bench.json after {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return 1 if missed or not results else 0


def _keep(results: list[Result], about: dict[str, object]) -> None:
    _BUILD.mkdir(exist_ok=True)
    (_BUILD / "bench.json").write_text(json.dumps([r.as_dict() for r in results], indent=2) + "\n")
    (_BUILD / "bench-about.json").write_text(json.dumps(about, indent=2) + "\n")


def _show(result: Result) -> None:
    def figure(value: float | None) -> str:
        return "-" if value is None else f"{value:.3g} {result.unit}"

    _line(
        result.name,
        figure(result.ours),
        figure(result.theirs),
        figure(result.limit),
        f"{result.ratio:.2f}",
        f"{result.goal:g}",
        "yes" if result.met else "NO",
    )


def _line(name: str, *cells: str) -> None:
    print(f"{name:<48}" + "".join(f"{cell:>11}" for cell in cells), flush=True)


if __name__ == "__main__":
    sys.exit(main())
