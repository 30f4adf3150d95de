from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.vault import gojson

names = st.binary(min_size=1, max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@given(names)
def test_any_name_comes_back(name: str) -> None:
    assert gojson.unquote(gojson.quote(name)) == name


@given(names)
def test_a_quoted_name_is_text_that_json_can_hold(name: str) -> None:
    text = gojson.string(gojson.quote(name))
    assert json.loads(text) == gojson.quote(name)
    text.encode()  # no lone surrogate is left


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("plain.txt", "plain.txt"),
        ("한글 파일", "한글 파일"),
        ('a"b', 'a\\"b'),
        ("a\\b", "a\\\\b"),
        ("tab\there", "tab\\there"),
        ("bell\a", "bell\\a"),
        ("\x01", "\\x01"),
        ("\x7f", "\\x7f"),
        ("bad\udcff", "bad\\xff"),
        ("\u00a0", "\\u00a0"),  # a space that is not ASCII's is not printable
        ("\u200b", "\\u200b"),
        ("\U000e0001", "\\U000e0001"),
        ("😀", "😀"),
        ("'", "'"),
    ],
)
def test_names_are_quoted_as_go_does(name: str, quoted: str) -> None:
    assert gojson.quote(name) == quoted
    assert gojson.unquote(quoted) == name


def test_other_writers_escapes_are_understood() -> None:
    assert gojson.unquote("\\101\\x41\\u0041\\U00000041\\'") == "AAAA'"
    assert gojson.unquote("\\xed\\x95\\x9c") == "한"
    with pytest.raises(ValueError, match="escape"):
        gojson.unquote("\\q")


def test_json_strings_are_escaped_as_go_does() -> None:
    assert gojson.string("<&>") == '"\\u003c\\u0026\\u003e"'
    assert gojson.string('"\\\n\r\t\x01') == '"\\"\\\\\\n\\r\\t\\u0001"'
    assert gojson.string("\u2028\u2029") == '"\\u2028\\u2029"'
    assert gojson.string("\udc80") == '"\\ufffd"'


@given(st.integers(-(2**55), 2**62))
def test_times_come_back_to_the_nanosecond(moment: int) -> None:
    assert gojson.time_to_ns(gojson.time_from_ns(moment)) == moment


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_790_000_000_123_456_789, "2026-09-21T14:13:20.123456789Z"),
        (1 << 80, "9999-12-31T00:00:00.174706176Z"),
    ],
)
def test_times_are_written_as_go_does(nanoseconds: int, text: str) -> None:
    assert gojson.time_from_ns(nanoseconds) == text


@given(st.datetimes(min_value=datetime(1000, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_a_zone_is_kept(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    try:
        aware.astimezone(UTC)
    except OverflowError:
        return
    back = gojson.time_to(gojson.time_from(aware))
    assert back == aware
    assert back.utcoffset() == aware.utcoffset()


def test_a_time_with_a_zone_is_understood() -> None:
    assert gojson.time_to_ns("2026-07-01T21:00:00.5+09:00") == gojson.time_to_ns("2026-07-01T12:00:00.5Z")
    assert gojson.time_to_ns("0001-01-01T00:00:00Z") < 0
    with pytest.raises(ValueError, match="not a time"):
        gojson.time_to_ns("yesterday")
