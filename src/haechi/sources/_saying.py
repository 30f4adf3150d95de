"""What sources have compared, in words for the reader: names and values are kept as they are, in English, so that
records and machines always find the same; they are said in the reader's language where they are shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from haechi.i18n import N_, _

# What stands alone or after “name: ”. Names that people gave (tables, queues, keys) are never among them.
_WORDS = frozenset(
    (
        N_("files"), N_("directories"), N_("others"), N_("size"), N_("names"), N_("listing"), N_("contents"),
        N_("contents by name"), N_("modes"), N_("owners"), N_("by name"), N_("objects"), N_("versions"),
        N_("rows"), N_("digest"), N_("views"), N_("triggers"), N_("routines"), N_("indexes"), N_("options"),
        N_("documents"), N_("oplog entries"), N_("collections missing"), N_("databases missing"), N_("missing"),
        N_("parts missing"), N_("encoding"), N_("collate"), N_("ctype"), N_("large objects"),
        N_("sequences behind"), N_("amcheck"), N_("keys that do not expire"), N_("revision"), N_("keys"),
        N_("hash"), N_("members"), N_("pages"), N_("page size"), N_("user version"), N_("integrity"),
        N_("extensions"), N_("schemas"), N_("materialized views"), N_("foreign tables"),
        N_("partitioned tables"), N_("sequences"), N_("functions"), N_("constraints"), N_("policies"),
        N_("event triggers"), N_("publications"), N_("subscriptions"), N_("users"), N_("vhosts"),
        N_("permissions"), N_("topic permissions"), N_("parameters"), N_("global parameters"), N_("queues"),
        N_("exchanges"), N_("bindings"), N_("texts"),
    )
)  # fmt: skip
_MEANT = {"made": N_("indexes, views and triggers")}
_FIGURES = ("rows", "digest")  # of one thing; the keys of others are names that people gave
_NAMES = (
    N_("{what}, missing"),
    N_("{what} in the copy"),
    N_("{what} that differ: {names}"),
    N_("messages of {name}"),
    N_("search {number}"),
    N_("objects that are not what they were"),
)
_THINGS = (
    N_("{name} is missing"),
    N_("{name} is not what it was"),
    N_("{name} was not there"),
    N_("many things were not there"),
)


def name(what: str) -> str:
    """The name of a comparison. Of what is not known here, such as a check of the plan, nothing is changed."""
    of, colon, last = what.rpartition(": ")
    if colon and (said := _known(last)):
        return f"{_like(_NAMES, of) or of}: {said}"
    return _known(what) or what


def value(found: Any) -> str:
    """What was counted, or found: things one after another, figures by their names, and “none” where nothing is."""
    if found is None or found in ([], {}, ()):
        return _("none")
    if isinstance(found, list | tuple) and not any(isinstance(one, list | tuple | dict) for one in found):
        return ", ".join(_like(_THINGS, str(one)) or str(one) for one in found)
    if isinstance(found, Mapping) and not any(isinstance(one, list | tuple | dict) for one in found.values()):
        return ", ".join(f"{_(key) if key in _FIGURES else key} {one}" for key, one in found.items())
    if isinstance(found, list | tuple | Mapping):
        return json.dumps(found, ensure_ascii=False, default=str)
    return str(found)


def _known(word: str) -> str:
    if word in _MEANT:
        return _(_MEANT[word])
    spaced = word.replace("_", " ")
    return _(spaced) if spaced in _WORDS else _like(_NAMES, word)


def _like(messages: tuple[str, ...], text: str) -> str:
    """This text as one of these messages says it; nothing if it is none of them."""
    for message in messages:
        if found := re.fullmatch(_pattern(message), text, re.DOTALL):
            named = {
                key: _(one) if key == "what" and one in _WORDS else one
                for key, one in found.groupdict().items()
            }
            return _(message).format(**named)
    return ""


def _pattern(message: str) -> str:
    return re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(message))
