"""This host."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Unpack

from haechi import process
from haechi.errors import UsageMistake
from haechi.i18n import _
from haechi.places._base import Place, ToTheEnd, UnderWay
from haechi.process import Completed, Running


class LocalPlace:
    """Programs run beside haechi. From root, `user` makes them run as somebody else."""

    name = "local"
    is_local = True

    def probe(self) -> None:
        """Where haechi runs, programs run."""

    def run(self, argv: Sequence[str], **how: Unpack[ToTheEnd]) -> Completed:
        return process.run(argv, **how)

    def start(self, argv: Sequence[str], **how: Unpack[UnderWay]) -> AbstractContextManager[Running]:
        return process.start(argv, **how)

    def has(self, program: str) -> bool:
        return shutil.which(program) is not None


def build(rest: str) -> Place:
    if rest:
        raise UsageMistake(
            _("“local” is this host and takes no name."), hint=_('Write at = "local", or leave it out.')
        )
    return LocalPlace()
