"""Schedules in Korean words, turned into the English ones: "매주 일요일 03:00" is "weekly sunday 03:00"."""

from __future__ import annotations

import re

_DAYS = dict(
    zip(
        "월화수목금토일",
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
        strict=True,
    )
)
_RULES: tuple[tuple[str, str], ...] = (
    (r"오전\s*(\d{1,2})(?:시|(?=:))", r"am \1시"),
    (r"오후\s*(\d{1,2})(?:시|(?=:))", r"pm \1시"),
    (r"(\d+)\s*시간\s*마다", r"every \1h"),
    (r"(\d+)\s*분\s*마다", r"every \1m"),
    (r"(\d+)\s*일\s*마다", r"every \1d"),
    (r"(\d+)\s*주\s*마다", r"every \1w"),
    (r"매시간?\s+(\d{1,2})\s*분", r"hourly :\1"),
    (r"매시간|매시", "hourly"),
    (r"매일", "daily"),
    (r"매주", "weekly"),
    (r"매월|매달", "monthly"),
    (r"분기별?|매분기", "quarterly"),
    (r"매년\s*(\d{1,2})월\s*(\d{1,2})일", r"yearly \1-\2"),
    (r"매년", "yearly"),
    (r"평일", "weekdays"),
    (r"주말", "weekends"),
    (r"(?<![가-힣])마지막\s*날", "last"),
    (r"첫째?\s*주?\s*(?=[월화수목금토일]요일)", "first "),
    (r"마지막\s*주?\s*(?=[월화수목금토일]요일)", "last "),
    (r"(\d{1,2})일(?![가-힣])", r"\1"),
    (r"(\d{1,2})시\s*:?(\d{1,2})분?", r"\1:\2"),
    (r"(\d{1,2})시(?![가-힣])", r"\1:00"),
    (r"\b(am|pm) (\d{1,2}:\d{1,2})", r"\2 \1"),
)


def in_english(words: str) -> str:
    """Words without any Korean come back as they are."""
    if words.isascii():
        return words
    for pattern, english in _RULES:
        words = re.sub(pattern, english, words)
    words = re.sub(
        r"(?<![가-힣\d])([월화수목금토일])(?:요일)?(?![가-힣])", lambda found: _DAYS[found[1]], words
    )
    return re.sub(r":(\d)\b(?!\d)", r":0\1", words)
