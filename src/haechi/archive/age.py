"""Writes files that `age -d` opens with a key file, and reads them: the format age-encryption.org/v1, X25519.

The machine that makes the backups needs only the recipients (`age1…`): whoever breaks into it reads none of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Iterator, Sequence

from haechi.errors import Damaged, UsageMistake, WrongKey
from haechi.i18n import _

_INTRO = b"age-encryption.org/v1"
_LABEL = b"age-encryption.org/v1/X25519"
_CHUNK = 64 << 10
_TAG = 16
_LONGEST_HEADER = 1 << 20
_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


class Encryptor:
    """Seals one file for these recipients; each of them can open it."""

    def __init__(self, recipients: Sequence[str]):
        if not recipients:
            raise UsageMistake(
                _("Encryption with age wants at least one recipient."),
                hint=_(
                    "Make a key with `age-keygen -o key.txt` and put its public key (age1…) into the plan."
                ),
            )
        file_key = secrets.token_bytes(16)
        stanzas = b"".join(_wrap(file_key, _decode("age", name)) for name in recipients)
        header = _INTRO + b"\n" + stanzas + b"---"
        nonce = secrets.token_bytes(16)
        self._out = bytearray(header + b" " + _plain64(_header_mac(file_key, header)) + b"\n" + nonce)
        self._cipher = _Stream(_derive(file_key, nonce, b"payload"))
        self._held = bytearray()

    def seal(self, piece: bytes) -> bytes:
        self._held += piece
        while len(self._held) > _CHUNK:  # the last chunk is marked, so one is held back
            self._out += self._cipher.seal(bytes(self._held[:_CHUNK]), last=False)
            del self._held[:_CHUNK]
        return self._take()

    def end(self) -> bytes:
        self._out += self._cipher.seal(bytes(self._held), last=True)
        return self._take()

    def _take(self) -> bytes:
        out = bytes(self._out)
        self._out.clear()
        return out


def decrypt(pieces: Iterable[bytes], identities: str) -> Iterator[bytes]:
    """What is inside, each piece of it authenticated. `identities` is the text of a key file."""
    source = iter(pieces)
    stanzas, mac, signed, rest = _read_header(source)
    file_key = _unwrap(stanzas, [_decode("age-secret-key-", line) for line in _keys(identities)])
    if not hmac.compare_digest(_header_mac(file_key, signed), mac):
        raise _broken(_("its header was changed"))
    while len(rest) < 16:
        rest += _more(source)
    cipher = _Stream(_derive(file_key, bytes(rest[:16]), b"payload"))
    held = bytearray(rest[16:])
    for piece in source:
        held += piece
        while len(held) > _CHUNK + _TAG:
            yield cipher.open(bytes(held[: _CHUNK + _TAG]), last=False)
            del held[: _CHUNK + _TAG]
    while len(held) > _CHUNK + _TAG:
        yield cipher.open(bytes(held[: _CHUNK + _TAG]), last=False)
        del held[: _CHUNK + _TAG]
    yield cipher.open(bytes(held), last=True)


class _Stream:
    """ChaCha20-Poly1305 over numbered chunks, the last of them marked."""

    def __init__(self, key: bytes):
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        self._cipher = ChaCha20Poly1305(key)
        self._number = 0

    def _nonce(self, last: bool) -> bytes:
        number = self._number.to_bytes(11, "big")
        self._number += 1
        return number + (b"\x01" if last else b"\x00")

    def seal(self, chunk: bytes, *, last: bool) -> bytes:
        return self._cipher.encrypt(self._nonce(last), chunk, None)

    def open(self, chunk: bytes, *, last: bool) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(self._nonce(last), chunk, None)
        except InvalidTag:
            raise _broken(_("it was changed or ends too early")) from None


def _wrap(file_key: bytes, recipient: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    ephemeral = X25519PrivateKey.generate()
    share = ephemeral.public_key().public_bytes_raw()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient))
    sealed = _seal_key(_derive(shared, share + recipient, _LABEL), file_key)
    return b"-> X25519 " + _plain64(share) + b"\n" + _plain64(sealed) + b"\n"


def _unwrap(stanzas: Sequence[tuple[list[bytes], bytes]], identities: Sequence[bytes]) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    for words, body in stanzas:
        if len(words) != 2 or words[0] != b"X25519":
            continue
        share = _from64(words[1])
        for secret in identities:
            own = X25519PrivateKey.from_private_bytes(secret)
            shared = own.exchange(X25519PublicKey.from_public_bytes(share))
            key = _derive(shared, share + own.public_key().public_bytes_raw(), _LABEL)
            try:
                return ChaCha20Poly1305(key).decrypt(bytes(12), body, None)
            except InvalidTag:
                continue
    raise WrongKey(
        _("No key in the plan opens this file."),
        hint=_("Look for the identity whose public key was among the recipients when the file was made."),
    )


def _read_header(source: Iterator[bytes]) -> tuple[list[tuple[list[bytes], bytes]], bytes, bytes, bytearray]:
    data = bytearray()
    while (mark := data.find(b"\n---")) < 0 or (end := data.find(b"\n", mark + 4)) < 0:
        if len(data) > _LONGEST_HEADER:
            raise _broken(_("it is no age file"))
        data += _more(source)
    lines = bytes(data[:mark]).split(b"\n")
    if lines[0] != _INTRO:
        raise _broken(_("it is no age file"))
    stanzas: list[tuple[list[bytes], bytes]] = []
    body = b""
    for line in [*lines[1:], b"-> end"]:
        if line.startswith(b"-> "):
            if stanzas:
                stanzas[-1] = (stanzas[-1][0], _from64(body))
            stanzas.append((line[3:].split(b" "), b""))
            body = b""
        else:
            body += line
    mac = _from64(bytes(data[mark + 5 : end]))
    return stanzas[:-1], mac, bytes(data[: mark + 4]), data[end + 1 :]


def _more(source: Iterator[bytes]) -> bytes:
    piece = next(source, None)
    if piece is None:
        raise _broken(_("it ends too early"))
    return piece


def _keys(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _seal_key(key: bytes, file_key: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    return ChaCha20Poly1305(key).encrypt(bytes(12), file_key, None)


def _derive(secret: bytes, salt: bytes, info: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt, info).derive(secret)


def _header_mac(file_key: bytes, header: bytes) -> bytes:
    return hmac.new(_derive(file_key, b"", b"header"), header, hashlib.sha256).digest()


def _plain64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _from64(data: bytes) -> bytes:
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
    except ValueError:
        raise _broken(_("it is no age file")) from None


def _decode(prefix: str, text: str) -> bytes:
    """A key in Bech32: five bits a letter, with a checksum of six letters."""
    lower = text.strip().lower()
    head, _one, letters = lower.rpartition("1")
    values = [_ALPHABET.find(letter) for letter in letters]
    if head != prefix or -1 in values or _checksum(head, values) != 1:
        raise UsageMistake(
            _("That is no age key of the kind that begins with {prefix}1.").format(prefix=prefix),
            hint=_("Make one with: age-keygen -o key.txt"),
        )
    bits = 0
    for value in values[:-6]:
        bits = bits << 5 | value
    spare = (len(values) - 6) * 5 % 8
    return (bits >> spare).to_bytes((len(values) - 6) * 5 // 8, "big")


def _checksum(head: str, values: Sequence[int]) -> int:
    spread = [ord(c) >> 5 for c in head] + [0] + [ord(c) & 31 for c in head]
    sum_ = 1
    for value in (*spread, *values):
        top = sum_ >> 25
        sum_ = (sum_ & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            sum_ ^= generator if top >> bit & 1 else 0
    return sum_


def _broken(reason: str) -> Damaged:
    return Damaged(
        _("The encrypted file cannot be read: {reason}.").format(reason=reason),
        hint=_("Try `age -d` on it, or use another copy of this restore point."),
    )
