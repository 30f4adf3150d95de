"""The library's own names, by which it is made to look seldom: a version that has others is noticed here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from haechi.engine import quiet


def test_the_library_has_these_names_still(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dbos")
    from dbos import _queue, _workflow_commands
    from dbos._sys_db import SystemDatabase
    from dbos._sys_db_postgres import PostgresSystemDatabase

    monkeypatch.setattr(
        _workflow_commands,
        "_BACKGROUND_JOBS_INTERVAL_SEC",
        _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC,
    )
    monkeypatch.setattr(
        PostgresSystemDatabase, "background_job_lock", PostgresSystemDatabase.background_job_lock
    )
    quiet.before_launch()
    with PostgresSystemDatabase.background_job_lock(None, "any") as ours:  # type: ignore[arg-type]
        assert ours, "and no transaction is open"
    assert _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC == 60.0
    assert hasattr(SystemDatabase, "list_queues")
    assert "polling_interval_sec" in _queue.Queue.__init__.__annotations__


def test_the_list_of_queues_is_asked_for_until_ours_are_in_it() -> None:
    asked: list[int] = []
    known = [SimpleNamespace(name="at *")]

    def list_queues(**_named: Any) -> list[Any]:
        asked.append(1)
        return list(known)

    own = SimpleNamespace(_polling_interval_sec=1.0)
    library = SimpleNamespace(
        _registry=SimpleNamespace(get_internal_queue=lambda: own),
        _sys_db=SimpleNamespace(list_queues=list_queues),
    )
    quiet.after_launch(library, ["at *", "at seoul"])
    assert own._polling_interval_sec == 60.0
    library._sys_db.list_queues(application_name="haechi")
    known.append(SimpleNamespace(name="at seoul"))
    for _turn in range(3):
        assert len(library._sys_db.list_queues(application_name="haechi")) == 2
    assert len(asked) == 2
    quiet.after_launch(SimpleNamespace(), ["at *"])  # one that has none of these names is left alone
