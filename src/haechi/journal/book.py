"""The journal: every run with its steps, every restore point, every proof. For several processes at once.

It is a record and never the only copy of the truth: what it says about restore points is made again from the
vaults and archives by `rebuild`.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, or_, select, update

from haechi import clock
from haechi.errors import NotThere, UsageMistake
from haechi.i18n import _
from haechi.journal import liveness, opening
from haechi.journal.recorder import RunRecorder
from haechi.journal.reports import Reports
from haechi.journal.schema import copies, points, proofs, runs, steps
from haechi.model import Copy, Outcome, Proof, ProofState, RestorePoint, Run, RunStep

__all__ = ["Journal", "RebuildReport", "RunRecorder"]


@dataclass(frozen=True)
class RebuildReport:
    """What a rebuild changed. Runs and proofs that were there stay."""

    points: int  # found in the vaults and archives
    added: int  # of them, unknown to the journal before
    forgotten: int  # copies the journal knew and that are no longer there
    runs: int  # backups written in again from what their points say


class Journal:
    """The journal at this address, or this host's; made if it is not there, brought up to date if it is old.

    It is opened when it is first used: a journal that is away must not keep anybody from restoring. Every method
    may raise JournalUnavailable. Safe to use from many threads.
    """

    def __init__(self, url: str | None = None):
        self._url = url
        self._opened: Engine | None = None
        self._lock = threading.Lock()

    @classmethod
    def open(cls, url: str | None = None) -> Journal:
        """The same, opened now."""
        made = cls(url)
        assert made._engine
        return made

    @property
    def _engine(self) -> Engine:
        with self._lock:
            if self._opened is None:
                self._opened = opening.open_engine(self._url)
            return self._opened

    def close(self) -> None:
        if self._opened is not None:
            self._opened.dispose()

    def __repr__(self) -> str:
        where = self._opened.url.render_as_string(hide_password=True) if self._opened else "not opened"
        return f"Journal({where})"

    # -- runs -------------------------------------------------------------------------------------

    def begin_run(self, operation: str, service: str, host: str = "") -> str:
        """Write that this run has begun; its id, which sorts by time."""
        began = clock.now()
        run = f"{began:%Y%m%dT%H%M%S}{began.microsecond // 1000:03d}-{secrets.token_hex(3)}"
        with self.writing() as connection:
            connection.execute(
                insert(runs).values(
                    id=run,
                    operation=operation,
                    service=service,
                    host=host or socket.gethostname(),
                    process=liveness.mark(),
                    began=began,
                    outcome=Outcome.RUNNING,
                    bytes_read=0,
                    bytes_stored=0,
                    point="",
                    error={},
                )
            )
        return run

    def step(self, run_id: str, step: RunStep) -> None:
        """Add a step that has ended to a run."""
        number = select(func.coalesce(func.max(steps.c.number), 0) + 1).where(steps.c.run == run_id)
        with self.writing() as connection:
            connection.execute(
                insert(steps).values(
                    run=run_id,
                    number=number.scalar_subquery(),
                    title=step.title,
                    began=step.began,
                    seconds=step.seconds,
                    outcome=step.outcome,
                    amount=step.amount,
                    error=step.error,
                    made_of=step.made_of,
                )
            )

    def end_run(
        self,
        run_id: str,
        outcome: Outcome,
        *,
        bytes_read: int = 0,
        bytes_stored: int = 0,
        point: str = "",
        error: Mapping[str, Any] | None = None,
    ) -> None:
        """Write how the run ended, and why."""
        with self.writing() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.id == run_id)
                .values(
                    ended=clock.now(),
                    outcome=outcome,
                    bytes_read=bytes_read,
                    bytes_stored=bytes_stored,
                    point=point,
                    error=error or {},
                )
            )

    def runs(
        self,
        *,
        service: str | None = None,
        operation: str | None = None,
        since: datetime | None = None,
        limit: int | None = 50,
    ) -> list[Run]:
        """The newest first, without their steps. One whose process is gone is shown as interrupted."""
        query = select(runs).order_by(runs.c.began.desc(), runs.c.id.desc()).limit(limit)
        if service is not None:
            query = query.where(runs.c.service == service)
        if operation is not None:
            query = query.where(runs.c.operation == operation)
        if since is not None:
            query = query.where(runs.c.began >= since)
        with self.reading() as connection:
            return [_run(row) for row in connection.execute(query)]

    def run(self, id_or_prefix: str) -> Run:
        """One run with its steps, by its id or the beginning of either half of it. Raises NotThere, UsageMistake."""
        begins = (
            runs.c.id.startswith(id_or_prefix, autoescape=True),
            runs.c.id.contains(f"-{id_or_prefix}", autoescape=True),
        )
        with self.reading() as connection:
            found = connection.execute(select(runs).where(or_(*begins)).limit(2)).all()
            if not found:
                raise NotThere(
                    _("The journal has no run “{name}”.").format(name=id_or_prefix),
                    hint=_("`haechi journal list` shows them."),
                )
            if len(found) > 1:
                raise UsageMistake(
                    _("More than one run begins with “{name}”.").format(name=id_or_prefix),
                    hint=_("Give more letters of its id."),
                )
            taken = connection.execute(
                select(steps).where(steps.c.run == found[0].id).order_by(steps.c.number)
            )
            return replace(_run(found[0]), steps=tuple(_step(row) for row in taken))

    # -- restore points ---------------------------------------------------------------------------

    def record_point(self, point: RestorePoint) -> None:
        """Write in a restore point and its copies. Idempotent; copies known from before stay."""
        with self.writing() as connection:
            _keep_point(connection, point)

    def forget_copy(self, point_id: str, where: str) -> None:
        """One copy is gone; with the last one the point is. The journal still knows that it was there."""
        with self.writing() as connection:
            connection.execute(delete(copies).where(copies.c.point == point_id, copies.c.place == where))
            _mark_gone(connection)

    def points(self, service: str | None = None) -> list[RestorePoint]:
        """Every point that still has a copy as far as the journal knows, oldest first."""
        query = select(points).where(points.c.gone.is_(None)).order_by(points.c.time, points.c.id)
        if service is not None:
            query = query.where(points.c.service == service)
        with self.reading() as connection:
            where = _copies_by_point(connection)
            return [_point(row, where.get(row.id, ())) for row in connection.execute(query)]

    def rebuild(
        self, found: Iterable[RestorePoint], read: Collection[tuple[str, str | None]] = ()
    ) -> RebuildReport:
        """Make the record of restore points again from what lies in the vaults and archives.

        `read` says what could be read to the end, (where, service) or (where, None) for all that is there:
        copies of which were not found are forgotten.
        Idempotent. Runs and proofs stay; the backups that made unknown points are written in again.
        """
        total = added = again = 0
        seen: set[tuple[str, str]] = set()
        with self.writing() as connection:
            known = set(connection.scalars(select(points.c.id).where(points.c.gone.is_(None))))
            ran = set(connection.scalars(select(runs.c.id)))
            for point in found:
                if point.id not in known:
                    known.add(point.id)
                    added += 1
                total += (point.id, "") not in seen
                seen |= {(point.id, ""), *((point.id, copy.where) for copy in point.copies)}
                _keep_point(connection, point)
                if point.run and point.run not in ran:
                    ran.add(point.run)
                    again += 1
                    connection.execute(insert(runs).values(**_run_of(point)))
            lying = select(copies.c.point, copies.c.place, points.c.service).join(points)
            lost = [
                (row.point, row.place)
                for row in connection.execute(lying)
                if {(row.place, None), (row.place, row.service)} & set(read)
                and (row.point, row.place) not in seen
            ]
            for point_id, place in lost:
                connection.execute(delete(copies).where(copies.c.point == point_id, copies.c.place == place))
            _mark_gone(connection)
        return RebuildReport(points=total, added=added, forgotten=len(lost), runs=again)

    # -- proofs -----------------------------------------------------------------------------------

    def record_proof(self, proof: Proof) -> None:
        """Write in what was done with a copy and what came out."""
        with self.writing() as connection:
            connection.execute(
                insert(proofs).values(
                    id=f"{proof.time:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}",
                    point=proof.point,
                    place=proof.where,
                    state=proof.state,
                    time=proof.time,
                    depth=proof.depth,
                    seconds=proof.seconds,
                    detail=proof.detail,
                )
            )

    def proofs(self, point: str | None = None, service: str | None = None) -> list[Proof]:
        """Oldest first. Proofs of points that are gone stay: they say that restoring worked."""
        query = select(proofs).order_by(proofs.c.time, proofs.c.id)
        if point is not None:
            query = query.where(proofs.c.point == point)
        if service is not None:
            query = query.where(proofs.c.point.in_(select(points.c.id).where(points.c.service == service)))
        with self.reading() as connection:
            return [_proof(row) for row in connection.execute(query)]

    @property
    def reports(self) -> Reports:
        """Of drills and checklists."""
        return Reports(self)

    # -- care -------------------------------------------------------------------------------------

    def ended_before(self, moment: datetime) -> int:
        """How many runs `prune` would forget."""
        query = select(func.count()).select_from(runs).where(runs.c.ended < moment)
        with self.reading() as connection:
            return int(connection.scalar(query) or 0)

    def prune(self, before: datetime) -> int:
        """Forget runs that ended before this, and points gone before this with their proofs; how many runs."""
        with self.writing() as connection:
            gone = select(points.c.id).where(points.c.gone < before)
            connection.execute(delete(proofs).where(proofs.c.point.in_(gone)))
            connection.execute(delete(points).where(points.c.gone < before))
            old = select(runs.c.id).where(runs.c.ended < before)
            connection.execute(delete(steps).where(steps.c.run.in_(old)))
            return connection.execute(delete(runs).where(runs.c.ended < before)).rowcount

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """For the journal's own rooms."""
        with opening.explained(self._engine), opening.reading(self._engine) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The same, one at a time."""
        with opening.explained(self._engine), self._engine.begin() as connection:
            yield connection


def _keep_point(connection: Connection, point: RestorePoint) -> None:
    body = point.as_dict()
    del body["copies"]
    if not point.facts:  # a vault's list leaves them out; what was known when the point was made stays
        known = connection.scalar(select(points.c.body).where(points.c.id == point.id))
        body["facts"] = known["facts"] if known else {}
    row = {"id": point.id, "service": point.service, "time": point.time, "gone": None, "body": body}
    opening.upsert(connection, points, row)
    for copy in point.copies:
        row = {"point": point.id, "place": copy.where, "ref": copy.ref, "size": copy.size}
        opening.upsert(connection, copies, row)


def _mark_gone(connection: Connection) -> None:
    left = select(copies.c.point).where(copies.c.point == points.c.id).exists()
    connection.execute(update(points).where(points.c.gone.is_(None), ~left).values(gone=clock.now()))


def _copies_by_point(connection: Connection) -> dict[str, tuple[Copy, ...]]:
    found: dict[str, tuple[Copy, ...]] = {}
    for row in connection.execute(select(copies).order_by(copies.c.place)):
        found[row.point] = (*found.get(row.point, ()), Copy(row.place, row.ref, row.size))
    return found


def _run_of(point: RestorePoint) -> dict[str, Any]:
    """The backup that made this point, as far as the point tells."""
    return {
        "id": point.run,
        "operation": "backup",
        "service": point.service,
        "host": point.host,
        "process": "",
        "began": point.time,
        "ended": point.time,
        "outcome": Outcome.SUCCESS,
        "bytes_read": point.size,
        "bytes_stored": sum(copy.size for copy in point.copies),
        "point": point.id,
        "error": {},
    }


def _point(row: Any, where: tuple[Copy, ...]) -> RestorePoint:
    return replace(RestorePoint.from_dict(row.body), copies=where)


def _run(row: Any) -> Run:
    outcome = Outcome(row.outcome)
    if outcome is Outcome.RUNNING and row.host == socket.gethostname() and liveness.is_gone(row.process):
        outcome = Outcome.INTERRUPTED
    return Run(
        id=row.id,
        operation=row.operation,
        service=row.service,
        host=row.host,
        began=row.began,
        ended=row.ended,
        outcome=outcome,
        bytes_read=row.bytes_read,
        bytes_stored=row.bytes_stored,
        point=row.point,
        error=row.error,
    )


def _step(row: Any) -> RunStep:
    outcome = Outcome(row.outcome)
    return RunStep(row.title, row.began, row.seconds, outcome, row.amount, row.error, row.made_of)


def _proof(row: Any) -> Proof:
    state = ProofState(row.state)
    return Proof(row.point, row.place, state, row.time, row.depth, row.seconds, row.detail)
