"""What happens in the demo, from beginning to end."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from haechi import clock
from haechi.app import open_home
from haechi.demo import shop
from haechi.demo.stage import Stage
from haechi.errors import NotVerified
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Promise
from haechi.operations import exchange, restore
from haechi.operations.backup import BackedUp, back_up
from haechi.operations.restore import Brought
from haechi.sources._base import Wanted

_AT_ONCE = 2


@dataclass(frozen=True)
class Table:
    """One table at three moments: rows and digest, or None where there was no such table."""

    name: str
    before: tuple[int, int]
    wrecked: tuple[int, int] | None
    after: tuple[int, int] | None

    @property
    def hurt(self) -> bool:
        return self.wrecked != self.before

    @property
    def healed(self) -> bool:
        return self.after == self.before


@dataclass(frozen=True)
class Ending:
    """What was measured."""

    tables: tuple[Table, ...]
    database_bytes: int
    backup: BackedUp
    again: BackedUp  # a second backup, of what came back
    brought: Brought
    promise: Promise
    rpo: float  # from the state that came back to the disaster
    rto: float  # from the decision to restore until everything was in place and compared
    seconds: float

    @property
    def nothing_lost(self) -> bool:
        return all(table.healed for table in self.tables)


def tell(stage: Stage, reporter: Reporter, began: float, scale: float = 1.0) -> Ending:
    """Play it. Raises NotVerified if anything that was saved did not come back."""
    fill(stage, reporter, scale)
    stage.write_plan()
    home = open_home(stage.plan)
    with reporter.step(_("Making the vault"), unit=""):
        home.create_vault("main")
    service = home.service("erp")
    before = digests(stage, reporter, _("Counting every table, as a witness"))
    saved = back_up(service, home.desk, reporter, retention=False)
    saved.raise_if_partial()

    for damage in shop.DISASTER:
        reporter.warn(_(damage.title))
        stage.psql(damage.sql, shop.DATABASE)
    disaster = clock.now()
    wrecked = digests(stage, reporter, _("Looking at the damage"))

    decided = clock.monotonic()
    planned = restore.plan(service, reporter, copy="vault.main", wanted=Wanted(jobs=_AT_ONCE))
    brought = restore.execute(planned, home.desk, reporter)
    if brought.restored.equal:
        exchange.swap(service, home.desk, reporter)
    rto = clock.monotonic() - decided

    after = digests(stage, reporter, _("Asking the witness"))
    names = sorted({*before, *wrecked, *after})
    tables = tuple(Table(name, before[name], wrecked.get(name), after.get(name)) for name in names)
    again = back_up(service, home.desk, reporter, retention=False)
    ending = Ending(
        tables=tables,
        database_bytes=int(stage.psql(f"select pg_database_size('{shop.DATABASE}')", shop.DATABASE)),
        backup=saved,
        again=again,
        brought=brought,
        promise=service.promise,
        rpo=(disaster - saved.point.time).total_seconds(),
        rto=rto,
        seconds=clock.monotonic() - began,
    )
    if not ending.nothing_lost:
        lost = ", ".join(table.name for table in tables if not table.healed)
        raise NotVerified(
            _("What came back differs from what was saved: {tables}.").format(tables=lost),
            hint=_("This must never happen. Please report it, with the output above."),
        )
    return ending


def fill(stage: Stage, reporter: Reporter, scale: float) -> None:
    """A database that looks like somebody's."""
    stage.psql(f"create database {shop.DATABASE}", "postgres")
    stage.psql(shop.SCHEMA, shop.DATABASE)
    every = [piece for table in shop.tables(scale) for piece in shop.slices(table)]
    total = sum(rows for rows, _sql in every)
    with (
        reporter.step(_("Filling a shop's database"), total, _("rows")) as step,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        for rows in pool.map(lambda piece: _insert(stage, *piece), every):
            step.advance(rows)
    with reporter.step(_("Making keys and indexes"), unit=""):
        stage.psql(shop.KEYS + "; vacuum analyze", shop.DATABASE)


def _insert(stage: Stage, rows: int, sql: str) -> int:
    stage.psql(sql, shop.DATABASE)
    return rows


def digests(stage: Stage, reporter: Reporter, title: str) -> Mapping[str, tuple[int, int]]:
    """Rows and a digest of every table there is."""
    names = stage.psql(shop.TABLE_NAMES, shop.DATABASE).split()
    found = {}
    with reporter.step(title, len(names), _("tables")) as step, ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = {
            name: pool.submit(stage.psql, shop.DIGEST.format(table=name), shop.DATABASE) for name in names
        }
        for name, answer in asked.items():
            rows, digest = answer.result().split("|")
            found[name] = (int(rows), int(digest))
            step.advance(1)
    return found
