"""Traces: what the plan says of them, and what is wrong about it; what is sent is held by integration/programs."""

from __future__ import annotations

import sys

import pytest

from haechi.app import traces
from haechi.app.home import Home
from haechi.events import Reporter
from haechi.plan.load import loads
from tests.listening import Heard
from tests.unit.plan.test_mistakes import GOOD, only, plan


def test_the_plan_says_where() -> None:
    short = plan(GOOD + '[server]\ntraces = "http://collector:4318"\n').server.traces
    assert short is not None
    assert (short.to, short.headers) == ("http://collector:4318", {})
    said = '[server]\ntraces = { to = "https://c/otlp", headers = { x-key = { env = "KEY" } } }\n'
    table = plan(GOOD + said).server.traces
    assert table is not None
    assert str(table.headers["x-key"]) == "env:KEY"


@pytest.mark.parametrize(
    "said", ['"collector:4318"', '"grpc://collector:4317"', '{ to = "/v1/traces" }', '""']
)
def test_what_is_wrong_about_it_is_said(said: str) -> None:
    found = only(f"{GOOD}[server]\ntraces = {said}\n")
    assert str(found["key"]).startswith("server.traces")
    assert "http" in str(found)


@pytest.mark.parametrize(
    ("base", "whole"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://tracing.example/otlp/v1/traces", "https://tracing.example/otlp/v1/traces"),
    ],
)
def test_a_collector_is_known_by_host_and_port(base: str, whole: str) -> None:
    assert traces.address(base) == whole


@pytest.mark.parametrize("asked", [True, False])
def test_without_the_package_nothing_is_lost(asked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told where the plan wants traces; the environment may mean other programs."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    text = GOOD + ('[server]\ntraces = "http://127.0.0.1:1"\n' if asked else "")
    heard = Heard()
    assert traces.beside(Reporter(heard), Home(loads(text, environment={}))) is None
    assert bool(heard.said) is asked
    assert not asked or "haechi[otel]" in heard.said[0]
