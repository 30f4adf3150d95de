"""How a plan names the databases of a server, and the options of the program that dumps them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, model_validator


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) and value != "all" else value


Databases = Annotated[Literal["all"] | tuple[str, ...] | None, BeforeValidator(_listed)]


class OneOrSeveral(BaseModel):
    """Options with `databases`: `database = "shop"` reads better for one, so it is taken as well."""

    @model_validator(mode="before")
    @classmethod
    def _one_database(cls, values: object) -> object:
        if isinstance(values, dict) and "database" in values:
            if "databases" in values:
                raise ValueError("give either database or databases")
            values = dict(values)
            values["databases"] = values.pop("database")
        return values


def demand_none_of(ours: Collection[str], given: tuple[str, ...], program: str) -> tuple[str, ...]:
    """A plan's further options for a program, of which some are for Haechi alone to give."""
    for option in given:
        if not option.startswith("--") or option.split("=")[0] in ours:
            raise ValueError(f"{program}'s option {option} cannot be given here")
    return given
