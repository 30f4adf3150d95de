"""One tree by the hands of several workers: of what another host sees otherwise, nothing is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.engine.fleet_ground import PATIENT, Fleet, a_fleet, wait
from tests.servers import demand, short_directory

pytestmark = [pytest.mark.server, pytest.mark.timeout(400)]

PLAN = """
[host.center]
labels = ["same", "others", "nearly", "alone"]
[host.one]
labels = ["same"]
[host.blind]
labels = ["others"]
[host.stale]
labels = ["nearly"]
"""
SERVICE = """
[service.{name}]
source = "files"
paths = ["{root}/media"]
hands = {hands}
to = "vault.main"
worker = "{name}"
"""
DIRECTORIES = range(8)


@dataclass(frozen=True)
class Mounted:
    """A host on which other things lie at some paths. Satisfies `Inside`."""

    over: dict[Path, Path]
    here: str = "127.0.0.1"

    def inside(self, *argv: str) -> list[str]:
        mounts = [f"mount --bind '{there}' '{path}'" for path, there in self.over.items()]
        return ["unshare", "--mount", "sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh", *argv]

    def cut(self, *, off: bool = True) -> None: ...


def planted(root: Path, word: str) -> Path:
    for directory in DIRECTORIES:
        (root / f"{directory}").mkdir(parents=True)
        for number in range(20):
            (root / f"{directory}/{number:02}").write_text(f"{word} {number}")
        for number in range(5):  # they count by their size, and cost nothing
            with (root / f"{directory}/large{number}").open("wb") as file:
                file.truncate(8 << 20)
    return root


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    demand("root, for mounts of its own", os.geteuid() == 0, "run the tests as root")
    before = os.environ.get("HAECHI_JOURNAL")
    with short_directory("test") as root, a_fleet(root) as fleet:
        media = planted(root / "media", "what is saved")
        other = planted(root / "other", "what is another's")
        center = fleet.host("center")
        fleet.host("one")
        fleet.host("blind", Mounted({media: other}))
        middle = {media / f"{directory}/10": other / f"{directory}/10" for directory in DIRECTORIES}
        fleet.host("stale", Mounted(middle))
        services = {"same": 2, "others": 2, "nearly": 2, "alone": 1}
        fleet.plan(
            PLAN + "".join(SERVICE.format(name=name, hands=n, root=root) for name, n in services.items())
        )
        fleet.haechi(center, "vault", "init")
        for name, host in fleet.hosts.items():
            if name == "center":
                host.start("serve", program=PATIENT)
            else:
                host.start("worker")
        for host in fleet.hosts.values():
            wait(lambda host=host: "Ready:" in host.log or host.status is not None)  # type: ignore[misc]
            assert host.status is None, host.log
        yield fleet
    os.environ.pop("HAECHI_JOURNAL", None)
    if before is not None:
        os.environ["HAECHI_JOURNAL"] = before


def back_up(fleet: Fleet, service: str) -> str:
    caller = fleet.begin(service)
    said, _nothing = caller.communicate(timeout=300)
    assert caller.returncode == 0, said + fleet.logs
    return " ".join(said.split())


def tree(fleet: Fleet, service: str) -> str:
    (point,) = fleet.points(service)
    vault = fleet.home.vault("main")
    node = vault.node(vault.snapshot(point.copies[0].ref), f"/files{fleet.root}/media")
    return str(node.subtree)


@pytest.fixture(scope="module")
def whole(fleet: Fleet) -> str:
    """As one process makes it."""
    fleet.haechi(fleet.hosts["center"], "backup", "alone")
    return tree(fleet, "alone")


def test_a_worker_that_sees_the_same_takes_its_share(fleet: Fleet, whole: str) -> None:
    said = back_up(fleet, "same")
    assert "after all" not in said
    assert ("SUCCESS", "one") in fleet.portions("same").values()
    assert tree(fleet, "same") == whole


def test_a_worker_with_another_tree_says_so_at_once(fleet: Fleet, whole: str) -> None:
    said = back_up(fleet, "others")
    assert f"on this host after all. blind: {fleet.root}/media" in said
    assert "on this host is not the one that is being saved" in said
    assert tree(fleet, "others") == whole


def test_of_a_worker_that_sees_a_little_otherwise_nothing_is_kept(fleet: Fleet, whole: str) -> None:
    said = back_up(fleet, "nearly")
    assert "did not see these files as this one does" in said
    assert ("SUCCESS", "stale") in fleet.portions("nearly").values()
    assert tree(fleet, "nearly") == whole
