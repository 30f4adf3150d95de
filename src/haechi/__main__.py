"""`haechi` and `python -m haechi`."""

from __future__ import annotations

import sys


def main() -> None:
    from haechi.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
