"""A hand that does nothing but look whether it is alone, as `haechi.app.hand` would be asked."""

import fcntl
import json
import os
import sys
import time

root, pause, worker = sys.argv[1], float(sys.argv[2]), sys.argv[3]
sys.stdin.readline()


def log(*words: object) -> None:
    handle = os.open(f"{root}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, (" ".join(map(str, words)) + "\n").encode())
    os.close(handle)


for line in sys.stdin:
    asked = json.loads(line)
    done = {}
    if asked["do"] == "capture":
        lock = os.open(f"{root}/{asked['service']}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log("overlap", asked["service"], asked["run"])
        log("begin", asked["service"], asked["run"], asked["again"], worker)
        until = time.monotonic() + pause
        while time.monotonic() < until and not os.access(f"{root}/go", os.F_OK):
            time.sleep(0.01)
        log("end", asked["service"], asked["run"], worker)
        os.close(lock)
        done = {"looked": True}
    print(json.dumps({**asked.get("done", {}), **done}), flush=True)
