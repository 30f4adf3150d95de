"""RabbitMQ by a real broker: by its own program, messages of a queue, refusals, and by hand."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import AccessRefused, HaechiError, NotThere, ServerUnavailable, UsageMistake
from haechi.events import SILENT
from haechi.places.local import LocalPlace
from haechi.sources import rabbitmq
from haechi.sources._base import Wanted
from haechi.testing.source_contract import take
from tests.contract.sources.rabbitmq import RabbitGround
from tests.servers.rabbitmq import PASSWORD, running
from tests.unit.sources.ground import install

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("source-rabbitmq")]


@pytest.fixture(scope="module")
def ground() -> Iterator[RabbitGround]:
    with running() as server:
        yield RabbitGround(server)


def by_program(ground: RabbitGround) -> rabbitmq.RabbitMQ:
    env = {
        name: value
        for name, value in ground.server.env.items()
        if name != "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"
    }
    env["PATH"] = f"/usr/lib/rabbitmq/bin:{os.environ['PATH']}"  # Debian's wrapper looks at who calls it
    options = rabbitmq.Options.model_validate({"run_as": "rabbitmq", "env": env})
    made = rabbitmq.build("queue", options, _Place())
    assert isinstance(made, rabbitmq.RabbitMQ)
    return made


class _Place(LocalPlace):
    """Programs are looked up in the PATH of whoever starts them, not in that which they are given."""

    def run(self, argv: Any, **rest: Any) -> Any:
        return super().run(["env", "-C", "/", *argv], **rest)


def test_by_its_own_program(ground: RabbitGround, tmp_path: Path) -> None:
    ground.fill(1)
    saved = ground.state()
    source = by_program(ground)
    assert source.probe().version.startswith("3.")
    with source.capture(SILENT) as capture:
        (part,) = capture.parts
        with part.open() as stream:
            data = stream.read()
        facts = capture.facts()
    assert facts["definitions"]["queues"]["count"] == 10
    taken = take(ground, tmp_path)
    assert taken.point.facts["definitions"] == facts["definitions"]  # either way gives the same
    ground.server.clear()
    (tmp_path / "0").write_bytes(data)
    restored = source.restore(taken.point, taken.parts, Wanted(in_place=True), SILENT)
    assert restored.equal and ground.state() == saved
    with source.rehearse(taken.point, taken.parts, Wanted(), None, SILENT) as rehearsed:
        pass
    assert rehearsed.restored.equal and not rehearsed.left and not ground.leftovers()


def test_what_is_in_use_is_asked_for(ground: RabbitGround, tmp_path: Path) -> None:
    ground.fill(1)
    taken = take(ground, tmp_path)
    source = ground.source()
    with pytest.raises(UsageMistake, match="in use"):
        source.restore(taken.point, taken.parts, Wanted(), SILENT)
    with pytest.raises(NotThere):
        source.restore(taken.point, taken.parts, Wanted(only=("nothing",), in_place=True), SILENT)
    target = {"file": str(tmp_path / "new.json")}
    assert source.restore(taken.point, taken.parts, Wanted(target=target), SILENT).equal
    # A queue that is there with other properties stays as it is, and is named.
    vhost = "shop%20%ED%95%9C"
    ground.server.ask("DELETE", f"queues/{vhost}/q%2F3%20%22x%22")
    ground.server.ask(
        "PUT", f"queues/{vhost}/q%2F3%20%22x%22", {"durable": True, "arguments": {"x-max-length": 99}}
    )
    try:
        restored = source.restore(taken.point, taken.parts, Wanted(in_place=True), SILENT)
    except HaechiError as problem:
        assert "q/3" in problem.message
    else:
        assert [c.what for c in restored.comparisons if not c.equal and "q/3" in c.what]


def test_messages_of_a_queue(ground: RabbitGround, tmp_path: Path) -> None:
    ground.fill(1)
    ask = ground.server.ask
    ask("PUT", "queues/%2F/dead", {"durable": True})
    payloads = [b"plain", "한글".encode(), bytes(range(256)), b""]
    for payload in payloads:
        ask(
            "POST",
            "exchanges/%2F/amq.default/publish",
            {
                "properties": {"delivery_mode": 2, "headers": {"x": 1}, "content_type": "a/b"},
                "routing_key": "dead",
                "payload": base64.b64encode(payload).decode(),
                "payload_encoding": "base64",
            },
        )
    source = ground.source(messages=["/dead"])
    taken = take(ground, tmp_path, messages=["/dead"])
    assert taken.point.facts["messages"] == {"/dead": 4}
    ask("DELETE", "queues/%2F/dead/contents")
    restored = source.restore(taken.point, taken.parts, Wanted(in_place=True), SILENT)
    assert restored.equal
    found = ask(
        "POST", "queues/%2F/dead/get", {"count": 10, "ackmode": "ack_requeue_false", "encoding": "base64"}
    )
    assert [base64.b64decode(message["payload"]) for message in found] == payloads
    assert found[0]["properties"]["headers"] == {"x": 1} and found[0]["properties"]["content_type"] == "a/b"
    ask("POST", "exchanges/%2F/amq.default/publish",
        {"properties": {}, "routing_key": "dead", "payload": "x", "payload_encoding": "string"})  # fmt: skip
    ask("POST", "exchanges/%2F/amq.default/publish",
        {"properties": {}, "routing_key": "dead", "payload": "x", "payload_encoding": "string"})  # fmt: skip
    with pytest.raises(HaechiError, match="more than 1 message"):
        take(ground, tmp_path, messages=["/dead"], most_messages=1)
    ask("DELETE", "queues/%2F/dead")
    with pytest.raises(NotThere):
        take(ground, tmp_path, messages=["/dead"])


def test_refusals(ground: RabbitGround) -> None:
    with pytest.raises(AccessRefused) as caught:
        ground.source(password="planted").probe()
    assert "planted" not in str(caught.value.as_dict())
    with pytest.raises(ServerUnavailable):
        ground.source(url="http://127.0.0.1:1").probe()
    source = by_program(ground)
    elsewhere = source.options.model_copy(
        update={"env": {**source.options.env, "RABBITMQ_NODENAME": "no@localhost"}}
    )
    with pytest.raises(ServerUnavailable):
        rabbitmq.build("x", elsewhere, source.place).probe()
    options = rabbitmq.Options.model_validate(
        {"url": f"http://keeper:{PASSWORD}@127.0.0.1:{ground.server.api}/"}
    )
    assert rabbitmq.build("x", options, LocalPlace()).probe().version.startswith("3.")
    assert PASSWORD not in repr(options)


def test_by_hand(ground: RabbitGround, tmp_path: Path) -> None:
    ground.fill(1)
    saved = ground.state()
    it = install(tmp_path / "ground", "rabbitmq", ground.source(), "rabbitmq/{part}_{time:%Y%m%d_%H%M%S}.gz")
    it.back_up()
    ground.server.clear()
    (made,) = (tmp_path / "ground" / "nas" / "rabbitmq").glob("definitions.json_*.gz")
    page = Path("docs/howto/rabbitmq.md").read_text("utf-8").partition("## By hand")[2]
    (unpack,) = re.findall(r"^gunzip .*$", page, re.MULTILINE)
    (load,) = re.findall(r"^rabbitmqctl .*$", page, re.MULTILINE)
    room = ground.server.directory / "hand"
    room.mkdir()
    unpack = unpack.replace("definitions.json_20260128_054000.gz", str(made))
    subprocess.run(unpack, shell=True, cwd=room, check=True)
    room.chmod(0o755)
    env = {**os.environ, **by_program(ground).options.env}
    load = load.replace(" definitions.json", f" {room}/definitions.json")
    subprocess.run(load, shell=True, cwd="/", env=env, user="rabbitmq", extra_groups=[], check=True)
    assert ground.state() == saved
