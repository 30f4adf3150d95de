"""Where a restore goes, as a command line or a drill says it: read into the source's own options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from haechi.errors import UsageMistake
from haechi.i18n import _

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T", bound="Target")


class Target(BaseModel):
    """What the targets of sources have in common. The plan's checks come along, for sources that can ask them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def read(cls: type[T], given: Mapping[str, Any]) -> T:
        """Raises UsageMistake."""
        return read(cls, {key: value for key, value in given.items() if key != "checks"})


def read(model: type[M], given: Mapping[str, Any]) -> M:
    """Raises UsageMistake, for these may come from a command line."""
    try:
        return model.model_validate(given)
    except ValidationError as problem:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in problem.errors())
        raise UsageMistake(
            _("The target of a restore cannot be read: {reason}").format(reason=said),
            hint=_("Known are: {names}").format(names=", ".join(model.model_fields)),
        ) from None
