"""Smoke checks: a query with an expectation, asked of a restored database."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from haechi.errors import HaechiError
from haechi.i18n import _
from haechi.sources._base import Comparison
from haechi.sources._expectations import SOMETHING, as_text, holds
from haechi.sources._postgresql import problems
from haechi.sources._postgresql.server import Server

_PATIENCE = 300.0


class Check(BaseModel):
    """`{ sql = "select count(*) from tenants", expect = "> 0" }`"""

    model_config = ConfigDict(extra="ignore", frozen=True)  # what a plan says besides is not for us

    sql: str
    expect: str = Field(SOMETHING, description='"> 0", "= done", "42", "empty", "not empty"')
    contains: str | None = None
    database: str | None = Field(None, description="Which database it asks; by default every one restored")

    _as_text = field_validator("expect", mode="before")(as_text)


def ask(server: Server, database: str, check: Check) -> Comparison:
    """Put the question to a restored database. A query that fails does not hold."""
    what = f"{database}: {check.sql}"
    expected = check.expect if check.contains is None else f"contains {check.contains}"
    # By itself and not in a session of ours: whatever is in the text, it ends with this call.
    clients = server.clients[0]
    argv = [clients.program("psql"), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--no-password"]
    argv += [
        "--record-separator-zero",
        "--field-separator-zero",
        "--set=ON_ERROR_STOP=1",
        f"--command={check.sql}",
    ]
    env = {**server.address.env(database), "PGCLIENTENCODING": "UTF8"}
    try:
        with problems.translated(_("The query failed")):
            said = server.place.run(argv, env=env, user=server.run_as, deadline=_PATIENCE).stdout
    except HaechiError as problem:
        return Comparison(what, expected, problem.message)
    found = said.split(b"\0")[0].decode(errors="replace") if said else None
    good = holds(check.expect, found) if check.contains is None else check.contains in (found or "")
    return Comparison(what, expected, expected if good else found)
