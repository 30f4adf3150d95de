"""Files closed to strangers: `gpg -d` opens one kind with a passphrase, `age -d` the other with a key file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from haechi.credentials import SecretSource
from haechi.errors import SecretMissing
from haechi.i18n import _

Kind = Literal["gpg", "age"]


class Sealer(Protocol):
    """Closes one file: the pieces that it gives back, one after another, are the file."""

    def seal(self, piece: bytes) -> bytes: ...

    def end(self) -> bytes: ...


@dataclass(frozen=True)
class Encryption:
    """How an archive's files are encrypted. Nothing secret is read before it is used.

    gpg: `passphrase`. age: `recipients` (`age1…`) to write; `identity` (`AGE-SECRET-KEY-1…`) to read, which the
    machine that makes the backups need not have.
    """

    kind: Kind
    passphrase: SecretSource | None = None
    recipients: tuple[str, ...] = ()
    identity: SecretSource | None = None

    @property
    def suffix(self) -> str:
        return f".{self.kind}"

    @property
    def opens(self) -> bool:
        """Whether what is written can be read back here."""
        return (self.passphrase if self.kind == "gpg" else self.identity) is not None

    def sealer(self) -> Sealer:
        if self.kind == "gpg":
            from haechi.archive.openpgp import Writer

            return Writer(_demand(self.passphrase, "passphrase").fetch().reveal().encode())
        from haechi.archive.age import Encryptor

        return Encryptor(self.recipients)

    def open(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """What is inside. Raises WrongKey, and Damaged at the end at the latest."""
        if self.kind == "gpg":
            from haechi.archive.openpgp import read

            return read(pieces, _demand(self.passphrase, "passphrase").fetch().reveal().encode())
        from haechi.archive.age import decrypt

        return decrypt(pieces, _demand(self.identity, "identity").fetch().reveal())


def _demand(secret: SecretSource | None, name: str) -> SecretSource:
    if secret is None:
        raise SecretMissing(
            _("The archive is encrypted, and the plan names no {name} that opens it.").format(name=name),
            hint=_("Name it in the plan under `encrypt`, from the environment, a file or a command."),
        )
    return secret
