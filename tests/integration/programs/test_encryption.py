"""Sealed and opened again; a wrong key and every change are noticed. The stock programs are asked elsewhere."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.archive.age import decrypt
from haechi.archive.encryption import Encryption
from haechi.credentials import SecretSource
from haechi.errors import Damaged, SecretMissing, UsageMistake, WrongKey
from haechi.events import SILENT
from tests.unit.archive.ground import GLOBALS, SHOP, local, take

GPG = Encryption("gpg", passphrase=SecretSource.literal("비밀 passphrase"))


@pytest.fixture(scope="module")
def age() -> Encryption:
    identity, recipient = age_key()
    return Encryption("age", recipients=(recipient,), identity=SecretSource.literal(f"# a key\n{identity}\n"))


def age_key() -> tuple[str, str]:
    """A key pair in the words of age-keygen."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.generate()
    return (
        _bech32("age-secret-key-", key.private_bytes_raw()).upper(),
        _bech32("age", key.public_key().public_bytes_raw()),
    )


def _bech32(head: str, data: bytes) -> str:
    letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    bits = int.from_bytes(data, "big") << 4  # 256 bits are 51 letters and one bit
    values = [bits >> shift & 31 for shift in range(255, -1, -5)]
    spread = [ord(c) >> 5 for c in head] + [0] + [ord(c) & 31 for c in head]
    check = _polymod([*spread, *values, 0, 0, 0, 0, 0, 0]) ^ 1
    values += [check >> 5 * (5 - n) & 31 for n in range(6)]
    return head + "1" + "".join(letters[value] for value in values)


def _polymod(values: list[int]) -> int:
    made = 1
    for value in values:
        top = made >> 25
        made = (made & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            made ^= generator if top >> bit & 1 else 0
    return made


def both(age: Encryption) -> Iterator[Encryption]:
    yield GPG
    yield age


def sealed(encryption: Encryption, data: bytes, step: int = 300_000) -> bytes:
    sealer = encryption.sealer()
    made = b"".join(sealer.seal(data[n : n + step]) for n in range(0, len(data), step))
    return made + sealer.end()


def opened(encryption: Encryption, data: bytes, step: int = 250_000) -> bytes:
    return b"".join(encryption.open(data[n : n + step] for n in range(0, len(data), step)))


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 131072, (1 << 20) - 6, 1 << 20, (3 << 20) + 5])
def test_round_trip(age: Encryption, size: int) -> None:
    data = random.Random(size).randbytes(size)
    for encryption in both(age):
        assert opened(encryption, sealed(encryption, data)) == data


@settings(max_examples=15, deadline=None)
@given(st.binary(max_size=3000), st.integers(1, 100))
def test_pieces_of_any_size(data: bytes, step: int) -> None:
    identity, recipient = age_key()
    for encryption in both(
        Encryption("age", recipients=(recipient,), identity=SecretSource.literal(identity))
    ):
        assert opened(encryption, sealed(encryption, data, step), step) == data


def test_what_is_changed_or_cut_off_is_noticed(age: Encryption) -> None:
    data = os.urandom(200_000)
    for encryption in both(age):
        good = sealed(encryption, data)
        for at in [*range(0, 200, 7), *range(200, len(good), len(good) // 12), len(good) - 1]:
            changed = bytearray(good)
            changed[at] ^= 1
            with pytest.raises((Damaged, WrongKey)):
                opened(encryption, bytes(changed))
        for end in [0, 1, 20, 150, *range(200, len(good), len(good) // 9), len(good) - 1]:
            with pytest.raises((Damaged, WrongKey)):
                opened(encryption, good[:end])


def test_a_chunk_that_age_would_take_for_the_end_is_noticed(age: Encryption) -> None:
    """Cut exactly between two chunks."""
    good = sealed(age, bytes(65536 * 3))
    with pytest.raises(Damaged):
        opened(age, good[: len(good) - 65536 - 16])


def test_the_wrong_key_is_said_to_be_wrong(age: Encryption) -> None:
    other = Encryption("gpg", passphrase=SecretSource.literal("another"))
    with pytest.raises((WrongKey, Damaged)):  # one wrong passphrase in 65536 is noticed at the end only
        opened(other, sealed(GPG, b"x" * 100))
    with pytest.raises(WrongKey):
        b"".join(decrypt([sealed(age, b"x")], age_key()[0]))


def test_each_recipient_opens_it() -> None:
    keys = [age_key() for _n in range(3)]
    made = sealed(Encryption("age", recipients=tuple(public for _secret, public in keys)), b"for three")
    for secret, _public in keys:
        assert b"".join(decrypt([made], secret)) == b"for three"


@pytest.mark.parametrize("recipient", ["age1qqqq", "ssh-ed25519 AAAA", "", "AGE-SECRET-KEY-1QQQ"])
def test_a_mistyped_recipient_is_refused(recipient: str) -> None:
    with pytest.raises(UsageMistake):
        Encryption("age", recipients=(recipient,)).sealer()


def test_no_two_files_are_alike(age: Encryption) -> None:
    for encryption in both(age):
        assert sealed(encryption, b"same") != sealed(encryption, b"same")


def test_no_passphrase_is_a_plain_word(age: Encryption) -> None:
    with pytest.raises(SecretMissing):
        Encryption("gpg").sealer()
    with pytest.raises(SecretMissing):
        list(Encryption("age", recipients=age.recipients).open([b""]))
    assert "passphrase" not in repr(GPG).replace("passphrase=", "")


def test_an_archive_of_sealed_files(tmp_path: Path, age: Encryption) -> None:
    for encryption in both(age):
        archive = local(tmp_path / encryption.kind, encryption=encryption)
        copy = take(archive, GLOBALS, SHOP)
        assert copy.ref.endswith(f".sql.gz.{encryption.kind}")
        (point,) = archive.points()
        for name, _form, data in (SHOP, GLOBALS):
            assert archive.open_part(point, name).read() == data
        assert "sealed" not in archive.verify(point, "all", SILENT)


def test_a_machine_without_the_identity_writes_and_checks_but_does_not_read(
    tmp_path: Path, age: Encryption
) -> None:
    archive = local(tmp_path, encryption=Encryption("age", recipients=age.recipients))
    take(archive, SHOP)
    (point,) = archive.points()
    assert archive.verify(point, "all", SILENT)["sealed"] is True
    with pytest.raises(SecretMissing):
        archive.open_part(point, "shop.sql").read()
    assert local(tmp_path, encryption=age).open_part(point, "shop.sql").read() == SHOP[2]
    with pytest.raises(SecretMissing):
        local(tmp_path).open_part(point, "shop.sql").read()
