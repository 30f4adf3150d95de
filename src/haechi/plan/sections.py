"""The tables of a plan that protect: the plan itself, vaults, archives and services.

A service, a vault and an archive have keys that all of their kind share, here, and keys that belong to the kind of
source or storage in use: those are that plugin's `Options`, and end up in `options`.

Annotations here are evaluated at once: that spares Pydantic compiling a thousand strings at every start.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from haechi.archive.encryption import Encryption
from haechi.credentials import SecretSource
from haechi.i18n import _
from haechi.legs import IN_USE, Lies
from haechi.model import Keep, Promise
from haechi.plan.fields import (
    CopyRule,
    Duration,
    Hours,
    KeepRule,
    Names,
    OneOrMany,
    Promised,
    Section,
    Short,
    When,
    Zone,
    expected,
)
from haechi.plan.quantities import Bandwidth, Percent
from haechi.plan.steps import Check, Hooks

Depth = Literal["structure", "sample", "all"]
Pick = Literal["newest", "random"]
Picks = Literal["newest", "random", "all"]
Priority = Literal["high", "medium", "low"]


class Named(Section):
    """A table that has a name, such as [service.erp], and options that its plugin owns."""

    _name: str = PrivateAttr("")
    _options: Any = PrivateAttr(None)

    @property
    def name(self) -> str:
        """The last part of its title: `erp` of [service.erp]."""
        return self._name

    @property
    def options(self) -> Any:
        """The plugin's own keys, as the plugin's own model."""
        return self._options


class Head(Section):
    """[plan]: what this is a plan for."""

    name: str = Field(min_length=1, description="A short name, used in file names and messages.")
    title: str = Field("", description="The title of the documents that are made from this plan.")
    about: str = Field("", description="What the system is and what this plan covers.")
    timezone: Zone = Field("UTC", validate_default=True, description="The time zone of all schedules.")
    language: Literal["en", "ko"] | None = Field(
        None, description="The language of messages, alerts and documents; else that of whoever runs haechi."
    )
    review: When | None = Field(None, description="When people look the plan over.")


class Toward(Short):
    """One destination of a service: "vault.main", or a table."""

    to: str = Field(description="A vault or an archive of this plan: “vault.main”.")
    keep: KeepRule | None = Field(None, description="How long restore points stay there.")
    layout: str | None = Field(None, description="In an archive: the names of this service's files.")


class Copying(Short):
    """A copy that is made from another copy, after the backup."""

    to: str = Field(description="A vault or an archive of this plan.")
    source: str | None = Field(
        None, alias="from", description="The copy it is made from; else the first one."
    )
    when: When | None = Field(None, description="By itself after each backup, unless a schedule is given.")
    keep: KeepRule | None = Field(None, description="How long restore points stay there.")
    layout: str | None = Field(None, description="In an archive: the names of this service's files.")
    hours: Hours | None = Field(None, description="Only within these hours: “22:00-06:00”.")
    move: bool = Field(False, description="Remove the first copy once this one has been verified.")
    lag: Duration | None = Field(
        None, description="How far it may fall behind before that is an alarm; else the RPO that is promised."
    )


class Verifying(Short):
    """Copies are read back and compared with their checksums."""

    when: When = Field(description="When.")
    depth: Depth = Field("all", description="The structure only, a share of the data, or all of it.")
    share: Percent = Field(
        10, description="How many percent of the data, by chance: “10%” makes it a sample."
    )
    pick: Picks = Field(
        "newest",
        description="Which restore point; of a vault or an archive as a whole, all if nothing is said.",
    )
    of: Names = Field((), description="Which copies; all of them when none is named.")

    @model_validator(mode="after")
    def _sample(self) -> Self:
        if "share" not in self.model_fields_set or self.depth == "sample":
            return self
        if "depth" in self.model_fields_set:
            raise expected(_("either a share, or a depth other than “sample”"))
        return self.model_copy(update={"depth": "sample"})


class Drilling(Short):
    """A restore into a throwaway place, compared with what was counted at the backup."""

    when: When = Field(description="When.")
    pick: Pick = Field("random", description="Which restore point.")
    of: Names = Field((), description="From which copies one is picked; from all when none is named.")
    into: str | None = Field(
        None, description="The throwaway place: “docker:postgres:15-alpine”; else what suits the source."
    )


class Defaults(Section):
    """[defaults]: what holds for every service that does not say otherwise."""

    promise: Promised | None = Field(None, description="RPO and RTO.")
    backup: When | None = Field(None, description="When backups are taken.")
    to: Annotated[tuple[Toward, ...], OneOrMany] = Field((), description="Where backups go.")
    copy_: Annotated[tuple[Copying, ...], OneOrMany] = Field(
        (), alias="copy", description="Copies made afterwards."
    )
    keep: KeepRule | None = Field(None, description="How long restore points stay.")
    verify: Annotated[tuple[Verifying, ...], OneOrMany] = Field((), description="When copies are read back.")
    drill: Annotated[tuple[Drilling, ...], OneOrMany] = Field((), description="When a restore is rehearsed.")
    deadline: Duration | None = Field(None, description="How long a backup may take.")
    rule: CopyRule | None = Field(
        None, description="Copies that must be there: “3-2-1-1-0”; a plan that has fewer is a mistake."
    )


class Price(Section):
    """What the provider asks, for the estimate of the costs."""

    storage: float = Field(0, ge=0, description="A gigabyte a month.")
    upload: float = Field(0, ge=0, description="A gigabyte sent there.")
    download: float = Field(0, ge=0, description="A gigabyte fetched from there.")
    writes: float = Field(0, ge=0, description="A thousand writing calls.")
    reads: float = Field(0, ge=0, description="A thousand reading calls.")
    currency: str = Field("USD", description="The money these are in.")


class Kept(Named):
    """What vaults and archives have in common."""

    url: str = Field(min_length=1, description="A path or an address: “/backup/vault”, “s3://bucket/prefix”.")
    about: str = Field("", description="What and where this is, for the documents.")
    keep: KeepRule | None = Field(
        None, description="How long restore points stay here, if a service does not say."
    )
    offsite: bool | None = Field(
        None, description="Whether it lies at another site; guessed from the address."
    )
    media: str = Field("", description="What it lies on, for the rule of two media: “disk”, “nas”, “cloud”.")
    lock: Duration | None = Field(
        None, description="Object lock: nobody may delete anything younger than this."
    )
    price: Price | None = Field(None, description="The provider's prices.")
    bandwidth: Bandwidth | None = Field(
        None, description="At most so much a second, each way: “20 MB/s”, “100 Mbit/s”."
    )
    verify: Annotated[tuple[Verifying, ...], OneOrMany] = Field(
        (), description="When all that lies here is read."
    )

    @field_validator("url")
    @classmethod
    def _beside_the_plan(cls, url: str, info: ValidationInfo) -> str:
        """A relative directory is relative to the plan, wherever haechi happens to be started."""
        base = (info.context or {}).get("base")
        is_path = ":" not in url.split("/", 1)[0] and not url.startswith("~")
        return str(base / url) if base and is_path else url

    @property
    def is_offsite(self) -> bool:
        """A local path is on site and an address is not, unless the plan says otherwise."""
        return self.offsite if self.offsite is not None else ":" in self.url.split("/", 1)[0]

    @property
    def medium(self) -> str:
        """As the plan says, or guessed: a disk here, a share that must be mounted, somebody's cloud, a server."""
        if self.media:
            return self.media
        scheme = self.url.split("/", 1)[0].rpartition(":")[0].partition(":")[0]
        if scheme in ("", "file"):
            return "nas" if getattr(self.options, "mounted", False) else IN_USE
        return "cloud" if scheme in ("s3", "gs", "az") else "server"

    @property
    def lies(self) -> Lies:
        """As the rule of copies sees it."""
        kind = "vault" if isinstance(self, Vault) else "archive"
        return Lies(f"{kind}.{self.name}", self.medium, self.is_offsite, self.immutable)

    @property
    def immutable(self) -> bool:
        """Whether what lies here cannot be taken away by whoever can write here."""
        return self.lock is not None or bool(getattr(self.options, "append_only", False))


