"""Takes a recovery set: its services in their order, or all at once while nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from haechi import clock, process
from haechi.errors import HaechiError, PartlyDone
from haechi.events import Reporter
from haechi.i18n import _
from haechi.model import Outcome
from haechi.operations import retain
from haechi.operations.backup import BackedUp, back_up
from haechi.operations.desk import Desk
from haechi.operations.service import Service
from haechi.operations.sets import freezing
from haechi.operations.sets.recovery_set import RecoverySet, new_run
from haechi.operations.together import Outcomes, together


@dataclass(frozen=True)
class SetTaken:
    """What it came to. It is one point only if every member is in it."""

    set: str
    run: str
    outcomes: Outcomes[BackedUp]
    seconds: float
    unthawed: Mapping[str, HaechiError] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return not self.outcomes.failed

    def raise_if_partial(self, of: RecoverySet) -> None:
        freezing.raise_if_still_frozen(of, dict(self.unthawed))
        if not self.whole:
            failed = self.outcomes.failed
            raise PartlyDone(
                _("The set “{set}” is not whole: {names} failed.").format(
                    set=self.set, names=", ".join(failed)
                ),
                hint="\n".join(f"{name}: {e.message} {e.hint}".strip() for name, e in failed.items())
                + "\n"
                + _(
                    "Its last whole point stays as it is; take it again with: haechi set backup {set}"
                ).format(set=self.set),
            )
        for done in self.outcomes.done.values():
            done.raise_if_partial()


def take(of: RecoverySet, desk: Desk, reporter: Reporter) -> SetTaken:
    """Take every member. One that fails leaves the set without a new point; the others count as points of their own.

    Raises what freezing raises; then nothing was taken.
    """
    with desk.alone_with(freezing.lock_of(of)):
        freezing.thaw_what_is_left(of, desk, reporter)
        with desk.run("set-backup", of.name, reporter) as entry:
            began = clock.monotonic()
            run = new_run()
            told = {
                "HAECHI_OPERATION": "set-backup",
                "HAECHI_SET": of.name,
                "HAECHI_SET_RUN": run,
                "HAECHI_RUN": entry.run,
            }
            tags = of.tags(run)

            def work(service: Service) -> BackedUp:
                told = entry.reporter.about(service.name)
                return back_up(service, desk, told, tags=tags, retention=False)

            with freezing.frozen(of, desk, told, entry.reporter) as unthawed:
                # Without a freeze their order is what makes them fit: rows before the objects that they name.
                outcomes = together(of.members, work, limit=desk.parallel if of.freeze else 1)
            if not outcomes.done and outcomes.failed:
                raise next(iter(outcomes.failed.values()))
            if not outcomes.failed and not process.interrupted():
                _let_go(of, desk, entry.reporter)
            problems = {**outcomes.failed, **unthawed}
            if problems or any(done.failed or done.unhooked for done in outcomes.done.values()):
                entry.outcome = Outcome.PARTIAL
                entry.error = next((e.as_dict() for e in problems.values()), {})
            entry.bytes_read = sum(done.bytes_read for done in outcomes.done.values())
            entry.bytes_stored = sum(done.bytes_stored for done in outcomes.done.values())
            return SetTaken(of.name, run, outcomes, clock.monotonic() - began, unthawed)


def _let_go(of: RecoverySet, desk: Desk, reporter: Reporter) -> None:
    """Only once the set has a new whole point may members of an older one go."""
    for member in of.members:
        try:
            with desk.alone_with(member.name):
                retain.after_backup(member, desk, reporter)
        except HaechiError as problem:  # somebody works on it; what should have gone will go next time
            reporter.warn(problem.message)
