"""The checksum at the end of Redis' files: CRC-64 by Jones, reflected, at many megabytes a second.

No library for Python has this one, and byte by byte it would be slower than the disk. A checksum is a remainder of
polynomials: a long message may be folded in two by multiplying its first half with one remainder, and that is a few
dozen shifts and XORs of very long integers, which Python does as fast as memory allows.
"""

from __future__ import annotations

from functools import cache

_POLYNOMIAL = 0xAD93D23594C935A9  # x^64 is left out
_BITS = 64
_SHORT = 1 << 11  # bits, below which a table is quicker


def update(crc: int, data: bytes | memoryview) -> int:
    """The checksum of what came before and of this."""
    bits = len(data) * 8
    if bits < _SHORT:
        return _by_table(crc, data)
    # Bit by bit in the order of the stream, the first one lowest.
    message = int.from_bytes(data, "little") ^ crc
    while bits >= _SHORT:
        first = (bits - _BITS) // 16 * 8
        rest = bits - first
        early = message & ((1 << first) - 1)
        message >>= first
        room = rest - first
        for power in _powers(rest):
            message ^= early << (room - power)
        bits = rest
    return _by_table(0, message.to_bytes(bits // 8, "little"))


@cache
def _powers(exponent: int) -> tuple[int, ...]:
    """The terms of x^exponent, reduced."""
    found, base = 1, 2
    while exponent:
        if exponent & 1:
            found = _multiplied(found, base)
        base = _multiplied(base, base)
        exponent >>= 1
    return tuple(power for power in range(_BITS) if found >> power & 1)


def _multiplied(one: int, other: int) -> int:
    found = 0
    while other:
        if other & 1:
            found ^= one
        other >>= 1
        one <<= 1
        if one >> _BITS:
            one = (one ^ _POLYNOMIAL) & ((1 << _BITS) - 1)
    return found


def _by_table(crc: int, data: bytes | memoryview) -> int:
    table = _table()
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


@cache
def _table() -> tuple[int, ...]:
    reflected = int(f"{_POLYNOMIAL:064b}"[::-1], 2)
    made = []
    for value in range(256):
        for _bit in range(8):
            value = value >> 1 ^ (reflected if value & 1 else 0)  # noqa: PLW2901
        made.append(value)
    return tuple(made)
