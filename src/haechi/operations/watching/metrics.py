"""How things stand, as figures for Prometheus and its like: the same that `status`, its copies and the alarms say.

What was never measured has no figure: a zero, or a guess, would be read as a fact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from haechi import __version__, clock
from haechi.errors import JournalUnavailable
from haechi.model import Outcome, ProofState, Run
from haechi.operations.desk import Desk
from haechi.operations.status import Standing
from haechi.operations.watching.alarms import Alarm
from haechi.operations.watching.copies import CopyStanding, Spread
from haechi.operations.watching.workers import State, WorkerStanding

Labels = tuple[tuple[str, str], ...]


@dataclass
class Metric:
    """One family: all its samples share the name and the meaning."""

    name: str
    meaning: str
    samples: list[tuple[Labels, float]] = field(default_factory=list)

    def add(self, value: float | datetime | timedelta | None, **labels: str) -> None:
        """Nothing for what is not known."""
        if isinstance(value, datetime):
            value = value.timestamp()
        elif isinstance(value, timedelta):
            value = value.total_seconds()
        if value is not None:
            self.samples.append((tuple(labels.items()), float(value)))


# In English alone: these are read by people who look a name up, in whatever language their plan is.
FAMILIES = {
    "haechi_build_info": "The version in use.",
    "haechi_gathered_timestamp_seconds": "When these figures were gathered.",
    "haechi_backup_last_success_timestamp_seconds": "The moment that the newest restore point holds.",
    "haechi_backup_last_run_timestamp_seconds": "When the last backup began, however it ended.",
    "haechi_backup_last_run_ok": "1 if the last backup reached every destination, else 0.",
    "haechi_backup_last_duration_seconds": "How long the last backup took.",
    "haechi_backup_last_read_bytes": "What the last backup read from the service.",
    "haechi_backup_last_stored_bytes": "What the last backup added to its destinations.",
    "haechi_restore_points": "How many restore points there are.",
    "haechi_restore_point_bytes": "The size of the newest restore point, as it comes back.",
    "haechi_restore_point_state": "1 for how far the newest restore point is proven, 0 for the other states.",
    "haechi_rpo_seconds": "What would be lost now: the age of the newest point that is not known to be bad.",
    "haechi_rpo_proven_seconds": "The age of the newest point that has come back.",
    "haechi_rpo_target_seconds": "What may be lost, as promised.",
    "haechi_rto_seconds": "How long a restore takes at today's size, from restores that were measured.",
    "haechi_rto_target_seconds": "How long a restore may take, as promised.",
    "haechi_promise_kept": "1 while RPO and RTO hold, else 0; only where something is promised.",
    "haechi_drill_last_success_timestamp_seconds": "When a point last came back, in a drill or for good.",
    "haechi_copy_reachable": "1 if the destination could be looked at, else 0.",
    "haechi_copy_points": "How many restore points lie in this destination.",
    "haechi_copy_bytes": "What they take there.",
    "haechi_copy_newest_timestamp_seconds": "The moment that the newest point there holds.",
    "haechi_copy_behind_seconds": "How much newer the newest point anywhere is.",
    "haechi_copy_verified_timestamp_seconds": "When a point there was last read to its end.",
    "haechi_worker_alive": "1 while the worker gives signs of life, else 0.",
    "haechi_worker_missed": "1 if the worker is away and the plan wants it, else 0.",
    "haechi_worker_seen_timestamp_seconds": "When the worker last gave a sign of life.",
    "haechi_worker_old": "1 if other workers have a newer version, else 0.",
    "haechi_alarms": "Alarms that stand, as haechi alarms tells them.",
    "haechi_notify_waiting": "Messages that could not be sent yet.",
}
EVENTS = (
    "failure",
    "overdue",
    "promise-broken",
    "drill-failed",
    "copy-behind",
    "disk",
    "anomaly",
    "checklist",
    "worker",
)


def gather(
    standings: Iterable[Standing],
    spreads: Iterable[Spread],
    alarms: Sequence[Alarm],
    waiting: int,
    desk: Desk,
    workers: Iterable[WorkerStanding] = (),
) -> list[Metric]:
    """Every family that has something to say, in a settled order."""
    made = {name: Metric(name, meaning) for name, meaning in FAMILIES.items()}
    made["haechi_build_info"].add(1, version=__version__)
    made["haechi_gathered_timestamp_seconds"].add(clock.now())
    for standing in standings:
        _service(made, standing, desk)
    for spread in spreads:
        for copy in spread.copies:
            _copy(made, spread.service, copy)
    for worker in workers:
        _worker(made, worker)
    standing_now = Counter(alarm.event for alarm in alarms)
    for event in (*EVENTS, *sorted(standing_now.keys() - set(EVENTS))):
        made["haechi_alarms"].add(standing_now[event], event=event)
    made["haechi_notify_waiting"].add(waiting)
    return [metric for metric in made.values() if metric.samples]


def as_text(metrics: Iterable[Metric]) -> str:
    """Prometheus' text format, which OpenMetrics readers and node_exporter take as well."""
    return "".join(line + "\n" for metric in metrics for line in _lines(metric))


