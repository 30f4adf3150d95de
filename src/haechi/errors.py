"""Every error that a person may meet: a stable code, what happened, and what to do next.

A plugin may add its own by subclassing the nearest one here; `every_error()` finds them all,
and a test holds their codes unique and documented. Vendor exceptions stop in the plugin that
called the vendor. Messages and hints are already in the user's language (`haechi.i18n`).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, ClassVar, Self

from haechi.i18n import _


class Status(IntEnum):
    """Exit statuses. 10 to 12 agree with restic's, so that scripts around it need not change."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> Self:
        made = int.__new__(cls, number)
        made._value_ = number
        made.meaning = meaning
        return made

    SUCCESS = 0, "All that was asked for was done."
    FAILURE = 1, "It could not be done; the message says why."
    USAGE = 2, "The command line or the plan has a mistake, or a confirmation was refused. Nothing was done."
    PARTIAL = 3, "Some services or copies succeeded and some failed."
    VAULT_MISSING = 10, "There is no vault at that address."
    LOCKED = 11, "Somebody else is working on the same service or vault; try again later."
    WRONG_KEY = 12, "No key of the vault opens with this passphrase."
    NOT_VERIFIED = 20, "A copy is damaged, or what came back is not what was saved."
    PROMISE_BROKEN = 21, "A service does not hold the RPO or RTO that the plan promises, or an alarm stands."
    INTERRUPTED = 130, "Ctrl-C or a termination signal; nothing half-done counts."


