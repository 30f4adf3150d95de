"""`haechi` and `python -m haechi`."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    # Of the many things that a backup makes hardly any hold each other; looking for such rings after every 700 of
    # them would take a tenth of its time.
    gc.set_threshold(50_000, 20, 20)
    from haechi.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
