"""What an error says about the copy that was read: a store that is away, or a place that cannot be made, nothing."""

from __future__ import annotations

from haechi import process
from haechi.errors import (
    AccessRefused,
    DriverMissing,
    HaechiError,
    Interrupted,
    PlaceUnavailable,
    ProgramMissing,
    SecretMissing,
    ServerUnavailable,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
    UsageMistake,
    VaultLocked,
    VersionMismatch,
    WrongKey,
)

_NOT_THE_COPY = (
    AccessRefused,
    DriverMissing,
    Interrupted,
    PlaceUnavailable,
    ProgramMissing,
    SecretMissing,
    ServerUnavailable,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
    UsageMistake,
    VaultLocked,
    VersionMismatch,
    WrongKey,
)


def is_of_the_copy(problem: HaechiError) -> bool:
    return not isinstance(problem, _NOT_THE_COPY) and not process.interrupted()
