"""Object lock with a server that has it: nothing is tried on what is locked, what is needed is locked for longer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from haechi import clock
from haechi.app import copies as installed
from haechi.app.home import Home
from haechi.archive.archive import Archive
from haechi.credentials import Secret
from haechi.errors import StillLocked
from haechi.events import SILENT
from haechi.model import Keep
from haechi.operations import doctor, retain
from haechi.operations.backup import back_up
from haechi.operations.destinations import locks
from haechi.operations.destinations.into_vault import VaultDestination
from haechi.operations.service import Service
from haechi.plan.load import loads
from haechi.stores._open import open_store
from haechi.stores._s3_locks import locks_of
from haechi.stores.objects import Objects
from haechi.vault import prune
from haechi.vault.repository import Vault
from tests.servers.seaweedfs import SeaweedFS
from tests.unit.operations.ground import SEOUL, Ground, lay

pytestmark = pytest.mark.server

DAY = timedelta(days=1)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return lay(tmp_path)


@pytest.fixture
def deletions(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The keys that anybody tried to delete."""
    tried: list[str] = []
    delete = Objects.delete

    def watched(self: Objects, key: str) -> None:
        tried.append(key)
        delete(self, key)

    monkeypatch.setattr(Objects, "delete", watched)
    yield tried


def vault_in(server: SeaweedFS, bucket: str) -> VaultDestination:
    made = Vault.create(open_store(f"s3://{bucket}/v", server.options), Secret("correct horse"))
    return VaultDestination("vault.s3", made)


def three_points(ground: Ground, service: Service) -> None:
    for number in range(3):
        ground.source.state = {"a.bin": bytes([number]) * 5000}
        back_up(service, ground.desk, SILENT, retention=False)


def test_what_is_locked_stays_and_nothing_is_tried_on_it(
    ground: Ground, seaweedfs: SeaweedFS, deletions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    far = vault_in(seaweedfs, seaweedfs.bucket(lock_days=1))
    archive = Archive(
        "archive.s3", open_store(f"s3://{seaweedfs.bucket(lock_days=1)}/a", seaweedfs.options),
        "{service}/{part}_{time:%Y%m%d_%H%M%S%f}.bin", zone=SEOUL,
    )  # fmt: skip
    service = ground.service(far, archive, keep=Keep(last=1))
    three_points(ground, service)
    deletions.clear()
    plans = retain.plan(service, ground.desk, SILENT)
    assert [len(plan.going) for plan in plans] == [0, 0]
    reasons = [d.reasons[0] for plan in plans for d in plan.decisions if d.rules == ("lock",)]
    assert len(reasons) == 4
    assert all(reason.startswith("locked until ") for reason in reasons)
    for plan in plans:
        retain.execute(plan, ground.desk, SILENT)
        plan.destination.free_space(SILENT)
    assert [key for key in deletions if not key.startswith(("v/locks/", "locks/"))] == []

    # Once its snapshots have gone (by other hands), what they held is locked still.
    far.vault.forget(list(far.vault.snapshots())[:2])
    planned = prune.plan(far.vault)
    assert planned.remove or planned.repack
    deletions.clear()
    with pytest.raises(StillLocked, match="locked still"):
        prune.execute(far.vault, planned)
    assert far.free_space(SILENT) == 0
    assert [key for key in deletions if not key.startswith("locks/")] == []
    # Once the lock is over, the space comes free.
    later = clock.now() + 2 * DAY
    monkeypatch.setattr("haechi.vault.prune.clock", SimpleNamespace(now=lambda: later))
    assert far.free_space(SILENT) > 0
    assert [key for key in deletions if key.startswith("data/")]


def test_a_legal_hold_has_no_end(ground: Ground, seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.bucket(lock_days=1)
    archive = Archive(
        "archive.s3", open_store(f"s3://{bucket}/a", seaweedfs.options),
        "{service}/{part}_{time:%Y%m%d_%H%M%S%f}.bin", zone=SEOUL,
    )  # fmt: skip
    service = ground.service(archive, keep=Keep(last=1))
    three_points(ground, service)
    first = archive.points("papers")[0]
    import hashlib
    from base64 import b64encode

    body = b"<LegalHold><Status>ON</Status></LegalHold>"
    md5 = b64encode(hashlib.md5(body).digest()).decode()
    key = archive.objects_of(first)[0]
    seaweedfs.client.call(
        "PUT", f"/{bucket}/a/{key}", query="legal-hold=", body=body, headers={"content-md5": md5}
    )
    reasons = locks.why_it_stays(archive, [first])
    assert reasons == {first.id: "under a legal hold"}


def test_what_is_shared_is_locked_for_longer(ground: Ground, seaweedfs: SeaweedFS) -> None:
    """The bucket locks for a day, the plan asks for ten: a pack of the first point serves the last one too."""
    far = vault_in(seaweedfs, seaweedfs.bucket(lock_days=1))
    service = ground.service(far)
    back_up(service, ground.desk, SILENT)
    back_up(service, ground.desk, SILENT)
    seen = locks.look(far, 10 * DAY, SILENT)
    assert seen
    assert not seen.holds
    assert "locks for 1d only" in seen.problem
    assert len(seen.short) == seen.objects > 4
    done = locks.look(far, 10 * DAY, SILENT, extend=True)
    assert done
    assert done.holds
    assert done.extended == done.objects
    known = locks_of(far.store)
    assert known
    newest = far.points()[-1].time
    with closing(known):
        for key in far.objects_for(far.points()):
            until = known.of(key).until
            assert until
            assert until >= newest + 10 * DAY - timedelta(seconds=2)
    again = locks.look(far, 10 * DAY, SILENT, extend=True)
    assert again
    assert (again.short, again.extended) == ((), 0)
    far.verify(far.points()[-1], "all", SILENT)


PLAN = """
[plan]
name = "x"
[vault.locked]
url = "s3://{locked}/v"
key = "k"
lock = "{lock}"
endpoint = "{endpoint}"
access_key = "{access_key}"
secret_key = "{secret_key}"
[vault.open]
url = "s3://{open}/v"
key = "k"
{asked}
endpoint = "{endpoint}"
access_key = "{access_key}"
secret_key = "{secret_key}"
[service.erp]
source = "command"
dump = ["true"]
to = ["vault.locked", "vault.open"]
"""


def test_doctor_compares_the_plan_with_the_bucket(seaweedfs: SeaweedFS) -> None:
    locked, plain = seaweedfs.bucket(lock_days=30), seaweedfs.bucket()

    def found(lock: str, asked: str = "") -> dict[str, list[doctor.Finding]]:
        text = PLAN.format(locked=locked, open=plain, lock=lock, asked=asked, **seaweedfs.options)
        home = Home(loads(text, environment={}))
        return {name: list(installed.lock_found(home, name)) for name in ("vault.locked", "vault.open")}

    good = found("30 days")
    assert [f.health for f in good["vault.locked"]] == [doctor.Health.GOOD]
    assert "30d (compliance)" in good["vault.locked"][0].text
    assert good["vault.open"] == []
    short = found("90 days", 'lock = "1 day"')
    assert short["vault.locked"][0].health is doctor.Health.WARNING
    assert "--extend" in short["vault.locked"][0].mend
    assert short["vault.open"][0].health is doctor.Health.BAD
    assert "no object lock" in short["vault.open"][0].text
