"""The plans of examples/: each is whole, and what is wrong with it is only what has not been built yet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from haechi.errors import PlanMistake
from haechi.plan import kinds, references
from haechi.plan.load import load, loads
from haechi.plan.sections import Service

EXAMPLES = Path("examples")

# What each of them needs that is not there yet. A kind that has landed must be taken off this list.
MISSING: dict[str, set[str]] = {
    "all-erp.toml": set(),
    "fleet.toml": set(),
    "lemon-korean.toml": set(),
    "offsite.toml": set(),
    "onesquare.toml": set(),
    "railway-sales.toml": set(),
    "vault-v2.toml": set(),
    "whole-stack.toml": set(),
}


def test_there_is_one_for_each_document() -> None:
    assert {path.name for path in EXAMPLES.glob("*.toml")} == set(MISSING)


@pytest.mark.parametrize("name", MISSING)
def test_only_what_is_not_built_yet_is_wrong(name: str) -> None:
    try:
        load(EXAMPLES / name, {})
    except PlanMistake as problem:
        found = {
            str(m["message"]).split("“")[1].split("”")[0] if m["kind"] == "unknown-source" else str(m["key"])
            for m in problem.mistakes
        }
    else:
        found = set()
    assert found == MISSING[name]


@pytest.mark.parametrize("name", MISSING)
def test_the_rest_of_it_holds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the services of missing kinds turned into what there is, everything that refers to them is right."""
    monkeypatch.setattr(
        references, "_forms", lambda *_: None
    )  # they would fill other files than a database does
    tables = re.split(r"^(?=\[)", (EXAMPLES / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = "".join(_as_a_database(table, MISSING[name]) for table in tables)
    plan = loads(text, environment={})
    assert plan.services
    assert all(service.destinations for service in plan.services.values())
    promised = [service for service in plan.services.values() if service.promise.rpo]
    assert promised
    for service in promised:
        assert service.backup and service.promise.rpo
        gap = service.backup.longest_gap()
        assert gap and gap <= service.promise.rpo


def _as_a_database(table: str, missing: set[str]) -> str:
    """A service of a missing kind as one that there is, without the keys that only its own kind would know."""
    kind = re.search(r'^source +=( )"(.*)"', table, re.MULTILINE)
    if kind is None or kind[2] not in missing:
        return re.sub(r"^storage_class.*\n", "", table, flags=re.MULTILINE)
    known = kinds.keys_of(Service)
    lines = [
        line for line in table.splitlines() if not re.match(r"[a-z_]+ +=", line) or line.split()[0] in known
    ]
    return "\n".join(lines).replace(f'"{kind[2]}"', '"postgresql"', 1) + "\n"


def test_the_environment_that_their_documents_name_is_understood() -> None:
    environment = {
        "AWS_S3_BACKUP_BUCKET": "sales",
        "GCS_BACKUP_BUCKET": "sales-gcs",
        "GOOGLE_APPLICATION_CREDENTIALS": "/run/google.json",
        "DATABASE_URL": "postgresql://u:planted@h/d",
    }
    plan = load(EXAMPLES / "railway-sales.toml", environment)
    assert plan.archives["s3"].url == "s3://sales/sales-note-backups"
    assert plan.archives["gcs"].url == "gs://sales-gcs/sales-note-backups"
    assert str(plan.archives["gcs"].options.service_account) == "/run/google.json"
    assert str(plan.services["sales"].options.url) == "env:DATABASE_URL"
