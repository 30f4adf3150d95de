"""This host."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

from haechi import process
from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.places._base import Place
from haechi.process import Completed, Running


class LocalPlace:
    """Programs run beside haechi. From root, `user` makes them run as somebody else."""

    name = "local"
    is_local = True

    def probe(self) -> None:
        """Where haechi runs, programs run."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        deadline: float | None = None,
        check: bool = True,
    ) -> Completed:
        return process.run(argv, stdin=stdin, env=env, user=user, deadline=deadline, check=check)

    def start(
        self,
        argv: Sequence[str],
        *,
        stdin: BinaryIO | int | None = None,
        feed: bool = False,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        deadline: float | None = None,
    ) -> AbstractContextManager[Running]:
        return process.start(argv, stdin=stdin, feed=feed, env=env, user=user, deadline=deadline)

    def has(self, program: str) -> bool:
        return shutil.which(program) is not None


def build(rest: str) -> Place:
    if rest:
        raise UsageMistake(
            _("“local” is this host and takes no name."), hint=_('Write at = "local", or leave it out.')
        )
    return LocalPlace()
