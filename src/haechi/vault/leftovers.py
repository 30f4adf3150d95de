"""What broken-off uploads leave on storages that show half an object under its name."""

from __future__ import annotations

import hashlib

import zstandard
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from haechi.vault.files import Files
from haechi.vault.sealing import OVERHEAD

_IV = _TAG = 16


def is_cut_off(files: Files, kind: str, name: str) -> bool:
    """Whether this small file, whose name is not its digest, is the beginning of one and not a damaged one.

    What is cut off has lost its tag, so nothing of it is believed; but decrypted it is compressed JSON whose
    end is missing, and a file of the full length with a flipped bit is not.
    """
    stored = files.store.get(f"{kind}/{name}")
    if len(stored) <= OVERHEAD:
        return True
    if hashlib.sha256(stored).hexdigest() == name:
        return False
    plain = _decrypt_unchecked(files, stored)
    if plain[:1] != b"\x02":
        return plain[:1] in (b"{", b"[") and not plain[:-_TAG].endswith((b"}", b"]"))
    unpacking = zstandard.ZstdDecompressor().decompressobj()
    try:
        unpacking.decompress(memoryview(plain)[1:])
    except zstandard.ZstdError:
        return False
    return not unpacking.eof or len(unpacking.unused_data) < _TAG


def _decrypt_unchecked(files: Files, stored: bytes) -> bytes:
    """All that stands after the initialisation vector, the tag too if there is one: a whole file ends in noise."""
    cipher = Cipher(algorithms.AES(files.key.encrypt), modes.CTR(stored[:_IV]))
    return bytes(cipher.decryptor().update(stored[_IV:]))
