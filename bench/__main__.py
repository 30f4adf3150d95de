"""Runs every comparison, or those of one area; a table, build/bench.json, and a status that says if goals are met."""

from __future__ import annotations

import argparse
import json
import pkgutil
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

import bench
from bench import _machine
from bench._base import Result, measure

_BUILD = Path(__file__).parent.parent / "build"


def main() -> int:
    areas = sorted(m.name for m in pkgutil.iter_modules(bench.__path__) if not m.name.startswith("_"))
    asked = argparse.ArgumentParser(prog="make bench")
    asked.add_argument("--only", choices=areas, action="append", help="this area")
    asked.add_argument(
        "--quick", action="store_true", help="a share of it on smaller data, three runs, within 50 seconds"
    )
    asked.add_argument("--work", type=Path, help="where data is made (a fast disk with room)")
    given = asked.parse_args()

    began = time.perf_counter()
    results: list[Result] = []
    modules = {area: import_module(f"bench.{area}") for area in given.only or areas}
    left_out = _left_out(modules, asked=bool(given.only)) if given.quick else []
    if given.quick and not given.only:
        modules = {name: area for name, area in modules.items() if getattr(area, "IN_QUICK", True)}
    about = {**_machine.described(), "quick": given.quick, "areas": [*modules]}
    _line("", "ours", "theirs", "limit", "ratio", "goal", "met")
    for area, module in modules.items():
        # Servers that do not run as root must reach what lies in it.
        work = Path(tempfile.mkdtemp(prefix=f"haechi-bench-{area}-", dir=given.work))
        work.chmod(0o755)
        try:
            for comparison in module.comparisons(given.quick, work):
                rows = measure(comparison, 3 if given.quick else 5).rows()
                results += rows
                for row in rows:
                    _show(row)
                _keep(results, about)  # a run that is cut short keeps what it has measured
        finally:
            shutil.rmtree(work, ignore_errors=True)
    if left_out:
        print("\nLeft out of this quick run:", *left_out, sep="\n  ", flush=True)
    missed = [result.name for result in results if not result.met]
    if missed:
        print(f"\n{len(missed)} of {len(results)} goals missed: {', '.join(missed)}", file=sys.stderr)
    print(f"\nwritten to build/bench.json after {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return 1 if missed or not results else 0


def _left_out(areas: Mapping[str, ModuleType], *, asked: bool) -> list[str]:
    """What a quick run does not measure, and the command that does."""
    lines = []
    for name, area in areas.items():
        whole = not (asked or getattr(area, "IN_QUICK", True))
        if said := "all of it" if whole else getattr(area, "LEFT_OUT", ""):
            lines.append(f"{name}: {said} (make bench ONLY={name})")
    return lines


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