class Vault(Kept):
    """[vault.NAME]: a deduplicating, encrypted repository in restic's format."""

    key: SecretSource = Field(description="The passphrase: { file = … }, { env = … }, { credential = … }.")


class Encrypt(Section):
    """How an archive's files are sealed, so that stock gpg or age opens them."""

    gpg: SecretSource | None = Field(None, description="A passphrase: AES-256, opened by stock gpg.")
    age: Names = Field((), description="Recipients (`age1…`): opened by stock age.")
    identity: SecretSource | None = Field(
        None, description="age's key that opens them here, for restores and verification."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.gpg) == bool(self.age) or (self.gpg and self.identity):
            raise expected(_("either gpg, or age and perhaps its identity"))
        return self


class Archive(Kept):
    """[archive.NAME]: plain files that gunzip, psql, pg_restore and tar open without Haechi."""

    layout: str = Field(
        "{service}/{part}_{time:%Y%m%d_%H%M%S}.sql.gz",
        description="The names of its files; the ending says how they are made.",
    )
    tiers: tuple[Literal["hourly", "daily", "weekly", "monthly", "yearly"], ...] = Field(
        ("daily", "weekly", "monthly"), description="The directories that {tier} stands for, finest first."
    )
    checksums: Annotated[tuple[Literal["sha256", "md5"], ...], OneOrMany] = Field(
        ("sha256",), description="Checksum files beside each file."
    )
    encrypt: Encrypt | None = Field(None, description="Sealed by gpg or age.")
    latest: str = Field("", description="A name that always bears the newest file: “backup_latest.sql.gz”.")

    @property
    def encryption(self) -> Encryption | None:
        """As the archive itself takes it."""
        if self.encrypt is None:
            return None
        if self.encrypt.gpg:
            return Encryption("gpg", passphrase=self.encrypt.gpg)
        return Encryption("age", recipients=self.encrypt.age, identity=self.encrypt.identity)

    @property
    def md5(self) -> bool:
        """Whether MD5 sums are wanted beside SHA-256."""
        return "md5" in self.checksums


