"""Words for people, in Korean and English.

Messages are written in English in the code, marked with `_()`, and looked up when they are made.
Numbers and names go in with `.format(name=...)` after the look-up, never by an f-string inside `_()`,
so that a translation may put them in another order. A test fails on a message without its translation.

A sentence remembers what it was made of (`recipe`), so that a record of it can be read in another language (`again`).
"""

from __future__ import annotations

import gettext
import locale
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

LANGUAGES = ("en", "ko")
_LOCALE = Path(__file__).parent / "locale"


@dataclass(frozen=True)
class _Tongue:
    language: str = "en"
    catalog: gettext.NullTranslations = field(default_factory=gettext.NullTranslations)
    is_chosen: bool = False

    @classmethod
    def of(cls, language: str, *, chosen: bool = True) -> _Tongue:
        known = language if language in LANGUAGES else "en"
        return cls(known, gettext.translation("haechi", _LOCALE, languages=[known], fallback=True), chosen)


_of_process = _Tongue()
_for_a_while: ContextVar[_Tongue | None] = ContextVar("for_a_while", default=None)


def _spoken() -> _Tongue:
    return _for_a_while.get() or _of_process


def use(language: str, *, chosen: bool = True) -> None:
    """Speak this language from now on; one that we do not know falls back to English. One that nobody `chosen` by a
    flag or a variable of ours gives way to the plan's."""
    global _of_process  # noqa: PLW0603 - one process speaks one language
    _of_process = _Tongue.of(language, chosen=chosen)


def follow(plan: str) -> None:
    """Speak as the plan says, unless somebody chose."""
    if plan in LANGUAGES and not _of_process.is_chosen:
        use(plan, chosen=False)


@contextmanager
def speaking(language: str | None) -> Iterator[None]:
    """This thread does, within the block; without one, as before."""
    token = _for_a_while.set(_Tongue.of(language) if language else _for_a_while.get())
    try:
        yield
    finally:
        _for_a_while.reset(token)


def language() -> str:
    return _spoken().language


def from_environment() -> str:
    """The language that the user's locale asks for: HAECHI_LANG first, then what gettext looks at."""
    for name in ("HAECHI_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value:
            code = locale.normalize(value).split("_")[0].split(".")[0].lower()
            return code if code in LANGUAGES else "en"
    return "en"


def _(message: str) -> str:
    if not message:
        return ""
    made = _made(_spoken().catalog.gettext(message))
    made.source = message
    return made


def plural(one: str, many: str, count: int, **named: object) -> str:
    """The right form for this count, with `{count}` and what else is named filled in."""
    made = _made(_spoken().catalog.ngettext(one, many, count))
    made.source, made.many = one, many
    return made.format(count=count, **named)


def N_(message: str) -> str:
    return message


def joined(separator: str, parts: Iterable[str]) -> str:
    """Sentences one after another, of which each can be said again."""
    every = tuple(parts)
    made = Message(separator.join(every))
    made.separator, made.parts = separator, every
    return made


def recipe(sentence: str) -> dict[str, Any]:
    """What this sentence was made of, as JSON can hold it; nothing of one that was not made of a message."""
    if not isinstance(sentence, Message):
        return {}
    if sentence.parts:
        return {"separator": sentence.separator, "parts": [_kept(part) for part in sentence.parts]}
    if not sentence.source:
        return {}
    many = {"many": sentence.many} if sentence.many else {}
    return {"message": sentence.source, **many, "named": {n: _kept(v) for n, v in sentence.named.items()}}


def _kept(value: object) -> object:
    made_of = recipe(value) if isinstance(value, str) else {}
    return made_of | {"said": str(value)} if made_of else value


def anew(sentence: str) -> str:
    """The sentence in the language that is spoken now."""
    return again(sentence, recipe(sentence))


def again(sentence: str, made_of: Mapping[str, Any] | None) -> str:
    """The same of one that came as text, with what it was made of; as it is where nobody knows that any more."""
    found = made_of or {}
    try:
        if "parts" in found:
            return joined(found["separator"], map(_part_again, found["parts"]))
        source, many = found.get("message"), found.get("many", "")
        if not source or not _is_known(source, many):
            return sentence
        named = {name: _part_again(value) for name, value in found["named"].items()}
        return plural(source, many, **named) if many else _(source).format(**named)
    except (AttributeError, LookupError, TypeError, ValueError):  # a record that an other version has written
        return sentence


def _part_again(value: Any) -> Any:
    return again(str(value["said"]), value) if isinstance(value, Mapping) else value


def _is_known(source: str, many: str) -> bool:
    """To the language that is spoken."""
    tongue = _spoken()
    found = tongue.catalog.ngettext(source, many, 1) if many else tongue.catalog.gettext(source)
    return tongue.language == "en" or found != source


def remade(text: str, made_of: Mapping[str, Any] | None) -> str:
    """A sentence that came as text, with what it was made of: it can be said again here as where it was made."""
    made, found = Message(text), made_of or {}
    made.source, made.many = found.get("message", ""), found.get("many", "")
    made.named = found.get("named", {})
    made.separator, made.parts = found.get("separator", ""), tuple(found.get("parts", ()))
    return made


class Message(str):
    """A message as it was looked up, and then as it was filled in."""

    source: str = ""  # in English, with what is to be filled in; nothing once nobody can tell any more
    many: str = ""  # the same for more than one
    named: Mapping[str, object] = MappingProxyType({})
    separator: str = ""
    parts: Sequence[object] = ()  # where it is several

    def format(self, *values: object, **named: object) -> str:
        made = type(self)(self._filled(*values, **named))
        made.source, made.many = self.source, self.many
        # Errors are among what is filled in, and would be kept alive with all that they hold.
        made.named = {n: v if isinstance(v, str | int | float) else str(v) for n, v in named.items()}
        return made

    def _filled(self, *values: object, **named: object) -> str:
        return super().format(*values, **named)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


class _Korean(Message):
    """A message whose particles fit what is filled in: “금고를”, “보관소가” and not “금고을(를)”."""

    def _filled(self, *values: object, **named: object) -> str:
        return _PARTICLE.sub(_fitting, super()._filled(*values, **named))


def _made(found: str) -> Message:
    return _Korean(found) if language() == "ko" else Message(found)


# After a Latin letter both stay, as one writes when the word's sound is not known.
_PARTICLE = re.compile(r"([가-힣0-9])([”’\"'`)\]}]*)(을\(를\)|이\(가\)|은\(는\)|과\(와\)|\(으\)로|\(이\))")
_WITHOUT = {"을(를)": "를", "이(가)": "가", "은(는)": "는", "과(와)": "와", "(으)로": "로", "(이)": ""}
_WITH = {"을(를)": "을", "이(가)": "이", "은(는)": "은", "과(와)": "과", "(으)로": "으로", "(이)": "이"}
_DIGITS = "영일이삼사오육칠팔구"
_RIEUL = 8  # 로 follows a final ㄹ as it follows a vowel


def _fitting(found: re.Match[str]) -> str:
    letter, closing, particle = found.groups()
    syllable = _DIGITS[int(letter)] if letter.isdigit() else letter
    final = (ord(syllable) - ord("가")) % 28
    bare = final == 0 or (final == _RIEUL and particle == "(으)로")
    return letter + closing + (_WITHOUT if bare else _WITH)[particle]
