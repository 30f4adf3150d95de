"""The log: lines with run ids, for people or as JSON, into a file that is turned over, journald or stdout."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from haechi.app import logs
from haechi.app.home import Home
from haechi.app.log_sinks import File, Journald, Stdout
from haechi.app.logs import Log
from haechi.errors import HaechiError
from haechi.events import Reporter
from haechi.operations.backup import back_up
from haechi.plan.load import loads
from tests.servers import short_directory
from tests.unit.operations.ground import SEOUL, Ground, lay
from tests.unit.plan.test_mistakes import GOOD, only, plan


@dataclass
class Kept:
    lines: list[str] = field(default_factory=list)

    def write(self, line: str, level: str, fields: Mapping[str, str]) -> None:
        self.lines.append(line)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return lay(tmp_path)


def test_every_line_of_a_run_bears_its_id(ground: Ground) -> None:
    kept = Kept()
    done = back_up(ground.service(), ground.desk, Reporter(Log(kept, SEOUL, as_json=True)))
    said = [json.loads(line) for line in kept.lines]
    (run,) = ground.desk.journal.runs(operation="backup")
    first, last = said[0], said[-1]
    assert {one["run"] for one in said} == {run.id}
    assert (first["operation"], first["service"], first["level"]) == ("backup", "papers", "info")
    assert first["time"].endswith("+09:00")
    assert last["outcome"] == "success"
    assert last["bytes_read"] == done.bytes_read
    assert any("seconds" in one for one in said[1:-1]), "its steps are there"


def test_what_fails_is_an_error_with_its_reason(ground: Ground) -> None:
    kept = Kept()
    ground.source.fail_in, ground.source.problem = "a.bin", HaechiError("the cable is out", hint="put it in")
    with pytest.raises(HaechiError):
        back_up(ground.service(), ground.desk, Reporter(Log(kept, SEOUL, as_json=True)))
    last = json.loads(kept.lines[-1])
    assert last["level"] == "error"
    assert "the cable is out" in last["text"]
    assert last["error"]["hint"] == "put it in"


def test_for_people_a_line_is_a_line(ground: Ground) -> None:
    kept = Kept()
    log = Log(kept, SEOUL).within_run("20260302T0200-abc", "backup", "erp")
    Reporter(log).warn("one\ntwo\r\nthree")
    assert kept.lines[1].endswith("warning [erp 20260302T0200-abc] one two three")


@pytest.mark.parametrize("as_json", [True, False])
def test_no_secret_gets_into_it(as_json: bool) -> None:
    kept = Kept()
    log = Log(kept, SEOUL, as_json, secrets=("correct horse", "abc"))
    log.failed(
        HaechiError("key correct horse of postgresql://u:hunter22@db/erp", hint="correct horse", detail="abc")
    )
    Reporter(log).note("correct horse")
    text = "".join(kept.lines)
    assert "correct horse" not in text
    assert "hunter22" not in text


def test_literal_secrets_of_the_plan_are_hidden(tmp_path: Path) -> None:
    text = GOOD + f'[vault.b]\nurl = "/b"\nkey = "a planted key"\n[server]\nlog = "{tmp_path}/log"\n'
    log = logs.of(Home(loads(text, environment={})))
    assert log is not None
    log.say("info", "it is a planted key")
    assert "planted" not in (tmp_path / "log").read_text()


def test_a_file_is_turned_over_and_so_many_stay(tmp_path: Path) -> None:
    sink = File(tmp_path / "haechi.log", 100, 2)
    for number in range(40):
        sink.write(f"line {number:04}", "info", {})
    assert {path.name for path in tmp_path.iterdir()} == {"haechi.log", "haechi.log.1", "haechi.log.2"}
    names = ("haechi.log.2", "haechi.log.1", "haechi.log")
    lines = "".join((tmp_path / name).read_text() for name in names).splitlines()
    assert lines == [f"line {number:04}" for number in range(40 - len(lines), 40)], (
        "the newest, none lost between"
    )
    assert (tmp_path / "haechi.log").stat().st_mode & 0o007 == 0


def test_with_no_older_ones_wanted_none_stay(tmp_path: Path) -> None:
    sink = File(tmp_path / "haechi.log", 30, 0)
    for number in range(9):
        sink.write(f"line {number:04}", "info", {})
    assert [path.name for path in tmp_path.iterdir()] == ["haechi.log"]


def test_no_line_is_lost_or_mixed_when_many_write(tmp_path: Path) -> None:
    """Each writer has a sink of its own, as processes do."""

    def write(writer: int) -> None:
        sink = File(tmp_path / "haechi.log", 500, 100)
        for number in range(50):
            sink.write(f"{writer} {number:04}", "info", {})

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [line for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{writer} {number:04}" for writer in range(4) for number in range(50))


def test_a_log_that_cannot_be_written_keeps_nobody_from_working(ground: Ground) -> None:
    (ground.root / "file").write_text("")
    for sink in (File(ground.root / "file/log", 100, 1), Journald(str(ground.root / "no-socket"))):
        assert back_up(ground.service(), ground.desk, Reporter(Log(sink, SEOUL))).point


def test_journald_is_told_in_its_own_words() -> None:
    with short_directory("journald") as path, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(str(path / "socket"))
        there.settimeout(30)
        log = Log(Journald(str(path / "socket")), SEOUL).within_run("run-1", "backup", "erp")
        Reporter(log).warn("look closer")
        there.recv(1 << 16)
        fields = dict(line.split("=", 1) for line in there.recv(1 << 16).decode().splitlines())
    assert fields["PRIORITY"] == "4"
    assert fields["SYSLOG_IDENTIFIER"] == "haechi"
    assert (fields["HAECHI_RUN"], fields["HAECHI_SERVICE"]) == ("run-1", "erp")
    assert "look closer" in fields["MESSAGE"]


@pytest.mark.parametrize("errors", [True, False])
def test_standard_output_or_beside_an_answer_for_programs(
    errors: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    Log(Stdout(errors=errors), SEOUL).say("info", "hello")
    said = capsys.readouterr()
    assert ("hello" in said.err, "hello" in said.out) == (errors, not errors)


def test_the_plan_says_where_and_how() -> None:
    short = plan(GOOD + '[server]\nlog = "journald"\n').server.log
    assert short is not None
    assert (short.to, short.format, short.size, short.files) == ("journald", "text", 10_000_000, 5)
    table = plan(
        GOOD + '[server]\nlog = { to = "/l", format = "json", size = "2 kB", files = 0 }\n'
    ).server.log
    assert table is not None
    assert (table.format, table.size, table.files) == ("json", 2000, 0)


@pytest.mark.parametrize(
    "said", ['format = "xml"', 'size = "much"', 'size = "0 MB"', "size = 5", "files = -1"]
)
def test_what_is_wrong_about_it_is_said(said: str) -> None:
    found = only(f'{GOOD}[server]\nlog = {{ to = "/l", {said} }}\n')
    assert str(found["key"]).startswith("server.log")
