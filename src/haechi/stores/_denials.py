"""What a storage that refuses says about the keys, in words that lead to the mend."""

from __future__ import annotations

import re

from haechi.errors import ClockWrong, KeysExpired, KeysWrong, StoreRefused
from haechi.i18n import _

# As S3 names them, then Google's token server, then Azure's.
_EXPIRED = re.compile(
    r"ExpiredToken|TokenRefreshRequired|RequestExpired|invalid_grant|token (?:has|is) expired", re.I
)
_WRONG = re.compile(
    r"InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|InvalidClientTokenId|AuthenticationFailed|InvalidSecurity"
)
_SKEWED = re.compile(r"RequestTimeTooSkewed|RequestInTheFuture")


def denial(said: str, store: str, reason: str) -> StoreRefused | None:
    """The error for what the storage said, if it is about the keys; `reason` is the telling part of it."""
    about = {"store": store, "reason": reason}
    if _SKEWED.search(said):
        return ClockWrong(
            _("{store} refuses: its clock and that of this host are too far apart.").format(**about),
            hint=_("Set this host's clock (timedatectl set-ntp true), then run the same command again."),
            detail=said,
        )
    if _EXPIRED.search(said):
        return KeysExpired(
            _("{store} refuses: the keys are no longer valid: {reason}").format(**about),
            hint=_(
                "Put new keys where the plan takes them from; what is missing there is copied with the next backup, "
                "or now: haechi copy"
            ),
            detail=said,
        )
    if _WRONG.search(said):
        return KeysWrong(
            _("{store} refuses: it does not know these keys: {reason}").format(**about),
            hint=_(
                "Correct the keys where the plan takes them from; what is missing there is copied with the next "
                "backup, or now: haechi copy"
            ),
            detail=said,
        )
    return None
