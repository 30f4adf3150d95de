"""Writes files that `gpg -d` opens with a passphrase, and reads those and the ones that `gpg -c` makes.

OpenPGP (RFC 4880): a session key from the passphrase (iterated and salted S2K, SHA-256), then the data under
AES-256 with its modification detection code, in pieces of partial length. In process and not through the gpg
program, which wants an agent and a home directory of its own for every passphrase that it is handed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from haechi.errors import Damaged, WrongKey
from haechi.i18n import _

_AES = {7: 16, 8: 24, 9: 32}  # OpenPGP's number of the cipher: bytes of its key
_AES256 = 9
_HASHES = {2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224"}
_SHA256 = 8
_COUNT_CODE = 0xEE  # 31,457,280 bytes are hashed: a tenth of a second for us, and for each guess
_SESSION, _LITERAL, _COMPRESSED, _SEALED, _MARKER = 3, 11, 8, 18, 10
_PARTIAL = 20  # pieces of 2^20 bytes
_MDC_HEAD = b"\xd3\x14"


class Writer:
    """Seals one file under a passphrase."""

    def __init__(self, passphrase: bytes):
        salt = secrets.token_bytes(8)
        key = _stretch(passphrase, "sha256", salt, _count(_COUNT_CODE), _AES[_AES256])
        session = bytes([4, _AES256, 3, _SHA256]) + salt + bytes([_COUNT_CODE])
        self._out = bytearray(
            _packet_head(_SESSION) + bytes([len(session)]) + session + _packet_head(_SEALED)
        )
        self._body = bytearray(b"\x01")  # version of the sealed packet; partial pieces are cut from here
        self._cipher = _cfb(key).encryptor()
        self._mdc = hashlib.sha1(usedforsecurity=False)
        block = secrets.token_bytes(16)
        self._inside(block + block[-2:])  # lets a reader see at once whether the key fits
        self._literal = bytearray(b"b\x00" + bytes(4))  # binary, no name, no date
        self._inside(_packet_head(_LITERAL))

    def seal(self, piece: bytes) -> bytes:
        self._literal += piece
        size = 1 << _PARTIAL
        while len(self._literal) >= size:
            self._inside(bytes([224 + _PARTIAL]) + bytes(self._literal[:size]))
            del self._literal[:size]
        return self._take()

    def end(self) -> bytes:
        self._inside(_length(len(self._literal)) + bytes(self._literal))
        self._mdc.update(_MDC_HEAD)
        self._body += self._cipher.update(_MDC_HEAD + self._mdc.digest()) + self._cipher.finalize()
        self._cut()
        self._out += _length(len(self._body)) + self._body
        return self._take()

    def _inside(self, data: bytes) -> None:
        self._mdc.update(data)
        self._body += self._cipher.update(data)
        self._cut()

    def _cut(self) -> None:
        size = 1 << _PARTIAL
        while len(self._body) >= size:
            self._out.append(224 + _PARTIAL)
            self._out += self._body[:size]
            del self._body[:size]

    def _take(self) -> bytes:
        out = bytes(self._out)
        self._out.clear()
        return out


def read(pieces: Iterable[bytes], passphrase: bytes) -> Iterator[bytes]:
    """What is inside. Raises WrongKey at once, and Damaged at the end unless nothing was changed."""
    outer = _Packets(iter(pieces))
    key = b""
    while True:
        tag = outer.next_packet()
        if tag == _MARKER:
            outer.read_all()
        elif tag == _SESSION:
            key = _session_key(outer.read_all(), passphrase)
        elif tag == _SEALED and key:
            break
        else:
            raise _broken(_("it is not encrypted with a passphrase alone"))
    if outer.read(1) != b"\x01":
        raise _broken(_("this way of encryption is not known here"))
    inner = _Packets(_unseal(outer, key))
    yield from _content(inner)
    for _rest in inner.body():  # the code at the end is checked when the end is reached
        pass
    inner.exhaust()


def _content(packets: _Packets) -> Iterator[bytes]:
    tag = packets.next_packet()
    if tag == _COMPRESSED:
        method = packets.read(1)[0]
        yield from _content(_Packets(_inflate(method, packets.body())))
    elif tag == _LITERAL:
        head = packets.read(2)
        packets.read(head[1] + 4)
        yield from packets.body()
    else:
        raise _broken(_("it holds no file"))


def _inflate(method: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    if method == 0:
        yield from pieces
        return
    if method not in (1, 2):
        raise _broken(_("its compression is not known here"))
    inflater = zlib.decompressobj(-15 if method == 1 else 15)
    for piece in pieces:
        rest = piece
        while rest:
            yield inflater.decompress(rest, 1 << 20)
            rest = inflater.unconsumed_tail
    yield inflater.flush()


def _unseal(outer: _Packets, key: bytes) -> Iterator[bytes]:
    """The packets inside, without the code at their end, which is held to what went before it."""
    cipher = _cfb(key).decryptor()
    mdc = hashlib.sha1(usedforsecurity=False)
    held, begun = b"", False
    for piece in outer.body():
        held += cipher.update(piece)
        if not begun and len(held) >= 18:
            if held[14:16] != held[16:18]:
                raise WrongKey(
                    _("The passphrase does not open this file."),
                    hint=_("Look for the passphrase that was in the plan when the file was made."),
                )
            mdc.update(held[:18])
            held, begun = held[18:], True
        if begun and len(held) > 22:
            out, held = held[:-22], held[-22:]
            mdc.update(out)
            yield out
    mdc.update(_MDC_HEAD)
    if not begun or held[:2] != _MDC_HEAD or not hmac.compare_digest(held[2:], mdc.digest()):
        raise _broken(_("its end is missing or it was changed"))


class _Packets:
    """Reads packets one after another, with lengths old and new, known and partial."""

    def __init__(self, pieces: Iterator[bytes]):
        self._pieces = pieces
        self._buffer = b""
        self._at = 0
        self._left: int | None = 0  # of this packet, or of its piece; None: to the end
        self._more = False

    def next_packet(self) -> int:
        head = self._raw(1)
        if not head or not head[0] & 0x80:
            raise _broken(_("it is no OpenPGP file"))
        self._more = False
        if head[0] & 0x40:
            self._new_length()
            return head[0] & 0x3F
        kind = head[0] & 3
        self._left = None if kind == 3 else int.from_bytes(self._exact(1 << kind), "big")
        return (head[0] >> 2) & 0xF

    def _new_length(self) -> None:
        first = self._exact(1)[0]
        self._more = 224 <= first < 255
        if self._more:
            self._left = 1 << (first & 0x1F)
        elif first < 192:
            self._left = first
        elif first < 224:
            self._left = ((first - 192) << 8) + self._exact(1)[0] + 192
        else:
            self._left = int.from_bytes(self._exact(4), "big")

    def read(self, count: int) -> bytes:
        """Exactly so many bytes of this packet's body."""
        made = b""
        while len(made) < count:
            piece = self._some(count - len(made))
            if not piece:
                raise _broken(_("it ends too early"))
            made += piece
        return made

    def read_all(self) -> bytes:
        return b"".join(self.body())

    def body(self) -> Iterator[bytes]:
        while piece := self._some(1 << 20):
            yield piece

    def exhaust(self) -> None:
        while self._raw(1 << 20):
            pass

    def _some(self, count: int) -> bytes:
        while self._left == 0 and self._more:
            self._new_length()
        if self._left is None:
            return self._raw(count)
        if self._left == 0:
            return b""
        piece = self._raw(min(count, self._left))
        if not piece:
            raise _broken(_("it ends too early"))
        self._left -= len(piece)
        return piece

    def _exact(self, count: int) -> bytes:
        made = b""
        while len(made) < count:
            piece = self._raw(count - len(made))
            if not piece:
                raise _broken(_("it ends too early"))
            made += piece
        return made

    def _raw(self, count: int) -> bytes:
        while self._at == len(self._buffer):
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._buffer, self._at = piece, 0
        out = self._buffer[self._at : self._at + count]
        self._at += len(out)
        return out


