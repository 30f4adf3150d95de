"""Traces of runs, taken by a collector that decodes them with the protocol's own classes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import short_directory
from tests.servers.collector import Collector, collector

PLAN = """
[plan]
name = "erp"
[server]
state = "state"
{traces}
[vault.main]
url = "vault"
key = "planted-secret-of-the-vault"
[service.papers]
source = "files"
paths = ["data"]
to = "vault.main"
"""
PATIENCE = 100.0  # seconds
WAIT = {"OTEL_BSP_EXPORT_TIMEOUT": "60000", "OTEL_EXPORTER_OTLP_TIMEOUT": "60"}  # on the slowest machine, too


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with short_directory("traces") as path:
        (path / "data").mkdir()
        (path / "data/letter.txt").write_text("dear all")
        plan(path)
        assert haechi(path, "vault", "init", "main").returncode == 0
        yield path


@pytest.fixture
def there() -> Iterator[Collector]:
    with collector() as one:
        yield one


def plan(path: Path, traces: str = "") -> None:
    (path / "haechi.toml").write_text(PLAN.format(traces=traces))


def haechi(path: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    calm = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "TRACE"))}
    return subprocess.run(
        [sys.executable, "-m", "haechi", *words],
        check=False, cwd=path, env={**calm, "HAECHI_LANG": "en", **environment},
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip


def test_a_run_and_its_steps(root: Path, there: Collector) -> None:
    headers = 'headers = { authorization = { env = "PLANTED_TOKEN" } }'
    plan(root, f'traces = {{ to = "{there.url}", {headers} }}')
    above = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    done = haechi(root, "backup", PLANTED_TOKEN="Bearer planted-token", TRACEPARENT=above, **WAIT)
    assert done.returncode == 0, done.stderr
    assert there.calls[0]["authorization"] == "Bearer planted-token"
    (run,) = [span for span in there.spans if span.name == "backup papers"]
    assert run.trace == "0af7651916cd43dd8448eb211c80319c", "a part of what started it"
    assert run.above == "b7ad6b7169203331"
    told = run.attributes
    assert told["haechi.run"]
    assert (told["haechi.operation"], told["haechi.service"]) == ("backup", "papers")
    assert (told["haechi.source"], told["haechi.outcome"]) == ("files", "success")
    assert told["haechi.bytes_read"] == len("dear all")
    steps = [span for span in there.spans if span.above == run.id]
    assert steps
    assert {span.trace for span in there.spans} == {run.trace}
    assert any(span.attributes.get("haechi.bytes") for span in there.spans if span is not run)
    (about, *_same) = there.resources
    assert about["service.name"] == "haechi"
    assert about["service.version"]
    assert not [body for body in there.bodies if b"planted" in body]


def test_what_fails_says_so_and_no_secret(root: Path, there: Collector) -> None:
    """By the names of the environment alone; there the service bears the name that it is given."""
    plan(root)
    text = (root / "haechi.toml").read_text()
    (root / "haechi.toml").write_text(text.replace('["data"]', '["planted-secret-of-the-vault/no"]'))
    done = haechi(
        root, "backup", OTEL_EXPORTER_OTLP_ENDPOINT=there.url, OTEL_SERVICE_NAME="erp-backup", **WAIT
    )
    assert done.returncode != 0
    (run,) = [span for span in there.spans if span.name == "backup papers"]
    assert run.failed
    assert run.said
    assert run.attributes["haechi.outcome"] == "failure"
    assert run.attributes["error.type"]
    assert there.resources[0]["service.name"] == "erp-backup"
    assert not [body for body in there.bodies if b"planted" in body]


@pytest.mark.parametrize("how", ["refuses", "is silent", "is away"])
def test_a_collector_that_does_not_take_them_breaks_nothing(root: Path, there: Collector, how: str) -> None:
    """Silent for ever: were it waited for, the command would not end within this test's patience."""
    there.status, there.silent = 500, how == "is silent"
    url = "http://127.0.0.1:1" if how == "is away" else there.url
    plan(root, f'traces = "{url}"')
    done = haechi(root, "backup")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "span" not in done.stderr, "the library keeps its trouble to itself"


def test_nobody_is_called_who_is_not_asked_for(root: Path, there: Collector) -> None:
    plan(root)
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": there.url}
    for off in (
        {},
        {**asked, "OTEL_SDK_DISABLED": "true"},
        {**asked, "OTEL_TRACES_EXPORTER": "none"},
        {**asked, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ):
        assert haechi(root, "backup", **off).returncode == 0
    assert there.calls == []


def test_the_doctor_asks_the_collector(root: Path, there: Collector) -> None:
    for url, said in ((there.url, "takes them"), ("http://127.0.0.1:1", "does not take them")):
        plan(root, f'traces = "{url}"')
        told = " ".join(haechi(root, "doctor").stdout.split())
        assert f"{url} {said}" in told


def test_by_the_processes_that_work_for_the_daemon(root: Path, there: Collector) -> None:
    plan(root, f'traces = "{there.url}"')
    argv = [sys.executable, "-m", "haechi", "serve"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(argv, cwd=root, env={**os.environ, **WAIT}, **quiet) as daemon:  # type: ignore[call-overload]
        try:
            end = time.monotonic() + PATIENCE
            while not (root / "state/haechi.sock").exists() and time.monotonic() < end:
                time.sleep(0.1)
            done = haechi(root, "backup")
            assert done.returncode == 0, done.stderr
            while not any(span.name == "backup papers" for span in there.spans):
                assert time.monotonic() < end, "it never came"
                time.sleep(0.1)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(PATIENCE)
