"""One bucket by the hands of several workers: whatever dies, fails or is ended under way, one point or none."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from haechi.engine.ledger import Ledger
from tests.integration.engine.fleet_ground import PATIENT, Fleet, a_fleet, wait
from tests.integration.test_bucket import opened, room
from tests.servers import short_directory
from tests.servers.gate import Gate
from tests.servers.seaweedfs import SeaweedFS

pytestmark = [pytest.mark.server, pytest.mark.timeout(400), pytest.mark.xdist_group("source-bucket")]

FILES = {f"{number % 7}/{number:04}.txt": f"what {number} holds".encode() for number in range(620)}
HOSTS = """
[host.center]
labels = ["pool"]
[host.one]
labels = ["pool"]
[host.two]
labels = ["pool"]
"""
SERVICE = """
[service.{name}]
source = "bucket"
url = "s3://{bucket}"
endpoint = "{endpoint}"
region = "us-east-1"
access_key = {{ env = "{key}" }}
secret_key = {{ env = "BUCKET_SECRET" }}
hands = {hands}
at_once = 4
timeout = 3  # of what is held back: whoever waits for it looks so often whether to end
retries = 1000
patience = 1000
to = "vault.main"
worker = "pool"
"""
OPEN = {"ENQUEUED", "PENDING"}


class Site:
    """A fleet before a bucket whose objects can be held back."""

    def __init__(self, fleet: Fleet, gate: Gate, bucket: str):
        self.fleet, self.gate, self.bucket = fleet, gate, bucket

    def hold(self) -> None:
        """Listings are answered, objects are not."""
        self.gate.hold(f"GET /{self.bucket}/".encode())

    def portions(self, service: str) -> dict[str, tuple[str, str]]:
        """Each portion that was handed out for it: what became of it, and who has it."""
        return self.fleet.portions(service)

    def working(self, service: str) -> list[str]:
        """Who has begun with a portion."""
        return [host for status, host in self.portions(service).values() if status == "PENDING"]

    def begun(
        self, service: str, count: int = 2, at: str = "center"
    ) -> tuple[subprocess.Popen[str], list[str]]:
        """With each of the portions that are handed out somebody has begun, and cannot go on."""
        self.hold()
        caller = self.fleet.begin(service, at)
        wait(lambda: len(self.working(service)) == count or caller.poll() is not None, 200)
        assert caller.poll() is None, self.fleet.logs
        return caller, self.working(service)

    def ended(self, service: str, which: Collection[str] | None = None) -> None:
        """No portion of it is under way anywhere, or none of these."""

        def ended() -> bool:
            found = self.portions(service)
            return {found[one][0] for one in (found if which is None else which)}.isdisjoint(OPEN)

        wait(ended, 200)

    def over(self, service: str) -> None:
        """Nor anything else."""
        self.ended(service)
        assert Ledger(self.fleet.database.engine).taken() == {}

    def saved(self, service: str, target: Path) -> dict[str, bytes]:
        """The only point of it, restored."""
        assert len(self.fleet.points(service)) == 1
        self.fleet.haechi(self.fleet.hosts["center"], "restore", service, "--to", f"directory={target}")
        return {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def site(seaweedfs: SeaweedFS) -> Iterator[Site]:
    bucket = room(seaweedfs)
    there = opened(seaweedfs, bucket)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: there.put(key, FILES[key], {}), FILES))
    there.close()
    key = seaweedfs.options["access_key"]
    keys = {"BUCKET_KEY": key, "BUCKET_SECRET": seaweedfs.options["secret_key"]}
    before = os.environ.get("HAECHI_JOURNAL")
    with (
        short_directory("test") as root,
        a_fleet(root) as fleet,
        Gate.before(seaweedfs.endpoint) as gate,
    ):
        center = fleet.host("center", None, ONLY_HERE=key, **keys)
        others = [fleet.host(name, None, **keys) for name in ("one", "two")]
        of = {"bucket": bucket, "endpoint": gate.url}
        many, few = {"key": "BUCKET_KEY", "hands": 3, **of}, {"key": "BUCKET_KEY", "hands": 2, **of}
        services = {"shared": many, "unwanted": many, "orphan": few, "secret": few | {"key": "ONLY_HERE"}}
        fleet.plan(HOSTS + "".join(SERVICE.format(name=name, **said) for name, said in services.items()))
        fleet.haechi(center, "vault", "init")
        for host in others:
            host.start("worker")
        center.start("serve", program=PATIENT)
        for host in fleet.hosts.values():
            wait(lambda host=host: "Ready:" in host.log)  # type: ignore[misc]
        yield Site(fleet, gate, bucket)
    os.environ.pop("HAECHI_JOURNAL", None)
    if before is not None:
        os.environ["HAECHI_JOURNAL"] = before


def test_what_a_host_has_no_key_for_is_done_where_there_is_one(site: Site) -> None:
    caller = site.fleet.begin("secret")
    said, _nothing = caller.communicate(timeout=300)
    assert caller.returncode == 0, said + site.fleet.logs
    tried = {host for _status, host in site.portions("secret").values()} - {"center"}
    assert tried
    for host in tried:  # it says who lacks what
        assert f"on this host after all. {host}: The environment variable ONLY_HERE is not set." in said
    (point,) = site.fleet.points("secret")
    assert point.size == sum(map(len, FILES.values()))
    site.over("secret")


def test_ended_by_hand_it_ends_on_every_host(site: Site) -> None:
    caller, _hosts = site.begun("unwanted")
    caller.send_signal(signal.SIGINT)
    said, _nothing = caller.communicate(timeout=300)
    assert caller.returncode != 0, said
    site.over("unwanted")
    assert site.fleet.points("unwanted") == []
    site.gate.let_go()


def test_a_worker_that_dies_costs_its_portion_only(site: Site) -> None:
    caller, hosts = site.begun("shared")
    dead = next(host for host in hosts if host != "center")
    site.fleet.hosts[dead].end(signal.SIGKILL)
    site.gate.let_go()
    said, _nothing = caller.communicate(timeout=300)
    assert caller.returncode == 0, said + site.fleet.logs
    done = {host for status, host in site.portions("shared").values() if status == "SUCCESS"}
    assert done
    assert dead not in done
    (point,) = site.fleet.points("shared")
    assert point.size == sum(map(len, FILES.values()))
    site.over("shared")


def test_of_a_run_whose_host_dies_nothing_goes_on_and_another_makes_its_point(
    site: Site, tmp_path: Path
) -> None:
    """Two workers are left, and each does one thing at a time."""
    caller, _hosts = site.begun("orphan", 1, at="pool")
    _run, parent = Ledger(site.fleet.database.engine).taken()["orphan"]
    orphans = list(site.portions("orphan"))
    site.fleet.hosts[parent].end(signal.SIGKILL)
    site.ended("orphan", orphans)  # although no object has been answered yet; whoever begins anew has others
    site.gate.let_go()
    wait(lambda: site.fleet.done("orphan"), 200)
    caller.kill()
    caller.communicate()
    assert site.saved("orphan", tmp_path / "back") == FILES
    site.over("orphan")
