"""A shared lock for those who only read, where the storage lets them write one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from haechi.errors import StoreRefused
from haechi.events import Reporter
from haechi.i18n import _
from haechi.vault.locking import Lock
from haechi.vault.repository import Vault


@contextmanager
def locked_if_possible(
    vault: Vault,
    reporter: Reporter,
    meanwhile: Callable[[], object] | None = None,
    confirm: Callable[[], object] | None = None,
) -> Iterator[Lock | None]:
    """Keep others from pruning. A storage that refuses the lock is read without: that harms nothing.

    `meanwhile` and `confirm` are as in `locking.held`.
    """
    lock = None
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(vault.lock(exclusive=False, meanwhile=meanwhile, confirm=confirm))
        except StoreRefused:
            reporter.note(
                _("{store} cannot be written, so it is read without a lock.").format(store=vault.store.url)
            )
        yield lock