class HaechiError(Exception):
    """Something went wrong that we understand. `hint` is the next step for a tired person."""

    code: ClassVar[str] = "failure"
    status: ClassVar[Status] = Status.FAILURE
    retryable: bool = False

    def __init__(self, message: str, *, hint: str = "", detail: str = "", retryable: bool | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail
        if retryable is not None:
            self.retryable = retryable

    def as_dict(self) -> dict[str, Any]:
        """For `--json` and the journal."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "detail": self.detail,
            "retryable": self.retryable,
        }


# -- what a person typed or wrote -------------------------------------------------------------------


class UsageMistake(HaechiError):
    """The command line asks for something that cannot be."""

    code = "usage"
    status = Status.USAGE


class PlanMistake(HaechiError):
    """The plan file has mistakes; they are listed together."""

    code = "plan"
    status = Status.USAGE

    def __init__(
        self, message: str, *, hint: str = "", detail: str = "", mistakes: tuple[dict[str, Any], ...] = ()
    ):
        super().__init__(message, hint=hint, detail=detail)
        self.mistakes = mistakes

    def as_dict(self) -> dict[str, Any]:
        short = self.message.partition(":\n")[0]  # the listing is in `mistakes`
        return {**super().as_dict(), "message": short, "mistakes": list(self.mistakes)}


class NotConfirmed(HaechiError):
    """A destructive step was not confirmed, so nothing was done."""

    code = "not-confirmed"
    status = Status.USAGE


class SecretMissing(HaechiError):
    """A secret could not be read from where the plan says it is."""

    code = "secret-missing"
    status = Status.USAGE


class DriverMissing(HaechiError):
    """A Python package that this kind of service or storage needs is not installed."""

    code = "driver-missing"
    status = Status.USAGE

    @classmethod
    def of(cls, package: str, extra: str) -> DriverMissing:
        return cls(
            _("The Python package “{package}” is not installed.").format(package=package),
            hint=_("Install it with: pip install 'haechi[{extra}]'").format(extra=extra),
        )


# -- where programs run ------------------------------------------------------------------------------


class PlaceUnavailable(HaechiError):
    """The container is stopped or missing, or the host cannot be reached."""

    code = "place-unavailable"
    retryable = True


class ProgramMissing(HaechiError):
    """A program is not installed in the place where it should run."""

    code = "program-missing"


class ProgramFailed(HaechiError):
    """A program ended with a failure; `detail` holds the tail of what it said."""

    code = "program-failed"


class DeadlinePassed(HaechiError):
    """A step took longer than it may."""

    code = "deadline"
    retryable = True


class HookFailed(HaechiError):
    """What the plan wants done before or after a step did not go well."""

    code = "hook-failed"


class GuardFailed(HaechiError):
    """A guarded command went wrong, or what must hold after it does not."""

    code = "guard-failed"


# -- services ----------------------------------------------------------------------------------------


class ServerUnavailable(HaechiError):
    """The database or service does not answer."""

    code = "server-unavailable"
    retryable = True


class AccessRefused(HaechiError):
    """The password, key or permission was refused."""

    code = "access-refused"


class VersionMismatch(HaechiError):
    """A client and a server, or a copy and its target, do not fit together."""

    code = "version-mismatch"


class SourceChanged(HaechiError):
    """Something vanished or changed under our hands while it was captured."""

    code = "source-changed"
    retryable = True


# -- stores and vaults -------------------------------------------------------------------------------


class StoreUnavailable(HaechiError):
    """The storage does not answer; trying again may help."""

    code = "store-unavailable"
    retryable = True


class StoreRefused(HaechiError):
    """The storage refuses: permission, read-only, append-only or locked objects."""

    code = "store-refused"


class KeysWrong(StoreRefused):
    """The storage does not know these keys, or they do not fit one another."""

    code = "keys-wrong"


class KeysExpired(StoreRefused):
    """The storage takes these keys no more: their time is over, or somebody has revoked them."""

    code = "keys-expired"


class ClockWrong(StoreRefused):
    """The storage refuses because its clock and ours are too far apart."""

    code = "clock-wrong"


class StillLocked(StoreRefused):
    """What would go is under a lock of the storage still."""

    code = "still-locked"


class StoreFull(HaechiError):
    """No space is left."""

    code = "store-full"


class NotThere(HaechiError):
    """No such object, point, service or file."""

    code = "not-there"


class AlreadyThere(HaechiError):
    """Something of that name exists and is not to be overwritten."""

    code = "already-there"


class VaultMissing(HaechiError):
    """There is no vault at that address."""

    code = "vault-missing"
    status = Status.VAULT_MISSING


class VaultUnfinished(VaultMissing):
    """The making of the vault broke off before its config was written; nothing was kept in it yet."""

    code = "vault-unfinished"


class VaultLocked(HaechiError):
    """Another program holds a lock that excludes this one."""

    code = "locked"
    status = Status.LOCKED
    retryable = True


class WrongKey(HaechiError):
    """No key of the vault opens with this passphrase."""

    code = "wrong-key"
    status = Status.WRONG_KEY


class Damaged(HaechiError):
    """Stored bytes are not what was written."""

    code = "damaged"
    status = Status.NOT_VERIFIED


class JournalUnavailable(HaechiError):
    """The history cannot be read or written. The copies themselves are not touched by this."""

    code = "journal-unavailable"


# -- outcomes ----------------------------------------------------------------------------------------


class PartlyDone(HaechiError):
    """Some services or copies succeeded and some failed."""

    code = "partial"
    status = Status.PARTIAL


class NotVerified(HaechiError):
    """What came back is not what was saved."""

    code = "not-verified"
    status = Status.NOT_VERIFIED


class PromiseBroken(HaechiError):
    """A service does not hold the RPO or RTO that the plan promises."""

    code = "promise-broken"
    status = Status.PROMISE_BROKEN


class NotTold(HaechiError):
    """A message could not be delivered."""

    code = "not-told"


class AlarmStands(HaechiError):
    """Something is wrong, by itself or by its silence."""

    code = "alarm"
    status = Status.PROMISE_BROKEN


class Interrupted(HaechiError):
    """Ctrl-C or a termination signal; children were ended and nothing half-done counts."""

    code = "interrupted"
    status = Status.INTERRUPTED


def every_error(root: type[HaechiError] = HaechiError) -> Iterator[type[HaechiError]]:
    """This error and all those derived from it that people may meet, as far as their modules are imported."""
    yield root
    for child in root.__subclasses__():
        if not child.__name__.startswith("_"):  # such a one stays in its module
            yield from every_error(child)
