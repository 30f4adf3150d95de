"""Several services at once, within a limit: each ends by itself, and one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from haechi import process
from haechi.errors import HaechiError, PartlyDone
from haechi.i18n import _
from haechi.operations.service import Service

T = TypeVar("T")


@dataclass(frozen=True)
class Outcomes(Generic[T]):
    """What came of each service, in the order asked for."""

    done: Mapping[str, T]
    failed: Mapping[str, HaechiError]

    def raise_if_any_failed(self) -> None:
        """Partial success if some went well, else the first failure."""
        if not self.failed:
            return
        first = next(iter(self.failed.values()))
        if not self.done:
            raise first
        raise PartlyDone(
            _("{done} of {all} services succeeded; failed: {names}.").format(
                done=len(self.done), all=len(self.done) + len(self.failed), names=", ".join(self.failed)
            ),
            hint="\n".join(f"{name}: {e.message} {e.hint}".strip() for name, e in self.failed.items()),
        )


def together(services: Sequence[Service], work: Callable[[Service], T], *, limit: int) -> Outcomes[T]:
    """Do this work for every service, at most `limit` at a time. Ctrl-C ends all of them."""
    with ThreadPoolExecutor(max(1, limit), thread_name_prefix="service") as pool:
        futures: dict[str, Future[T]] = {s.name: pool.submit(work, s) for s in services}
        try:
            wait(futures.values())
        except BaseException:
            for future in futures.values():
                future.cancel()
            process.end_all()
            raise
    done: dict[str, T] = {}
    failed: dict[str, HaechiError] = {}
    for name, future in futures.items():
        problem = future.exception()
        if problem is None:
            done[name] = future.result()
        elif isinstance(problem, HaechiError):
            failed[name] = problem
        else:
            raise problem
    return Outcomes(done, failed)
