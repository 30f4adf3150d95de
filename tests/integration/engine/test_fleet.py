"""Three workers, one killed, one cut off, their database restarted: each backup is made once, and nothing hangs.

Who is away is seen, and told once; what comes back is what was saved.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from haechi.engine.ledger import Ledger
from haechi.operations.watching.workers import State
from tests.command_line import asked
from tests.integration.engine.fleet_ground import Fleet, a_fleet, in_a_bucket, wait
from tests.servers.gate import Gate
from tests.servers.namespace import namespace
from tests.servers.receiver import webhook
from tests.servers.seaweedfs import SeaweedFS

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]  # a slow machine takes its time; a quiet one 20 s
POOL = ("alpha", "beta", "gamma")
OWN = ("one", "two", "three")
HOSTS = "[host.center]\n" + "".join(f'[host.{name}]\nlabels = ["pool"]\n' for name in OWN)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_JOURNAL", "")  # put back afterwards


@pytest.fixture
def fleet(open_directory: Path) -> Iterator[Fleet]:
    with a_fleet(open_directory) as made:
        yield made


def test_killed_cut_off_and_the_database_restarted(
    open_directory: Path, seaweedfs: SeaweedFS, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack:
        spaces = {name: stack.enter_context(namespace()) for name in OWN}
        here = {name: space.here for name, space in spaces.items()}
        gates = {n: stack.enter_context(Gate.before(seaweedfs.endpoint, at)) for n, at in here.items()}
        vault = in_a_bucket(seaweedfs, gates)
        fleet = stack.enter_context(a_fleet(open_directory, addresses=[*here.values()], vault=vault))
        center = fleet.host("center")
        for name, space in spaces.items():
            fleet.host(name, space)
        services = [fleet.service(name, "pool") for name in POOL] + [fleet.service(f"at-{n}", n) for n in OWN]
        fleet.plan(HOSTS + "".join(services))
        fleet.haechi(center, "vault", "init")
        for name in OWN:
            fleet.hosts[name].start("worker")
        for name in OWN:
            wait(lambda name=name: "Ready:" in fleet.hosts[name].log)  # type: ignore[misc]
        fleet.due(*POOL)
        center.work("serve")
        wait(lambda: all(fleet.who(name) for name in POOL))
        dead, cut, whole = (fleet.hosts[fleet.who(name)[-1]] for name in POOL)
        assert len({dead.name, cut.name, whole.name}) == 3, fleet.logs  # one each: `parallel` is 1

        dead.end(signal.SIGKILL)
        assert cut.inside
        cut.inside.cut()
        fleet.due(f"at-{cut.name}")  # what only the one that is cut off may do
        fleet.restart()
        # Neither works on: what the one had begun has ended with it, and the other lets go by itself.
        wait(lambda: not any(fleet.at_work(host) for host in (dead, cut)))
        fleet.go(*POOL, *(f"at-{name}" for name in OWN))
        wait(lambda: fleet.done(*POOL))  # only one host is left that may
        assert fleet.who(f"at-{cut.name}") == []  # it waits for its host
        cut.inside.cut(off=False)
        wait(lambda: fleet.done(f"at-{cut.name}"))
        assert set(fleet.who(f"at-{cut.name}")) == {cut.name}
        wait(lambda: set(fleet.statuses().values()) == {"SUCCESS"})
        for name in (*POOL, f"at-{cut.name}"):
            assert len(fleet.points(name)) == 1
        assert Ledger(fleet.database.engine).taken() == {}
        assert cut.status is None  # and goes on
        for host in (center, cut, whole):
            host.tell(signal.SIGTERM)
        for host in (center, cut, whole):
            assert host.wait() == 0
            assert "nothing was under way" in host.log
        plan = f"--plan={fleet.home.plan.path}"
        asked(capsys, plan, "vault", "check", "main", "--read-data")
        for name in (*POOL, f"at-{cut.name}"):
            back = open_directory / f"back-{name}"
            asked(capsys, plan, "restore", name, "--to", f"file={back}")
            assert back.read_text() == f"what {name} holds \n"


OLD = "import sys, haechi; haechi.__version__ = '0.0.1'; from haechi.__main__ import main; sys.exit(main())"


def test_one_worker_of_a_name_and_an_old_one_is_told(fleet: Fleet) -> None:
    one, twin, old = fleet.host("one"), fleet.host("twin"), fleet.host("old")
    fleet.plan("[host.one]\n[host.old]\n" + fleet.service("erp", "one"))
    fleet.haechi(one, "vault", "init")
    assert fleet.workers() == {}
    one.work("serve")
    twin.name = "one"
    twin.start("worker")
    old.work("worker", program=("-c", OLD))
    assert twin.wait() == 11
    assert "A worker named one is at work on another host." in twin.log
    assert "--name NAME" in twin.log
    wait(lambda: "this host 0.0.1: upgrade this one" in old.words)
    wait(lambda: "old has Haechi 0.0.1" in one.words)
    assert [name for name, worker in fleet.workers().items() if worker.newer] == ["old"]

    fleet.due("erp")
    wait(lambda: fleet.who("erp") == ["one"])
    assert one.end(signal.SIGKILL) == -signal.SIGKILL
    one.work("serve")  # at once: on this host it is known that the first one is gone
    fleet.go("erp")
    wait(lambda: fleet.done("erp"))
    assert len(fleet.points("erp")) == 1


def test_who_is_missed_is_seen_and_told_once(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    with webhook() as told:
        center, one = fleet.host("center"), fleet.host("one")
        fleet.plan(
            "[host.center]\n[host.one]\n"
            + fleet.service("erp", "one")
            + f'[notify.people]\nvia = "webhook"\nurl = "{told.url}"\non = ["worker"]\n'
        )
        fleet.haechi(center, "vault", "init")
        center.work("serve")
        one.work("worker")
        fleet.due("erp")
        wait(lambda: fleet.workers()["one"].sign.works_on)  # type: ignore[union-attr]
        shown = fleet.haechi(center, "status")
        assert "alive" in shown
        assert "no sign of life" not in shown

        one.end(signal.SIGKILL)
        wait(lambda: "one is silent" in center.words)  # the others have buried it by now
        assert fleet.workers()["center"].state is State.ALIVE
        plan = f"--plan={fleet.home.plan.path}"
        entry = next(e for e in asked(capsys, plan, "status") if e.get("worker") == "one")
        assert (entry["state"], entry["missed"], entry["waiting"]) == ("silent", True, ["erp"])
        found = asked(capsys, plan, "doctor", status=1)
        assert [f["health"] for f in found if f["subject"] == "worker one"] == ["bad"]
        assert 'haechi_worker_missed{worker="one"} 1' in fleet.haechi(center, "metrics")
        for _look in range(2):
            found = asked(capsys, plan, "alarms", "--tell", status=21)
            assert [a["subject"] for a in found if a["event"] == "worker"] == ["one"]
        (call,) = told.calls
        assert "no sign of life" in call[1].decode()

        one.work("worker")
        assert not fleet.workers()["one"].missed
        fleet.go("erp")
        wait(lambda: fleet.done("erp"))
        for host in (center, one):
            host.tell(signal.SIGTERM)
        assert [host.wait() for host in (center, one)] == [0, 0]
        assert {name: worker.state for name, worker in fleet.workers().items()} == {
            "center": State.ENDED,
            "one": State.ENDED,
        }


def test_a_service_moves_host_and_secrets_stay_where_they_are_needed(fleet: Fleet) -> None:
    center, one, two = fleet.host("center"), fleet.host("one", TOKEN="known"), fleet.host("two")
    hosts = "[host.center]\n[host.one]\n[host.two]\n"
    secret = 'env = { SECRET = { env = "TOKEN" } }'
    fleet.plan(hosts + fleet.service("secret", "one", secret) + fleet.service("moves", "one"))
    fleet.haechi(center, "vault", "init")
    fleet.go("secret")
    center.work("serve")
    for host in (one, two):
        host.work("worker")
    fleet.due("secret")
    wait(lambda: fleet.done("secret"))  # `parallel` is 1, and the next one waits to be told
    fleet.due("moves")
    wait(lambda: fleet.who("moves"))
    assert one.tell(signal.SIGTERM).wait() == 0  # in the middle: what it was doing is put off
    assert "Broken off" in one.log
    wait(lambda: "ENQUEUED" in fleet.statuses().values())  # for whoever may do it, and nobody may

    fleet.go("moves")
    fleet.plan(
        hosts + fleet.service("secret", "one", secret) + fleet.service("moves", "two", when=fleet.later)
    )
    wait(lambda: "has changed and is followed" in two.words)
    fleet.due("moves", when=fleet.later)
    wait(lambda: fleet.done("moves"))
    assert fleet.who("moves") == ["one", "two"]
    assert fleet.who("secret") == ["one"]
    assert len(fleet.points("moves")) == len(fleet.points("secret")) == 1
    assert sorted(fleet.statuses().values()) == ["CANCELLED", "SUCCESS", "SUCCESS"]  # its turn came again
    for host in (center, two):
        host.tell(signal.SIGTERM)
    assert [host.wait() for host in (center, two)] == [0, 0]