def _service(made: dict[str, Metric], one: Standing, desk: Desk) -> None:
    name, promise = one.service, one.promise
    if one.newest is not None:
        made["haechi_backup_last_success_timestamp_seconds"].add(one.newest.time, service=name)
        made["haechi_restore_point_bytes"].add(one.newest.size, service=name)
    if one.problem is None:  # else it is not known, and that is not none
        made["haechi_restore_points"].add(one.points, service=name)
        for state in ProofState:
            made["haechi_restore_point_state"].add(one.state is state, service=name, state=state)
    made["haechi_rpo_seconds"].add(one.rpo_now, service=name)
    made["haechi_rpo_proven_seconds"].add(one.rpo_proven, service=name)
    made["haechi_rpo_target_seconds"].add(promise.rpo, service=name)
    made["haechi_rto_seconds"].add(None if one.rto_is_estimate else one.rto_now, service=name)
    made["haechi_rto_target_seconds"].add(promise.rto, service=name)
    if one.promised:
        made["haechi_promise_kept"].add(not one.broken, service=name)
    made["haechi_drill_last_success_timestamp_seconds"].add(one.restored_at, service=name)
    for run in _last_run(desk, name):
        made["haechi_backup_last_run_timestamp_seconds"].add(run.began, service=name)
        made["haechi_backup_last_run_ok"].add(run.outcome is Outcome.SUCCESS, service=name)
        made["haechi_backup_last_duration_seconds"].add(
            run.ended - run.began if run.ended else None, service=name
        )
        made["haechi_backup_last_read_bytes"].add(run.bytes_read, service=name)
        made["haechi_backup_last_stored_bytes"].add(run.bytes_stored, service=name)


def _copy(made: dict[str, Metric], service: str, copy: CopyStanding) -> None:
    labels = {"service": service, "destination": copy.where}
    made["haechi_copy_reachable"].add(copy.problem is None, **labels)
    if copy.problem is not None:
        return  # how many there are is not known, and that is not none
    made["haechi_copy_points"].add(copy.points, **labels)
    made["haechi_copy_bytes"].add(copy.size, **labels)
    made["haechi_copy_newest_timestamp_seconds"].add(copy.newest.time if copy.newest else None, **labels)
    made["haechi_copy_behind_seconds"].add(copy.behind, **labels)
    made["haechi_copy_verified_timestamp_seconds"].add(copy.verified_at, **labels)


def _worker(made: dict[str, Metric], one: WorkerStanding) -> None:
    made["haechi_worker_alive"].add(one.state is State.ALIVE, worker=one.name)
    made["haechi_worker_missed"].add(one.missed, worker=one.name)
    made["haechi_worker_seen_timestamp_seconds"].add(one.sign.seen if one.sign else None, worker=one.name)
    made["haechi_worker_old"].add(bool(one.newer), worker=one.name)


def _last_run(desk: Desk, service: str) -> list[Run]:
    """The last backup that has ended; one that is under way says nothing yet."""
    with suppress(JournalUnavailable):  # told with the standings
        runs = desk.journal.runs(service=service, operation="backup", limit=5)
        return [run for run in runs if run.outcome is not Outcome.RUNNING][:1]
    return []


def _lines(metric: Metric) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.meaning}"
    yield f"# TYPE {metric.name} gauge"
    for labels, value in metric.samples:
        said = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
        yield f"{metric.name}{{{said}}} {_number(value)}" if said else f"{metric.name} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.3f}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
