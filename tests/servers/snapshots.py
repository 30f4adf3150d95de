"""A real btrfs on a loop device; and stand-ins for LVM and ZFS, which need kernels that tests do not have.

The stand-ins keep the names, words and refusals of the programs that are called; a snapshot of theirs is a copy.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import demand, program

_LVM = {
    "findmnt": r"""
while [ $# -gt 1 ]; do shift; done
case $1 in @DATA@|@DATA@/*) echo "/dev/mapper/vg-data @DATA@ ext4" ;; *) echo "/dev/sda1 / ext4" ;; esac
""",
    "lvs": r"""
case $* in
*vg_name,lv_name,pool_lv*/dev/mapper/vg-data) echo "  vg:data:@POOL@" ;;
*vg_name,lv_name,pool_lv*) echo "  Volume group not found" >&2; exit 5 ;;
*lv_snapshot_invalid*) [ ! -e "@STORE@/full" ] || echo "  snapshot invalid" ;;
*lv_name,origin*) echo "  data:"; for s in "@STORE@"/snap/*; do [ ! -d "$s" ] || echo "  ${s##*/}:data"; done ;;
*) exit 3 ;;
esac
""",
    "lvcreate": r"""
echo "$*" >>"@STORE@/calls"
while [ $# -gt 1 ]; do [ "$1" != --name ] || name=$2; shift; done
[ "$1" = vg/data ] || { echo "  Failed to find logical volume $1" >&2; exit 5; }
[ ! -e "@STORE@/snap/$name" ] || { echo "  Logical volume already exists" >&2; exit 5; }
mkdir -p "@STORE@/snap" && cp -a "@DATA@" "@STORE@/snap/$name"
""",
    "lvremove": r"""
name=${2#vg/}
[ -d "@STORE@/snap/$name" ] || { echo "  Failed to find logical volume $2" >&2; exit 5; }
[ ! -e "@STORE@/mounted/$name" ] || { echo "  Logical volume $2 contains a filesystem in use." >&2; exit 5; }
rm -rf "@STORE@/snap/$name"
""",
    "mount": r"""
name=${3##*/}
mkdir -p "@STORE@/mounted" && : >"@STORE@/mounted/$name" && cp -a "@STORE@/snap/$name/." "$4/"
""",
    "umount": r"""
shift $(($# - 1))
name=${1##*/}
[ -e "@STORE@/mounted/$name" ] || exit 32
rm -f "@STORE@/mounted/$name" && rm -rf "$1"/* "$1"/.[!.]*
""",
}
_ZFS = {
    "zfs": r"""
case $1 in
list)
    shift $(($# - 1))
    case $1 in
    @DATA@|@DATA@/*) printf 'tank/data\t@DATA@\n' ;;
    tank/data) for s in "@DATA@"/.zfs/snapshot/*; do [ ! -d "$s" ] || echo "tank/data@${s##*/}"; done ;;
    *) echo "cannot open '$1': not a ZFS filesystem" >&2; exit 1 ;;
    esac ;;
snapshot)
    [ ! -e "@STORE@/broken" ] || { echo "cannot create snapshot: out of space" >&2; exit 1; }
    mkdir -p "@STORE@/copy" "@DATA@/.zfs/snapshot" && rm -rf "@STORE@/copy/now"
    mkdir "@STORE@/copy/now" && (cd "@DATA@" && for e in *; do cp -a "$e" "@STORE@/copy/now/"; done)
    mv "@STORE@/copy/now" "@DATA@/.zfs/snapshot/${2#*@}" ;;
destroy) rm -r "@DATA@/.zfs/snapshot/${2#*@}" ;;
esac
""",
}


def lvm(directory: Path, data: Path, *, thin: bool = False) -> Path:
    """A directory of programs for which `data` is a logical volume."""
    return _install(directory, data, _LVM, "pool" if thin else "")


def zfs(directory: Path, data: Path) -> Path:
    return _install(directory, data, _ZFS, "")


def _install(directory: Path, data: Path, scripts: dict[str, str], pool: str) -> Path:
    (directory / "store").mkdir(parents=True)
    for name, text in scripts.items():
        filled = (
            text.replace("@DATA@", str(data)).replace("@STORE@", f"{directory}/store").replace("@POOL@", pool)
        )
        (directory / name).write_text(f"#!/bin/sh{filled}")
        (directory / name).chmod(0o755)
    return directory


@contextmanager
def btrfs(directory: Path) -> Iterator[Path]:
    """A mounted file system of its own."""
    demand("root, to mount a file system", os.geteuid() == 0, "run the tests as root")
    make = program("mkfs.btrfs", "apt-get install btrfs-progs")
    image, at = directory / "btrfs.img", directory / "btrfs"
    at.mkdir()
    with image.open("wb") as file:
        file.truncate(256 << 20)
    subprocess.run([make, "--quiet", image], check=True)
    done = subprocess.run(["mount", "-o", "loop", image, at], capture_output=True, text=True, check=False)
    demand(f"a kernel that mounts btrfs ({done.stderr.strip()})", done.returncode == 0, "another kernel")
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)
