"""The vault against restic, on the same data, each in a process of its own with the key, the lock and the syncs.

The limit is what SHA-256, zstd, AES and Poly1305 take for these bytes in C alone, in two threads.

On little data the start of Python is a large share: a quick run asks no more than to be as fast as restic, and has
only those rows in which the work outweighs the start.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import zstandard

from bench._base import Comparison
from bench._vault import SECRET
from haechi.stores.local import Local
from haechi.vault import index_files
from haechi.vault.packing import Blob, Kind, Pack
from haechi.vault.repository import Vault
from haechi.vault.sealing import SealingKey

LEFT_OUT = "restores, checks, second backups, trees, prune, millions of blobs, and by how much restic is to be beaten"

_WORDS = [
    "order",
    "invoice",
    "customer",
    "tenant",
    "product",
    "amount",
    "pending",
    "shipped",
    "returned",
    "paid",
    "warehouse",
    "seoul",
    "busan",
]


class Pair:
    """Our vault and restic's, side by side."""

    def __init__(self, work: Path, quick: bool = False):
        self.work, self.quick = work, quick
        self.ours, self.theirs, self.out = work / "ours", work / "theirs", work / "out"
        self.peak = 0.0
        self.has_restic = shutil.which("restic") is not None

    def haechi(self, *words: object) -> None:
        self.peak = max(self.peak, self.said(*words))

    def said(self, *words: object) -> float:
        """The figure that ours ends with."""
        done = subprocess.run(
            [sys.executable, "-m", "bench._vault", *map(str, words)],
            check=True,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            # Compiled at every start, as this would have it, is not how anybody runs it.
            env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        )
        return float(done.stdout)

    def restic(self, *words: object) -> None:
        environment = {
            **os.environ,
            "RESTIC_PASSWORD": "benchmark",
            "RESTIC_CACHE_DIR": str(self.work / "cache"),
        }
        subprocess.run(
            ["restic", "-q", "-r", str(self.theirs), *map(str, words)],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
        )

    def empty(self) -> None:
        for path in (self.ours, self.theirs, self.out, self.work / "cache"):
            shutil.rmtree(path, ignore_errors=True)
        if (self.work / "ours.empty").exists():
            self.back_to("empty")
            return
        self.haechi("init", self.ours)
        if self.has_restic:
            self.restic("init")
        self.keep_state("empty")

    def keep_state(self, name: str) -> None:
        """Vaults never change a file, so a state is a tree of links."""
        for path in (self.ours, self.theirs):
            if path.exists():
                subprocess.run(["cp", "-al", path, self.work / f"{path.name}.{name}"], check=True)

    def back_to(self, name: str) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        for path in (self.ours, self.theirs):
            saved = self.work / f"{path.name}.{name}"
            if saved.exists():
                shutil.rmtree(path, ignore_errors=True)
                subprocess.run(["cp", "-al", saved, path], check=True)

    def compare(
        self, name: str, goal: float, ours: tuple[object, ...], theirs: tuple[object, ...], **more: object
    ) -> Comparison:
        side = (lambda: self.restic(*theirs)) if self.has_restic else None
        goal = 1.0 if self.quick else goal
        return Comparison(name, ours=lambda: self.haechi(*ours), theirs=side, goal=goal, **more)  # type: ignore[arg-type]


def comparisons(quick: bool, work: Path) -> Iterable[Comparison]:
    pair = Pair(work, quick)
    yield from _dump(pair, work, 100 if quick else 1300)
    if not quick:
        yield from _tree(pair, work, 100_000)
        yield from _prune(pair, work, (30, 7))
        yield from _index(pair, work, 5_000_000)


def _dump(pair: Pair, work: Path, megabytes: int) -> Iterable[Comparison]:
    dump = make_dump(work / "dump.sql", megabytes)
    size = f" of {megabytes} MB" if pair.quick else ""
    yield pair.compare(
        f"new backup of a dump{size}",
        1 / 3,
        ("stream", pair.ours, dump),
        ("backup", dump),
        limit=None if pair.quick else lambda: _in_c_alone(dump),
        before=pair.empty,
    )
    pair.empty()
    pair.haechi("stream", pair.ours, dump)
    if pair.has_restic:
        pair.restic("backup", dump)
    yield Comparison(
        "bytes stored of it",
        ours=lambda: _size(pair.ours),
        theirs=(lambda: _size(pair.theirs)) if pair.has_restic else None,
        goal=1.0,
        unit="B",
        runs=1,
    )
    pair.keep_state("first")

    def back() -> None:
        pair.back_to("first")

    if not pair.quick:
        yield pair.compare(
            "restore of the dump",
            1 / 1.3,
            ("restore", pair.ours, pair.out),
            ("restore", "latest", "--target", pair.out),
            before=back,
        )
        yield pair.compare(
            "check of every byte",
            1 / 1.3,
            ("check_all", pair.ours),
            ("check", "--read-data"),
            before=back,
        )
        with dump.open("ab") as file:
            file.write(_rows(10_000_000, megabytes * 50_000))
        yield pair.compare(
            "second backup, 5 % appended",
            1 / 1.5,
            ("stream", pair.ours, dump),
            ("backup", dump),
            before=back,
        )
    yield Comparison("peak memory while writing", ours=lambda: pair.peak, goal=256, unit="MiB", runs=1)
    dump.unlink()


