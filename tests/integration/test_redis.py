"""Redis by a real server: into the running one, beside its file, by least privileges, and by hand."""

from __future__ import annotations

import gzip
import io
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import AccessRefused, Damaged, ServerUnavailable, UsageMistake
from haechi.events import SILENT
from haechi.sources import redis
from haechi.sources._base import Wanted
from haechi.sources._redis import rdb
from haechi.testing.source_contract import take
from tests.contract.sources.redis import RedisGround
from tests.servers.redis import running
from tests.unit.sources.ground import install

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("source-redis")]
PAGE = Path("docs/howto/redis.md")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisGround]:
    with running() as server:
        yield RedisGround(server, tmp_path_factory.mktemp("redis"))


def source_of(ground: RedisGround, **options: object) -> redis.Redis:
    made = ground.source(**options)
    assert isinstance(made, redis.Redis)
    return made


def test_into_the_running_server(ground: RedisGround, tmp_path: Path) -> None:
    ground.fill(1)
    saved = ground.state()
    taken = take(ground, tmp_path)
    assert set(taken.point.facts) == {"keys", "digest", "checksum"}
    ground.server.cli("FLUSHALL")
    ground.server.cli("SET", "new", "1")
    source = source_of(ground)
    with pytest.raises(UsageMistake, match="not said where the file"):
        source.restore(taken.point, taken.parts, Wanted(), SILENT)
    restored = source.restore(taken.point, taken.parts, Wanted(in_place=True), SILENT)
    assert restored.equal and len(restored.comparisons) == 2
    assert ground.state() == saved
    assert "role:master" in ground.server.cli("INFO", "replication")
    assert ground.server.cli("SET", "after", "1") == "OK"


def test_beside_its_file_while_it_is_stopped(ground: RedisGround, tmp_path: Path) -> None:
    ground.fill(1)
    saved = ground.state()
    ground.server.save()
    taken = take(ground, tmp_path)
    ground.fill(2)
    ground.server.save()
    spoiled = ground.state()
    source = source_of(ground, file=str(ground.server.file))
    restored = source.restore(taken.point, taken.parts, Wanted(), SILENT)
    assert restored.equal and list(restored.names) == [str(ground.server.file)]
    with pytest.raises(UsageMistake, match="Redis is running"):
        source.swap(str(ground.server.file))
    ground.server.stop(signal.SIGTERM)
    source.swap(str(ground.server.file))
    ground.server.start()
    assert ground.state() == saved
    ground.server.stop()
    source.undo(str(ground.server.file))
    ground.server.start()
    assert ground.state() == spoiled
    assert source.finish(str(ground.server.file)) and not source.lying_beside()


def test_a_damaged_file_is_found_wherever_it_is_damaged(ground: RedisGround, tmp_path: Path) -> None:
    ground.fill(1)
    taken = take(ground, tmp_path)
    whole = (tmp_path / "0").read_bytes()
    for at in (0, len(whole) // 3, len(whole) - 4):
        spoiled = bytearray(whole)
        spoiled[at] ^= 0x40
        part = replace(taken.parts["dump.rdb"], open=lambda data=bytes(spoiled): io.BytesIO(data))
        with pytest.raises(Damaged):
            ground.bring_back(taken.point, {"dump.rdb": part})
    for length in (5, len(whole) // 2, len(whole) - 1):
        with pytest.raises(Damaged):
            rdb.checked(io.BytesIO(whole[:length])).read()
    assert rdb.checked(io.BytesIO(whole + b"m" * 40)).read() == whole  # the mark after a diskless transfer


def test_keys_that_expire_are_not_missed(ground: RedisGround, tmp_path: Path) -> None:
    ground.fill(1)
    ground.server.cli("SET", "soon", "gone", "PX", "700")
    taken = take(ground, tmp_path)
    assert "digest" not in taken.point.facts
    time.sleep(0.7)
    source = source_of(ground)
    with source.rehearse(taken.point, taken.parts, Wanted(), None, SILENT) as rehearsed:
        pass
    assert rehearsed.restored.equal and rehearsed.restored.comparisons


def test_least_privileges(ground: RedisGround, tmp_path: Path) -> None:
    ground.fill(1)
    (line,) = re.findall(r"^ACL SETUSER .*$", PAGE.read_text("utf-8"), re.MULTILINE)
    words = line.replace("PASSWORD", "sesame").split()
    assert ground.server.cli(*words) == "OK"
    options = {"user": "saver", "password": "sesame"}
    assert source_of(ground, **options).probe().version.startswith("7.")
    taken = take(ground, tmp_path, **options)
    assert set(taken.point.facts) == {"keys", "checksum"}
    with pytest.raises(AccessRefused) as caught:
        source_of(ground, user="saver", password="planted").probe()
    assert "planted" not in str(caught.value.as_dict())
    with pytest.raises(ServerUnavailable):
        source_of(ground, port=1).probe()
    url = f"redis://saver:sesame@127.0.0.1:{ground.server.port}"
    made: Any = redis.build("x", redis.Options.model_validate({"url": url}), source_of(ground).place)
    assert made.probe().details["keys"] > 70
    assert "sesame" not in repr(made.options)


def test_by_hand(ground: RedisGround, tmp_path: Path) -> None:
    ground.fill(1)
    saved = ground.state()
    layout = "redis/dump_{time:%Y%m%d_%H%M%S}.rdb.gz"
    it = install(tmp_path / "ground", "redis", ground.source(), layout)
    it.back_up()
    (made,) = (tmp_path / "ground" / "nas" / "redis").glob("*.rdb.gz")
    assert gzip.decompress(made.read_bytes()).startswith(b"REDIS")
    page = PAGE.read_text("utf-8").partition("## By hand")[2]
    for begin in ("gunzip", "redis-check-rdb"):
        (line,) = re.findall(rf"^{begin} .*$", page, re.MULTILINE)
        line = line.replace("dump_20260128_053000.rdb.gz", str(made))
        subprocess.run(line, shell=True, cwd=tmp_path, check=True, capture_output=True)
    ground.server.stop()
    ground.server.file.write_bytes((tmp_path / "dump.rdb").read_bytes())
    ground.server.start()
    assert ground.state() == saved