def _session_key(body: bytes, passphrase: bytes) -> bytes:
    version, cipher, s2k, digest = body[0], body[1], body[2], _HASHES.get(body[3])
    if version != 4 or cipher not in _AES or digest is None or s2k not in (1, 3):
        raise _broken(_("this way of encryption is not known here"))
    count = _count(body[12]) if s2k == 3 else 0
    rest = body[13 if s2k == 3 else 12 :]
    key = _stretch(passphrase, digest, body[4:12], count, _AES[cipher])
    if not rest:
        return key
    opened: bytes = _cfb(key).decryptor().update(rest)
    if opened[0] not in _AES or len(opened) != 1 + _AES[opened[0]]:
        raise WrongKey(
            _("The passphrase does not open this file."),
            hint=_("Name the one with which it was made, under `encrypt` in the plan."),
        )
    return opened[1:]


def _stretch(passphrase: bytes, digest: str, salt: bytes, count: int, size: int) -> bytes:
    unit = salt + passphrase
    count = max(count, len(unit))
    key = b""
    for zeros in range(4):
        if len(key) >= size:
            break
        made = hashlib.new(digest, bytes(zeros), usedforsecurity=False)
        block = unit * (65536 // len(unit) + 1)
        whole, rest = divmod(count, len(block))
        for _round in range(whole):
            made.update(block)
        made.update(block[:rest])
        key += made.digest()
    return key[:size]


def _count(code: int) -> int:
    return (16 + (code & 15)) << ((code >> 4) + 6)


def _cfb(key: bytes) -> Any:
    from cryptography.hazmat.decrepit.ciphers.modes import CFB
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES

    return Cipher(AES(key), CFB(bytes(16)))


def _packet_head(tag: int) -> bytes:
    return bytes([0xC0 | tag])


def _length(count: int) -> bytes:
    if count < 192:
        return bytes([count])
    return b"\xff" + count.to_bytes(4, "big")


def _broken(reason: str) -> Damaged:
    return Damaged(
        _("The encrypted file cannot be read: {reason}.").format(reason=reason),
        hint=_("Try `gpg -d` on it, or use another copy of this restore point."),
    )
