"""From an address to a store: the kind is chosen by the scheme, and only that kind's module is imported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError

from haechi import plugins
from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.stores._base import Store
from haechi.stores._options import StoreOptions
from haechi.stores.wrappers.append_only import AppendOnly
from haechi.stores.wrappers.retry import Retrying
from haechi.stores.wrappers.throttle import Throttled

PACKAGE = "haechi.stores"

_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]*):")

# A kind is found by the scheme that bears its name; these are the schemes that bear another.
# A test holds this table to what each module declares in `schemes`.
_KIND_OF = {
    "": "local",
    "file": "local",
    "s3": "objects",
    "gs": "objects",
    "az": "objects",
}


def scheme_of(url: str) -> str:
    """`s3` of `s3://bucket/prefix`; nothing for a plain path."""
    found = _SCHEME.match(url)
    return found.group(1) if found else ""


def kind_of(url: str) -> ModuleType:
    """The module whose scheme the address bears: for its `Options`, `build` and documentation."""
    scheme = scheme_of(url)
    kind = _KIND_OF.get(scheme, scheme)
    if not plugins.knows(PACKAGE, kind) or kind == "wrappers":
        raise UsageMistake(
            _("“{scheme}:” is not a kind of storage that is known here.").format(scheme=scheme),
            hint=_("Known are a path and: {schemes}").format(schemes=", ".join(known_schemes())),
        )
    return plugins.load(PACKAGE, kind)


def known_schemes() -> list[str]:
    """Every scheme that an address may bear, those of third parties too."""
    own = set(plugins.names(PACKAGE)) - set(_KIND_OF.values()) - {"wrappers"}
    return sorted(f"{scheme}:" for scheme in {*_KIND_OF, *own} if scheme)


def parse_options(url: str, options: Mapping[str, Any] | BaseModel | None = None) -> StoreOptions:
    """The kind's own options, or one UsageMistake that lists everything wrong with them."""
    wanted: type[StoreOptions] = kind_of(url).Options
    if isinstance(options, wanted):
        return options
    given = options.model_dump(exclude_unset=True) if isinstance(options, BaseModel) else dict(options or {})
    try:
        return wanted.model_validate(given)
    except ValidationError as problem:
        listing = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}"
            for one in problem.errors(include_input=False, include_url=False)
        )
        raise UsageMistake(
            _("The options of the storage are not right: {listing}").format(listing=listing),
            hint=_("Known are: {names}").format(names=", ".join(wanted.model_fields)),
        ) from None


def open_store(url: str, options: Mapping[str, Any] | BaseModel | None = None) -> Store:
    """The store at this address, patient and polite as its options say. Nothing is created or contacted yet."""
    chosen = parse_options(url, options)
    kind = kind_of(url)
    store: Store = kind.build(url, chosen)
    if chosen.append_only:
        store = AppendOnly(store)
    if chosen.upload_limit or chosen.download_limit:
        up = None if getattr(kind, "limits_upload", False) else chosen.upload_limit
        store = Throttled(store, up=up, down=chosen.download_limit)
    return Retrying(store, attempts=chosen.retries + 1, patience=chosen.patience)