def _tree(pair: Pair, work: Path, files: int) -> Iterable[Comparison]:
    root = make_tree(work / "tree", files)
    yield pair.compare(
        f"tree of {files} small files, new",
        1.0,
        ("tree", pair.ours, root),
        ("backup", root),
        before=pair.empty,
    )
    pair.empty()
    pair.haechi("tree", pair.ours, root)
    if pair.has_restic:
        pair.restic("backup", root)
    pair.keep_state("tree")

    def back() -> None:
        pair.back_to("tree")

    yield pair.compare(
        "the tree, unchanged", 1 / 1.2, ("tree", pair.ours, root), ("backup", root), before=back
    )
    yield pair.compare(
        "restore of the tree",
        1.0,
        ("restore", pair.ours, pair.out),
        ("restore", "latest", "--target", pair.out),
        before=back,
    )


def _prune(pair: Pair, work: Path, days: tuple[int, int]) -> Iterable[Comparison]:
    count, left = days
    dump = make_dump(work / "daily.sql", 60)
    pair.empty()
    pair.haechi("days", pair.ours, dump, count)
    # restic prunes what we wrote: the same packs, the same chunks.
    shutil.rmtree(pair.theirs, ignore_errors=True)
    shutil.copytree(pair.ours, pair.theirs)
    pair.keep_state("days")
    yield pair.compare(
        f"prune of {count} days to {left}",
        1.0,
        ("keep", pair.ours, left),
        ("forget", "--keep-last", left, "--prune"),
        before=lambda: pair.back_to("days"),
    )


def _index(pair: Pair, work: Path, count: int) -> Iterable[Comparison]:
    path = work / "index"
    vault = Vault.create(Local(path), SECRET)
    for _file in range(count // 50_000):
        packs = []
        for _pack in range(50_000 // 16):
            blobs = [Blob(os.urandom(32), Kind.DATA, n * 400_000, 400_000, 1 << 20) for n in range(16)]
            packs.append(Pack(os.urandom(32), blobs))
        vault.files.save_bytes(index_files.KIND, index_files.encode(packs))

    yield Comparison(
        f"bytes of memory a blob, {count} of them",
        ours=lambda: pair.said("bytes_a_blob", path),
        goal=100,
        unit="B",
        runs=3,
    )
    yield Comparison(
        f"opening a vault of {count} blobs",
        ours=lambda: pair.said("seconds_to_open", path),
        goal=10,
        runs=3,
    )


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _in_c_alone(dump: Path) -> None:
    """What cannot be saved: the primitives on buffers of a megabyte, two threads, and the bytes written."""
    key = SealingKey.generate()

    def work(half: int) -> None:
        squeeze = zstandard.ZstdCompressor(level=1)
        with dump.open("rb", buffering=0) as file, Path(os.devnull).open("wb", buffering=0) as sink:
            size = dump.stat().st_size // 2
            file.seek(half * size)
            for _chunk in range(size >> 20):
                plain = file.read(1 << 20)
                hashlib.sha256(plain).digest()
                sealed = key.seal(squeeze.compress(plain))
                hashlib.sha256(sealed).digest()
                sink.write(sealed)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, (0, 1)))


def make_dump(path: Path, megabytes: int) -> Path:
    """Rows as pg_dump writes them: numbers, digests, times and words; a third of it is left after zstd."""
    with path.open("wb") as file:
        first = 0
        while file.tell() < megabytes * 1_000_000:
            file.write(_rows(10_000_000, first))
            first += 100_000
    return path


def _rows(size: int, first: int) -> bytes:
    pick = random.Random(first)
    texts = [" ".join(pick.choices(_WORDS, k=pick.randint(4, 14))) for _text in range(20_000)]
    rows: list[str] = []
    length, number = 0, first
    while length < size:
        number += 1
        digest = hashlib.md5(b"%d" % number).hexdigest()[:16]
        row = (
            f"{number}\t{digest}\t{pick.choice(texts)}\t2026-{number % 12 + 1:02d}-{number % 28 + 1:02d} "
            f"{number % 24:02d}:{number % 60:02d}:{pick.random() * 60:09.6f}+09\t{pick.random() * 1e4:.2f}\t"
            f"{pick.choice(texts)}\n"
        )
        rows.append(row)
        length += len(row)
    return "".join(rows).encode()


def make_tree(root: Path, count: int) -> Path:
    """Files of 0.5 to 8 kB, 250 in a directory."""
    text = _rows(30_000_000, 0)
    pick = random.Random(3)
    for number in range(count):
        directory = root / f"{number // 5000:02d}" / f"{number // 250:04d}"
        if number % 250 == 0:
            directory.mkdir(parents=True)
        size = pick.randint(500, 8000)
        start = pick.randrange(len(text) - size)
        (directory / f"file-{number:06d}.txt").write_bytes(text[start : start + size])
    return root
