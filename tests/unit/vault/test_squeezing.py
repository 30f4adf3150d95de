from __future__ import annotations

import random
import string
import threading

import zstandard

from haechi.vault.packing import Kind
from haechi.vault.repository import Vault
from haechi.vault.squeezing import _TRIAL, Squeezer
from tests.unit.vault.ground import contents, keep, noise


def _rows(count: int, seed: int) -> bytes:
    """Words so short that level 3 finds them again and the faster setting does not."""
    pick = random.Random(seed)
    words = ["".join(pick.choices(string.ascii_lowercase, k=pick.randint(3, 6))) for _number in range(2000)]
    return "".join(f"{n} {pick.choice(words)} {pick.choice(words)}\n" for n in range(count)).encode()


def test_whatever_it_chooses_comes_back() -> None:
    squeezer = Squeezer()
    plains = [_rows(12_000, seed) for seed in range(3)] + [noise(300_000), b"small", b"x" * 1000]
    for kind in Kind:
        for plain in plains:
            assert zstandard.ZstdDecompressor().decompress(squeezer.one(kind, plain)) == plain
        for plain, small in zip(plains, squeezer.many(kind, plains), strict=True):
            assert zstandard.ZstdDecompressor().decompress(small) == plain


def test_the_slower_level_is_taken_where_it_saves_and_left_where_it_does_not() -> None:
    squeezer = Squeezer()
    squeezer.one(Kind.DATA, _rows(12_000, 1))
    assert squeezer._thorough
    for _number in range(_TRIAL):
        squeezer.one(Kind.DATA, noise(200_000))
    assert not squeezer._thorough


def test_threads_share_one_squeezer() -> None:
    squeezer = Squeezer()
    wrong: list[int] = []

    def work(seed: int) -> None:
        for number in range(20):
            plain = _rows(9000, seed * 100 + number)
            if zstandard.ZstdDecompressor().decompress(squeezer.one(Kind.DATA, plain)) != plain:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_does_not_shrink_is_kept_as_it_is(vault: Vault) -> None:
    snapshot = keep(vault, {"/noise": noise(5000), "/text": b"text " * 1000})
    plain = {
        vault.blobs.place(Kind.DATA, bytes.fromhex(name)).blob.plain
        for path in ("/noise", "/text")
        for name in vault.node(snapshot, path).content or ()
    }
    assert plain == {0, 5000}
    assert contents(vault, snapshot) == {"/noise": noise(5000), "/text": b"text " * 1000}
