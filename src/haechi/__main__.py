"""`haechi` and `python -m haechi`."""

from __future__ import annotations

import sys

from haechi.garbage import collect_seldom


def main() -> None:
    collect_seldom()
    from haechi.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
