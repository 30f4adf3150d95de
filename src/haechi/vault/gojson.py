r"""JSON, names and times exactly as Go writes them: a tree's bytes are its name, so each must match.

A name in a tree goes through Go's strconv.Quote first (so that it can be any bytes) and then through
encoding/json, which also escapes `<`, `>` and `&`. Names are `str` here, as `os.fsdecode` makes them:
bytes that are not UTF-8 are lone surrogates.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

is_plain = re.compile(r"[A-Za-z0-9_.,:;=+@#%^~!$()\[\]{} /'*?|`-]*").fullmatch  # needs no escapes at all
_HARMLESS = re.compile(r"[^\"\\\x00-\x1f<>&\u2028\u2029\ud800-\udfff]*").fullmatch
_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_UNESCAPES = {escape[1]: char for char, escape in _ESCAPES.items()} | {"\\": "\\", '"': '"', "'": "'"}
_QUOTED = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([abfnrtv\\\"']))|\\"
)
_JSON_ESCAPES = {
    '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t",
    "<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029",
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(?:Z|([+-])(\d\d):(\d\d))").fullmatch


def quote(name: str) -> str:
    """strconv.Quote without the quotation marks around it."""
    if is_plain(name):
        return name
    return "".join(_quoted(char) for char in name)


def _quoted(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if char in '"\\':
        return "\\" + char
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unquote(quoted: str) -> str:
    """What strconv.Unquote gives back. Raises ValueError for an escape that Go does not know."""
    if "\\" not in quoted:
        return quoted
    # Escaped bytes may form UTF-8 together, so the detour over bytes.
    whole = bytearray()
    place = 0
    for match in _QUOTED.finditer(quoted):
        whole += quoted[place : match.start()].encode("utf-8", "surrogateescape")
        place = match.end()
        whole += _unquoted(match)
    whole += quoted[place:].encode("utf-8", "surrogateescape")
    return whole.decode("utf-8", "surrogateescape")


def _unquoted(match: re.Match[str]) -> bytes:
    hexed, octal, short, long, letter = match.groups()
    if hexed or octal:
        value = int(hexed, 16) if hexed else int(octal, 8)
        return bytes((value,))
    if short or long:
        return chr(int(short or long, 16)).encode()
    if letter:
        return _UNESCAPES[letter].encode()
    raise ValueError("an unknown escape in a quoted name")


def string(text: str) -> str:
    """A JSON string, with its quotation marks."""
    if _HARMLESS(text):
        return f'"{text}"'
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in _JSON_ESCAPES:
        return _JSON_ESCAPES[char]
    if char < " ":
        return f"\\u{ord(char):04x}"
    if "\ud800" <= char <= "\udfff":
        return "\\ufffd"
    return char


def time_from_ns(nanoseconds: int) -> str:
    """RFC 3339 in UTC, with as many digits of a second as are needed: Go's time.RFC3339Nano."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    if rest:
        return f"{_whole_second(seconds)}.{rest:09d}".rstrip("0") + "Z"
    return _whole_second(seconds) + "Z"


@lru_cache(8192)  # the files of a tree were often written in the same seconds
def _whole_second(seconds: int) -> str:
    try:
        return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]
    except OverflowError:  # a file system's nonsense; Go writes the nearest year that it can, so do we
        return "9999-12-31T00:00:00" if seconds > 0 else "0001-01-01T00:00:00"


def time_from(moment: datetime) -> str:
    """An aware datetime, kept in its own zone."""
    text = moment.isoformat()[:19]
    if moment.microsecond:
        text += f".{moment.microsecond:06d}".rstrip("0")
    offset = moment.utcoffset() or timedelta()
    if not offset:
        return text + "Z"
    sign = "-" if offset < timedelta() else "+"
    minutes = int(abs(offset).total_seconds()) // 60
    return f"{text}{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def time_to_ns(text: str) -> int:
    """Nanoseconds since 1970. Raises ValueError for what is not RFC 3339."""
    match = _TIME(text)
    if match is None:
        raise ValueError(f"not a time: {text!r}")
    whole, fraction, sign, zone_hours, zone_minutes = match.groups()
    seconds = _seconds(whole)
    if sign:
        shift = int(zone_hours) * 3600 + int(zone_minutes) * 60
        seconds += shift if sign == "-" else -shift
    return seconds * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))


@lru_cache(8192)
def _seconds(whole: str) -> int:
    if whole.startswith("0000"):  # Go knows a year 0 and Python does not; only nonsense is bent here
        whole = "0001" + whole[4:]
    since = datetime.fromisoformat(whole + "+00:00") - _EPOCH
    return since.days * 86400 + since.seconds


def time_to(text: str) -> datetime:
    """An aware datetime in the zone it was written in, to the microsecond."""
    nanoseconds = time_to_ns(text)
    match = _TIME(text)
    moment = _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    if match is None or not match[3]:
        return moment
    shift = timedelta(hours=int(match[4]), minutes=int(match[5]))
    return moment.astimezone(timezone(shift if match[3] == "+" else -shift))
