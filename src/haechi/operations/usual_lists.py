"""The checklists that everybody wants, for plans that have none of their own: each day, week, month and quarter, and
the eight steps of a disaster. The plan's own of the same name take their place.
"""

from __future__ import annotations

from collections.abc import Mapping

from haechi.i18n import N_, _
from haechi.operations.checklist import Checklist, Line

_Lines = tuple[tuple[str, str | None, tuple[str, ...]], ...]

_LISTS: Mapping[str, tuple[str, _Lines]] = {
    "daily": (
        N_("Each day"),
        (
            (N_("The backups ran"), "backups", ()),
            (N_("No disk is fuller than it may be"), "disk", ()),
            (N_("Every promise holds"), "promises", ("haechi status",)),
            (N_("The logs show no new errors"), None, ("haechi journal list",)),
        ),
    ),
    "weekly": (
        N_("Each week"),
        (
            (N_("The newest copies are verified"), "verified", ("haechi verify",)),
            (N_("A restore was rehearsed"), "drilled", ("haechi drill --random",)),
            (N_("The newest points lie off-site, too"), "offsite", ("haechi copy",)),
            (N_("Security updates are installed"), "updates", ()),
        ),
    ),
    "monthly": (
        N_("Each month"),
        (
            (N_("The whole system was brought back once"), "scenario", ()),
            (N_("Alerts arrive"), "alerts", ("haechi notify test",)),
            (N_("What is kept for how long still suits"), None, ("haechi prune --dry-run",)),
            (N_("Names and telephone numbers are right"), None, ("haechi plan show",)),
            (N_("The documents say what is so"), None, ()),
        ),
    ),
    "quarterly": (
        N_("Each quarter"),
        (
            (N_("People who did not write the plan have carried it out"), None, ()),
            (N_("The recovery keys open the vaults, from where they are kept"), None, ()),
            (N_("Who has left can no longer reach the vaults"), None, ("haechi key list",)),
            (N_("RPO and RTO are still what is needed"), "promises", ("haechi status --scenarios",)),
        ),
    ),
    "disaster": (
        N_("When it has happened"),
        (
            (N_("1. What is affected, and what is not?"), None, ("haechi status", "haechi alarms")),
            (N_("2. Call together who is needed"), None, ("haechi plan show",)),
            (N_("3. Save what there is now, as it is"), None, ("haechi backup",)),
            (
                N_("4. Decide what comes back, from which point, in which order"),
                None,
                ("haechi status --scenarios",),
            ),
            (N_("5. Bring it back"), None, ("haechi restore SERVICE",)),
            (N_("6. See that it is right"), None, ("haechi status",)),
            (N_("7. Let people in again"), None, ()),
            (N_("8. Write down what happened, and what is to be changed"), None, ("haechi report list",)),
        ),
    ),
}


def names() -> list[str]:
    return list(_LISTS)


def usual(name: str) -> Checklist:
    """In the language of whoever asks. Never due by itself: when, is for a plan to say."""
    title, lines = _LISTS[name]
    return Checklist(name, tuple(Line(_(item), auto, show) for item, auto, show in lines), _(title))
