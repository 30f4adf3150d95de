"""Restore points, what was made of them, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo

from rich.console import Group, RenderableType
from rich.text import Text

from haechi.cli.render import amounts
from haechi.cli.render.terminal import table
from haechi.i18n import N_, _, plural
from haechi.model import ProofState
from haechi.operations.backup import BackedUp
from haechi.operations.listing import Row
from haechi.operations.proving.proofs import CopyState
from haechi.operations.retain import RetentionPlan
from haechi.operations.together import Outcomes
from haechi.operations.verify import Verified
from haechi.sources._base import Probe

STATES = {
    ProofState.TAKEN: (N_("taken"), "yellow"),
    ProofState.VERIFIED: (N_("verified"), "cyan"),
    ProofState.RESTORED: (N_("restored"), "green"),
    ProofState.FAILED: (N_("failed"), "red"),
}


def state(which: ProofState) -> Text:
    """Amber until it has come back: taken is not enough."""
    word, color = STATES[which]
    return Text(_(word), style=color)


DEPTHS = {
    "structure": N_("everything is there"),
    "sample": N_("a share was read"),
    "all": N_("every byte was read"),
    "restore": N_("it came back"),
}


_SHORT = {"structure": N_("there"), "sample": N_("a share"), "all": N_("every byte")}


def proof(of: CopyState, zone: tzinfo | None) -> str:
    """What a state rests on: how deep, when, from which copy; for one that came back how long it took and how much
    was compared."""
    if of.time is None:
        return _("never looked at ({where})").format(where=of.where)
    when = f"{amounts.moment(of.time, zone)}, {of.where}"
    if of.state is ProofState.FAILED:
        return f"{of.why or _('it failed')} ({when})"
    if of.state is ProofState.RESTORED:
        said = _("in {duration}, {count} compared").format(
            duration=amounts.duration(of.seconds), count=of.compared if of.compared is not None else "?"
        )
    else:
        said = _(DEPTHS.get(of.depth, of.depth))
    return f"{said} ({when})"


def rows_as_data(found: Iterable[Row]) -> list[dict[str, object]]:
    """For machines: the state of the point, what it rests on, and that of each of its copies."""
    return [
        {"point": row.point.as_dict(), "state": row.state, "proven": row.proven, "copies": row.copies}
        for row in found
    ]


def rows(found: Iterable[Row], zone: tzinfo | None, *, long: bool = False) -> RenderableType:
    """One line a point, oldest first: its id is what `--point` takes. Below, why copies failed; `long`: what the
    state of each copy rests on."""
    made = table(_("restore point"), _("time"), _("size"), _("state"), _("copies"), whole=(0, 1), right=(2,))
    below: list[Text] = []
    for row in found:
        point = row.point
        copies = ", ".join(copy.where for copy in point.copies)
        word = state(row.state)
        if row.state is ProofState.VERIFIED and row.proven.depth in _SHORT:
            word.append(f" ({_(_SHORT[row.proven.depth])})", style="dim")
        made.add_row(
            point.id,
            amounts.moment(point.time, zone),
            amounts.size(point.size),
            word,
            Text(copies + (" " + _("(held)") if point.held else "")),
        )
        for copy in row.copies:
            bad = copy.state is ProofState.FAILED
            if long or bad:
                said = f"{point.id}: {_(STATES[copy.state][0])}: {proof(copy, zone)}"
                below.append(Text(said, style="red" if bad else "dim"))
    if not made.row_count:
        return _("There is no restore point yet. Take one with: haechi backup")
    return Group(made, *below)


def backups(outcomes: Outcomes[BackedUp]) -> RenderableType:
    """What became of each service."""
    below: list[RenderableType] = []
    made = table(
        _("service"), _("restore point"), _("read"), _("stored"), _("took"), whole=(0, 1), right=(2, 3, 4)
    )
    for name, done in outcomes.done.items():
        made.add_row(
            name,
            done.point.id,
            amounts.size(done.bytes_read),
            amounts.size(done.bytes_stored),
            amounts.duration(done.seconds),
        )
        for where, problem in done.failed.items():
            below.append(Text(f"{name} → {where}: {problem.message}", style="red"))
        below += [Text(f"{name}: {e.message}", style="red") for e in done.unhooked.values()]
        if done.copied:
            brought = plural("{count} point copied onwards", "{count} points copied onwards", done.copied)
            below.append(Text(f"{name}: {brought}", style="dim"))
        if done.expired:
            gone = plural("{count} old point let go", "{count} old points let go", done.expired)
            below.append(Text(f"{name}: {gone}", style="dim"))
    for name, problem in outcomes.failed.items():
        below.append(Text(f"{name}: {problem.message}", style="red"))
    return Group(*([made] if made.row_count else []), *below)


def probes(found: Mapping[str, Probe]) -> RenderableType:
    """What a dry run saw of each service."""
    made = table(_("service"), _("version"), _("size"), _("would be taken"), right=(2,))
    for name, probe in found.items():
        what = probe.details.get("databases", ())
        made.add_row(
            name, probe.version, amounts.size(probe.size) if probe.size else "", Text(", ".join(what))
        )
    return made


def verified(results: Iterable[Verified]) -> RenderableType:
    """What each copy that was looked at is like."""
    made = table(_("restore point"), _("copy"), _("result"), _("took"), whole=(0, 1), right=(3,))
    for result in results:
        word = Text(_("whole"), style="green")
        if result.problem:
            word = Text(_("damaged") if result.looked else _("not looked at"), style="bold red")
        elif result.depth != "all":
            word.append(f" ({_(DEPTHS[result.depth])})", style="dim")
        made.add_row(result.point.id, result.where, word, amounts.duration(result.seconds))
        if result.problem:
            made.add_row("", "", Text(result.problem.message, style="red"))
    return made if made.row_count else _("There is no restore point to look at.")


def retention(plans: Iterable[RetentionPlan], zone: tzinfo | None) -> RenderableType:
    """What stays and why; what goes and why."""
    tables: list[RenderableType] = []
    for plan in plans:
        made = table(_("restore point"), _("time"), _("stays"), _("why"), whole=(0, 1))
        for decision in plan.decisions:
            word = Text(_("stays"), style="green") if decision.stays else Text(_("goes"), style="red")
            made.add_row(
                decision.point.id,
                amounts.moment(decision.point.time, zone),
                word,
                Text(", ".join(decision.reasons)),
            )
        if made.row_count:
            tables += [Text(f"{plan.service} → {plan.destination.name}", style="bold"), made, ""]
    return Group(*tables) if tables else _("No service has a rule by which points would go.")


def retention_as_data(plans: Iterable[RetentionPlan]) -> list[dict[str, object]]:
    """For machines: one entry a copy."""
    return [
        {
            "service": plan.service,
            "where": plan.destination.name,
            "point": decision.point.id,
            "time": decision.point.time,
            "stays": decision.stays,
            "reasons": decision.reasons,
        }
        for plan in plans
        for decision in plan.decisions
    ]
