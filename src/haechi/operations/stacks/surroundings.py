"""What an application finds in a drill: the throwaways under names of their own, and nothing that is in use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

from haechi.credentials import Secret
from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.places._apart import Apart
from haechi.places._base import Place
from haechi.sources._base import Address, Rehearsed

APP = "app"
WORDS = ("url", "host", "port", "user", "password", "path", "name")
BLANK = re.compile(r"\{([A-Za-z0-9_.-]+)\.(" + "|".join(WORDS) + r")\}")
_PREFIX = "HAECHI_DRILL"


@dataclass(frozen=True)
class Found:
    """Satisfies `Surroundings`. `addresses` are as they are reached from inside."""

    addresses: Mapping[str, Address]
    throwaways: Mapping[str, Rehearsed]
    place: Place

    def standing(self, service: str) -> object:
        return self.throwaways[service].standing

    def fill(self, text: str) -> str:
        return fill(text, self.addresses)


def fill(text: str, addresses: Mapping[str, Address]) -> str:
    """Put in what stands in braces. Raises UsageMistake where there is no such thing."""

    def word(match: re.Match[str]) -> str:
        name, what = match.groups()
        value = _word(addresses[name], what) if name in addresses else ""
        if not value:
            raise UsageMistake(
                _("The throwaway of “{service}” has no {what} that an application could use.").format(
                    service=name, what=what
                ),
                hint=_("Choose another place for it with `into` in the set's drill."),
            )
        return value

    return BLANK.sub(word, text)


def environment(of: str, addresses: Mapping[str, Address], said: Mapping[str, str]) -> dict[str, str]:
    """All that is told: each throwaway's address by its name, and what the plan says for drills."""
    told = {_PREFIX: "1", f"{_PREFIX}_SET": of}
    for name, address in addresses.items():
        known = re.sub(r"\W", "_", name).upper()
        told |= {f"{_PREFIX}_{known}_{w.upper()}": value for w in WORDS if (value := _word(address, w))}
    return told | {name: fill(text, addresses) for name, text in said.items()}


def brought_in(throwaways: Mapping[str, Rehearsed], network: Apart) -> tuple[dict[str, Address], list[str]]:
    """The addresses as they are from inside, and which throwaways an application is not let near: those on servers
    that are in use, and those that no network leads to."""
    inside: dict[str, Address] = {}
    kept_out: list[str] = []
    for name, rehearsed in throwaways.items():
        address = rehearsed.address
        end = _end(address)
        reachable = end or address.path or (address.name and not address.url)
        if not (rehearsed.apart and reachable):
            kept_out.append(name)
            continue
        inside[name] = _moved(address, *network.bring_in(*end)) if end else address
    return inside, kept_out


def _end(address: Address) -> tuple[str, int] | None:
    if address.host and address.port:
        return address.host, address.port
    parts = urlsplit(address.url.reveal()) if address.url else None
    try:
        return (parts.hostname, parts.port) if parts and parts.hostname and parts.port else None
    except ValueError:  # several hosts
        return None


def _moved(address: Address, host: str, port: int) -> Address:
    url = address.url
    if url:
        parts = urlsplit(url.reveal())
        login, at, _where = parts.netloc.rpartition("@")
        url = Secret(urlunsplit(parts._replace(netloc=f"{login}{at}{host}:{port}")))
    return replace(address, host=host, port=port, url=url)


def _word(address: Address, what: str) -> str:
    value = getattr(address, what)
    return value.reveal() if isinstance(value, Secret) else str(value or "")
