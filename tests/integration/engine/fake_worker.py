"""A worker in a process of its own, which ends with its input."""

import sys
from pathlib import Path

from haechi.engine.database import Database
from haechi.engine.hand import Outfit
from haechi.engine.worker import Post, working

name, url, root, pause, parallel, together, lease = sys.argv[1:]
state = Path(root) / f"state-{name}"
post = Post(
    name, state, Database(url), int(parallel), int(together) or None, near=(name, "near"), lease=float(lease)
)
hand = Outfit(
    (sys.executable, "-ES", str(Path(__file__).with_name("fake_hand.py")), root, pause, name), "", ""
)
with working(post, hand, lambda said: print("told", said, flush=True)) as worker:
    print("ready", flush=True)
    for line in sys.stdin:
        run, subject, at = line.split()
        worker.submit(run, subject, "backup", subject, {}, at=at)
    print("left", *worker.leave(), flush=True)
