"""The plan as a typed value: what `load` gives, and what `app` builds the real parts from."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from haechi.model import Keep
from haechi.plan.document import Document
from haechi.plan.masking import holds_any, literals, without
from haechi.plan.mistakes import Mistake
from haechi.plan.people import Checklist, Contact, Notify
from haechi.plan.recovery import Guard, Host, Scenario, Server, Set
from haechi.plan.sections import Archive, Defaults, Head, Kept, Service, Vault
from haechi.schedule import Schedule


@dataclass(frozen=True)
class Plan:
    """Everything the file says, with [defaults] filled in. Tables are in the order of the file."""

    document: Document
    head: Head
    defaults: Defaults
    server: Server
    vaults: Mapping[str, Vault]
    archives: Mapping[str, Archive]
    services: Mapping[str, Service]
    sets: Mapping[str, Set]
    notifiers: Mapping[str, Notify]
    checklists: Mapping[str, Checklist]
    scenarios: Mapping[str, Scenario]
    guards: Mapping[str, Guard]
    hosts: Mapping[str, Host]
    contacts: tuple[Contact, ...]
    advice: tuple[Mistake, ...] = ()  # allowed, and still worth a thought

    @property
    def name(self) -> str:
        return self.head.name

    @property
    def title(self) -> str:
        return self.head.title or self.head.name

    @property
    def zone(self) -> ZoneInfo:
        return self.head.timezone

    @property
    def timezone(self) -> str:
        return str(self.head.timezone)

    @property
    def parallel(self) -> int:
        return self.server.parallel

    @property
    def journal_url(self) -> str | None:
        """Where the journal is, fetched now: it may hold a password. None is this host's own."""
        return self.server.journal.fetch().reveal() if self.server.journal else None

    @property
    def path(self) -> Path:
        return Path(self.document.path)

    @cached_property
    def text(self) -> str:
        """As it was written, to be kept with every run; secrets that stand in it are starred."""
        parts = [getattr(self, part.name) for part in fields(self) if part.name not in ("document", "advice")]
        secrets = set(literals(parts))
        text = without(self.document.text, secrets)
        with suppress(tomllib.TOMLDecodeError):  # a secret may be a word that stands elsewhere too
            if not secrets or not holds_any(tomllib.loads(text), secrets):
                return text
        from haechi.plan import show  # or be written with escapes: then the plan as it was understood

        return show.as_text(self)

    @property
    def digest(self) -> str:
        return self.document.digest

    @cached_property
    def kept(self) -> Mapping[str, Kept]:
        """Vaults and archives by their full names: `vault.main`, `archive.nas`."""
        vaults: dict[str, Kept] = {f"vault.{name}": vault for name, vault in self.vaults.items()}
        return vaults | {f"archive.{name}": archive for name, archive in self.archives.items()}

    def keep(self, service: str, destination: str) -> Keep:
        """How long this service's points stay there: what it says about that destination, what it says at all, what
        the destination says, what the defaults say; for ever when nobody says anything."""
        protected = self.services[service]
        said = (
            protected.keep_at(destination),
            protected.keep_,
            self.kept[destination].keep,
            self.defaults.keep,
        )
        return next((keep for keep in said if keep is not None), Keep())

    def schedules(self, service: str) -> tuple[Schedule, ...]:
        """All that take backups of this service: its own, and those of the sets that it belongs to."""
        sets = [together.backup for together in self.sets.values() if service in together.of]
        return tuple(schedule for schedule in (self.services[service].backup, *sets) if schedule is not None)

    def layout(self, service: str, archive: str) -> str:
        """The names of this service's files in an archive (`archive.nas`)."""
        return (
            self.services[service].layout_at(archive)
            or self.archives[archive.removeprefix("archive.")].layout
        )
