"""A second reader, from docs/design/vault-format.md alone: it restores the frozen vaults with none of our rooms."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from tests.integration.programs.test_golden import EXPECTED, GOLDEN
from tests.unit.vault.test_format_page import Keys, open_sealed

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", '"': '"'}
_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))")


class SecondReader:
    def __init__(self, path: Path, passphrase: bytes):
        self.path = path
        self.keys = self._unlock(passphrase)
        self.version = json.loads(open_sealed(self.keys, (path / "config").read_bytes()))["version"]
        self.places = {
            blob["id"]: (pack["id"], blob)
            for index in self._documents("index")
            for pack in index["packs"]
            for blob in pack["blobs"]
        }

    def _unlock(self, passphrase: bytes) -> Keys:
        for file in (self.path / "keys").iterdir():
            found = json.loads(file.read_bytes())
            salt = base64.b64decode(found["salt"])
            raw = Scrypt(salt=salt, length=64, n=found["N"], r=found["r"], p=found["p"]).derive(passphrase)
            try:
                plain = open_sealed((raw[:32], raw[32:48], raw[48:]), base64.b64decode(found["data"]))
            except InvalidSignature:
                continue
            master = json.loads(plain)
            return tuple(map(base64.b64decode, (master["encrypt"], master["mac"]["k"], master["mac"]["r"])))  # type: ignore[return-value]
        raise AssertionError("no key opens with this passphrase")

    def _documents(self, kind: str) -> Iterator[dict[str, Any]]:
        for file in (self.path / kind).iterdir():
            stored = file.read_bytes()
            assert hashlib.sha256(stored).hexdigest() == file.name
            plain = open_sealed(self.keys, stored)
            yield json.loads(_unpacked(plain[1:]) if plain[:1] == b"\2" else plain)

    def blob(self, name: str) -> bytes:
        pack, place = self.places[name]
        with (self.path / "data" / pack[:2] / pack).open("rb") as file:
            file.seek(place["offset"])
            plain = open_sealed(self.keys, file.read(place["length"]))
        if "uncompressed_length" in place:
            plain = _unpacked(plain)
        assert hashlib.sha256(plain).hexdigest() == name
        return plain

    def files(self) -> dict[str, bytes]:
        (snapshot,) = self._documents("snapshots")
        return dict(self._below(snapshot["tree"], ""))

    def _below(self, tree: str, path: str) -> Iterator[tuple[str, bytes]]:
        for node in json.loads(self.blob(tree))["nodes"] or ():
            name = path + _unquoted(node["name"])
            if node["type"] == "dir":
                yield from self._below(node["subtree"], f"{name}/")
            elif node["type"] == "file":
                yield name, b"".join(map(self.blob, node["content"]))


def _unpacked(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def _unquoted(name: str) -> str:
    """Go's strconv.Quote undone; bytes that are not UTF-8 as Python writes them in file names."""

    def one(found: re.Match[bytes]) -> bytes:
        byte, short, long, other = found.groups()
        if byte:
            return bytes.fromhex(byte.decode())
        return (chr(int(short or long, 16)) if short or long else _ESCAPES[other.decode()]).encode()

    return _ESCAPE.sub(one, name.encode()).decode(errors="surrogateescape")


@pytest.mark.parametrize("name", ["haechi-v1", "haechi-v2", "restic-v1", "restic-v2"])
def test_it_restores_the_frozen_vaults(name: str) -> None:
    reader = SecondReader(GOLDEN / name, b"golden")
    assert reader.version == int(name[-1])
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in reader.files().items()}
    assert digests == {
        path: entry["sha256"]
        for path, entry in EXPECTED.items()
        if "sha256" in entry and (path != "cut" or name.endswith("2"))
    }
