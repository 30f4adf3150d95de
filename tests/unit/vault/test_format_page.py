"""docs/design/vault-format.md is enough to write a second reader: its examples decode, and by nothing of ours.

The reader below is written from the page alone, with a library for AES, Poly1305, scrypt and zstd and none of the
vault's rooms. Then our own rooms must agree with it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.poly1305 import Poly1305

from haechi.vault import config, index_files, nodes, trees
from haechi.vault.files import unpack
from haechi.vault.packing import Blob, Kind, blobs_of, decode_header, encode_header
from haechi.vault.sealing import SealingKey

PAGE = (Path(__file__).parents[3] / "docs" / "design" / "vault-format.md").read_text()
BLOCKS = {name: text for _kind, name, text in re.findall(r"```(hex|json) (\S+)\n(.*?)```", PAGE, re.DOTALL)}

HELLO = b"hello, vault\n"
LINES = b"one line again and again\n" * 40
Keys = tuple[bytes, bytes, bytes]
PAGE_KEYS: Keys = (bytes(range(32)), bytes(range(32, 48)), bytes(range(48, 64)))


def block(name: str) -> bytes:
    return bytes.fromhex("".join(BLOCKS[name].split()))


def open_sealed(keys: Keys, sealed: bytes) -> bytes:
    encrypt, k, r = keys
    clamped = bytearray(r)
    for place in (3, 7, 11, 15):
        clamped[place] &= 15
    for place in (4, 8, 12):
        clamped[place] &= 252
    iv, ciphertext, tag = sealed[:16], sealed[16:-16], sealed[-16:]
    nonce = Cipher(algorithms.AES(k), modes.ECB()).encryptor().update(iv)
    Poly1305.verify_tag(bytes(clamped) + nonce, ciphertext, tag)
    return Cipher(algorithms.AES(encrypt), modes.CTR(iv)).decryptor().update(ciphertext)


def test_sealing() -> None:
    assert SealingKey(*PAGE_KEYS).r == block("r")
    assert open_sealed(PAGE_KEYS, block("sealed")) == HELLO
    assert SealingKey(*PAGE_KEYS).open(block("sealed")) == HELLO


def test_the_key_file() -> None:
    found = json.loads(BLOCKS["key"])
    salt, sealed = base64.b64decode(found["salt"]), base64.b64decode(found["data"])
    raw = Scrypt(salt=salt, length=64, n=found["N"], r=found["r"], p=found["p"]).derive(b"open sesame")
    master = json.loads(open_sealed((raw[:32], raw[32:48], raw[48:]), sealed))
    part = base64.b64decode
    assert part(master["encrypt"]) == PAGE_KEYS[0]
    assert part(master["mac"]["k"]) == PAGE_KEYS[1]
    assert part(master["mac"]["r"]) == SealingKey(*PAGE_KEYS).r


def test_the_config() -> None:
    found = json.loads(open_sealed(PAGE_KEYS, block("config")))
    assert found["version"] == 2
    assert found["id"] == "0123456789abcdef" * 4
    assert config.is_irreducible(int(found["chunker_polynomial"], 16))


def test_the_pack() -> None:
    pack = block("pack")
    assert hashlib.sha256(pack).hexdigest() in PAGE
    (length,) = struct.unpack("<I", pack[-4:])
    header = open_sealed(PAGE_KEYS, pack[-4 - length : -4])
    assert header == block("header")
    place = offset = 0
    contents = []
    while place < len(header):
        kind = header[place]
        sealed_length, plain_length = struct.unpack_from("<II", header, place + 1)
        place += 9 if kind >= 2 else 5
        name = header[place : place + 32]
        place += 32
        plain = open_sealed(PAGE_KEYS, pack[offset : offset + sealed_length])
        offset += sealed_length
        if kind >= 2:
            plain = zstandard.ZstdDecompressor().decompress(plain)
            assert len(plain) == plain_length
        assert hashlib.sha256(plain).digest() == name
        contents.append((kind, plain))
    assert contents == [(0, HELLO), (2, LINES)]
    assert offset == len(pack) - 4 - length
    ours = blobs_of(SealingKey(*PAGE_KEYS), pack, len(pack))
    assert ours == decode_header(header)
    assert encode_header(ours) == header


def test_the_index() -> None:
    (pack,) = json.loads(BLOCKS["index"])["packs"]
    assert pack["id"] == hashlib.sha256(block("pack")).hexdigest()
    (ours,) = index_files.decode(BLOCKS["index"].encode())
    assert list(ours.blobs) == [
        Blob(hashlib.sha256(HELLO).digest(), Kind.DATA, 0, 45, 0),
        Blob(hashlib.sha256(LINES).digest(), Kind.DATA, 45, pack["blobs"][1]["length"], 1000),
    ]
    assert index_files.encode([ours]).decode() == BLOCKS["index"].strip()


def test_the_tree() -> None:
    tree = BLOCKS["tree"].strip().encode() + b"\n"
    assert hashlib.sha256(tree).hexdigest() in PAGE
    link, file = trees.decode(tree)
    assert (link.name, link.type, link.linktarget) == ('a "b"\udcff', "symlink", "<here>")
    assert (file.name, file.size, file.content) == ("hello.txt", 13, (hashlib.sha256(HELLO).hexdigest(),))
    assert trees.encode([nodes.encode(link), nodes.encode(file)]) == tree


def test_the_snapshot() -> None:
    stored = block("snapshot-file")
    assert f"snapshots/{hashlib.sha256(stored).hexdigest()}" in PAGE
    plain = open_sealed(PAGE_KEYS, stored)
    assert plain[:1] == b"\2"
    found: dict[str, Any] = json.loads(zstandard.ZstdDecompressor().decompress(plain[1:]))
    assert found == json.loads(BLOCKS["snapshot"]) == json.loads(unpack(plain))
    tree = BLOCKS["tree"].strip().encode() + b"\n"
    assert found["tree"] == hashlib.sha256(tree).hexdigest()


@pytest.mark.parametrize(
    "name", ["r", "sealed", "key", "config", "pack", "header", "index", "tree", "snapshot"]
)
def test_no_example_was_lost(name: str) -> None:
    assert BLOCKS[name].strip()