class Service(Named):
    """[service.NAME]: one thing that is protected."""

    source: str = Field(description="The kind of service: “postgresql”, …")
    at: str = Field(
        "local", description="Where it runs: “local”, “docker:NAME”, “compose:NAME”, “ssh:USER@HOST”."
    )
    about: str = Field("", description="What it is, for the documents.")
    priority: Priority = Field("high", description="What comes first when there is not enough time for all.")
    promise: Promised = Field(default=Promise(), description="RPO and RTO.")
    backup: When | None = Field(None, description="When backups are taken; by hand only when there is none.")
    to: Annotated[tuple[Toward, ...], OneOrMany] = Field((), description="Where backups go.")
    keep_: KeepRule | None = Field(None, alias="keep", description="How long restore points stay.")
    copy_: Annotated[tuple[Copying, ...], OneOrMany] = Field(
        (), alias="copy", description="Copies made afterwards."
    )
    verify: Annotated[tuple[Verifying, ...], OneOrMany] = Field((), description="When copies are read back.")
    drill: Annotated[tuple[Drilling, ...], OneOrMany] = Field((), description="When a restore is rehearsed.")
    checks: tuple[Check, ...] = Field((), description="What must hold after a restore.")
    deadline: Duration | None = Field(None, description="How long a backup may take.")
    rule: CopyRule | None = Field(
        None, description="Copies that must be there: “3-2-1-1-0”; a plan that has fewer is a mistake."
    )
    hooks: Hooks = Field(default_factory=Hooks.model_construct, description="What is done before and after.")
    after: Names = Field((), description="Services that come back before this one.")
    tags: Names = Field((), description="Marks on its restore points.")
    worker: str | None = Field(
        None, description="The host of this plan whose worker takes it, or a label that hosts bear."
    )
    paused: bool = Field(False, description="No schedule starts anything for it.")

    _keep: Mapping[str, Keep] = PrivateAttr(default_factory=dict)

    @property
    def keep(self) -> Mapping[str, Keep]:
        """How long its points stay, by destination: everything that was said about it is put together here."""
        return self._keep

    @property
    def checks_as_data(self) -> tuple[Mapping[str, Any], ...]:
        """The checks as operations take them."""
        return tuple(check.model_dump(exclude_unset=True) for check in self.checks)

    @property
    def destinations(self) -> tuple[str, ...]:
        """Where backups are written, in the plan's order."""
        return tuple(entry.to for entry in self.to)

    @property
    def copies(self) -> tuple[Copying, ...]:
        """What is copied onwards afterwards."""
        return self.copy_

    @property
    def everywhere(self) -> tuple[str, ...]:
        """Every vault and archive that keeps a copy of it."""
        return (*self.destinations, *(entry.to for entry in self.copy_))

    def layout_at(self, destination: str) -> str | None:
        """The names of its files in that archive; None when it leaves them to the archive."""
        layouts = [(e.to, e.layout) for e in self.to] + [(e.to, e.layout) for e in self.copy_]
        return next((layout for to, layout in layouts if to == destination and layout), None)

    def keep_at(self, destination: str) -> Keep | None:
        """What this service itself says about that destination; None when it says nothing."""
        rules = [(e.to, e.keep) for e in self.to] + [(e.to, e.keep) for e in self.copy_]
        return next((keep for to, keep in rules if to == destination and keep is not None), None)
