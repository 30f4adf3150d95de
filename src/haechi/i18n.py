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
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

LANGUAGES = ("en", "ko")
_LOCALE = Path(__file__).parent / "locale"
_catalog: gettext.NullTranslations = gettext.NullTranslations()
_language = "en"
_is_chosen = False


def use(language: str, *, chosen: bool = True) -> None:
    """Speak this language from now on; one that we do not know falls back to English. One that nobody `chosen` by a
    flag or a variable of ours gives way to the plan's."""
    global _catalog, _language, _is_chosen  # noqa: PLW0603 - one process speaks one language
    _is_chosen = chosen
    _language = language if language in LANGUAGES else "en"
    _catalog = gettext.translation("haechi", _LOCALE, languages=[_language], fallback=True)


def follow(plan: str) -> None:
    """Speak as the plan says, unless somebody chose."""
    if plan in LANGUAGES and not _is_chosen:
        use(plan, chosen=False)


def language() -> str:
    return _language


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
    made = _made(_catalog.gettext(message))
    made.source = message
    return made


def plural(one: str, many: str, count: int, **named: object) -> str:
    """The right form for this count, with `{count}` and what else is named filled in."""
    return _made(_catalog.ngettext(one, many, count)).format(count=count, **named)


def N_(message: str) -> str:
    return message


def recipe(sentence: str) -> dict[str, Any]:
    """What this sentence was made of, as JSON can hold it; nothing of one that was not made of a message."""
    if not isinstance(sentence, Message) or not sentence.source:
        return {}
    return {"message": sentence.source, "named": {name: _kept(v) for name, v in sentence.named.items()}}


def _kept(value: object) -> object:
    made_of = recipe(value) if isinstance(value, str) else {}
    return made_of | {"said": str(value)} if made_of else value


def again(sentence: str, made_of: Mapping[str, Any] | None) -> str:
    """The sentence in the language that is spoken now; as it is where nobody knows any more what it was made of."""
    source = (made_of or {}).get("message")
    if not source or (_language != "en" and _catalog.gettext(source) == source):
        return sentence
    try:
        named = {
            name: again(str(value["said"]), value) if isinstance(value, Mapping) else value
            for name, value in (made_of or {})["named"].items()
        }
        return _(source).format(**named)
    except (AttributeError, LookupError, TypeError, ValueError):  # a record that an other version has written
        return sentence


class Message(str):
    """A message as it was looked up, and then as it was filled in."""

    source: str = ""  # in English, with what is to be filled in; nothing once nobody can tell any more
    named: Mapping[str, object] = MappingProxyType({})

    def format(self, *values: object, **named: object) -> str:
        made = type(self)(self._filled(*values, **named))
        made.source = self.source
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
    return _Korean(found) if _language == "ko" else Message(found)


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
