"""AES-256-CTR with Poly1305-AES: how every byte in a vault is encrypted and authenticated.

A sealed thing is IV (16 random bytes) || ciphertext || tag (16). The tag's one-time key is r || AES-128_k(IV).
"""

from __future__ import annotations

import hmac
import os
import threading
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from haechi.errors import Damaged
from haechi.i18n import _

Buffer = bytes | bytearray | memoryview

OVERHEAD = 32
_IV = 16
_RANDOM_AT_ONCE = 256  # initialisation vectors fetched with one call of the system


def clamp(r: bytes) -> bytes:
    """Poly1305's r with the bits cleared that its authors want cleared."""
    clamped = bytearray(r)
    for i in (3, 7, 11, 15):
        clamped[i] &= 15
    for i in (4, 8, 12):
        clamped[i] &= 252
    return bytes(clamped)


class _Contexts(threading.local):
    """Cipher contexts of one thread: making one costs more than sealing a small file with it."""

    def __init__(self, encrypt: bytes, k: bytes) -> None:
        zero = bytes(_IV)
        self.seal: Any = Cipher(algorithms.AES(encrypt), modes.CTR(zero)).encryptor()
        self.open: Any = Cipher(algorithms.AES(encrypt), modes.CTR(zero)).decryptor()
        self.nonce: Any = Cipher(algorithms.AES(k), modes.ECB()).encryptor()
        self.random = b""
        self.used = 0

    def iv(self) -> bytes:
        if self.used >= len(self.random):
            self.random = os.urandom(_IV * _RANDOM_AT_ONCE)
            self.used = 0
        self.used += _IV
        return self.random[self.used - _IV : self.used]


class SealingKey:
    """The three keys that seal and open: for AES-256, for AES-128 and for Poly1305. Safe in many threads."""

    __slots__ = ("_contexts", "encrypt", "k", "r")

    def __init__(self, encrypt: bytes, k: bytes, r: bytes):
        self.encrypt = encrypt
        self.k = k
        self.r = clamp(r)
        self._contexts = _Contexts(encrypt, k)

    @classmethod
    def generate(cls) -> SealingKey:
        return cls(os.urandom(32), os.urandom(16), os.urandom(16))

    def __repr__(self) -> str:
        return "SealingKey(********)"

    def seal(self, plain: Buffer) -> bytes:
        contexts = self._contexts
        iv = contexts.iv()
        contexts.seal.reset_nonce(iv)
        ciphertext = contexts.seal.update(plain)
        tag = Poly1305.generate_tag(self.r + contexts.nonce.update(iv), ciphertext)
        return b"".join((iv, ciphertext, tag))

    def open(self, sealed: Buffer) -> bytes:
        """Raises Damaged when a single bit differs, or the key is another."""
        view = memoryview(sealed)
        if len(view) < OVERHEAD:
            raise broken()
        contexts = self._contexts
        iv, ciphertext = bytes(view[:_IV]), view[_IV:-16]
        tag = Poly1305.generate_tag(self.r + contexts.nonce.update(iv), ciphertext)
        if not hmac.compare_digest(tag, view[-16:]):
            raise broken()
        contexts.open.reset_nonce(iv)
        plain: bytes = contexts.open.update(ciphertext)
        return plain


def broken() -> Damaged:
    return Damaged(
        _("Sealed data does not pass its check: it was changed, cut off, or sealed with another key."),
        hint=_("Run `haechi vault check` to see what is damaged, and `haechi vault heal` to mend it."),
    )
