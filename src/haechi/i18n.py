"""Words for people, in Korean and English.

Messages are written in English in the code, marked with `_()`, and looked up when they are made.
Numbers and names go in with `.format(name=...)` after the look-up, never by an f-string inside `_()`,
so that a translation may put them in another order. A test fails on a message without its translation.
"""

from __future__ import annotations

import gettext
import locale
import os
from pathlib import Path

LANGUAGES = ("en", "ko")
_LOCALE = Path(__file__).parent / "locale"
_catalog: gettext.NullTranslations = gettext.NullTranslations()
_language = "en"


def use(language: str) -> None:
    """Speak this language from now on; one that we do not know falls back to English."""
    global _catalog, _language  # noqa: PLW0603 - one process speaks one language
    _language = language if language in LANGUAGES else "en"
    _catalog = gettext.translation("haechi", _LOCALE, languages=[_language], fallback=True)


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
    return _catalog.gettext(message) if message else ""


def plural(one: str, many: str, count: int) -> str:
    """The right form for this count, with `{count}` filled in."""
    return _catalog.ngettext(one, many, count).format(count=count)


def N_(message: str) -> str:
    return message
