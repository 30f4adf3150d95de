"""Whether a plan that is well-formed can hold what it promises."""

from __future__ import annotations

from datetime import timedelta

from haechi.i18n import N_, _
from haechi.plan.masking import literals
from haechi.plan.mistakes import Found
from haechi.plan.model import Plan
from haechi.plan.positions import Key
from haechi.plan.sections import Kept, Service
from haechi.schedule import say_duration


def check(plan: Plan, found: Found) -> None:
    for name, service in plan.services.items():
        key: Key = ("service", name)
        _promise(plan, service, key, found)
        _retention(plan, service, key, found)
        _copies(plan, service, key, found)
    _together(plan, found)
    _alike(plan, found)
    _in_plain_sight(plan, found)
    _notifiers(plan, found)
    _not_yet(plan, found)


def _promise(plan: Plan, service: Service, key: Key, found: Found) -> None:
    rpo = service.promise.rpo
    if rpo is None:
        return
    written = found.lines_of(key)
    # A promise out of [defaults] belongs to the line of the schedule that breaks it.
    where = (*key, "promise", "rpo") if "promise" in written else (*key, "backup")
    gaps = {schedule: schedule.longest_gap() for schedule in plan.schedules(service.name)}
    if not gaps:
        if "backup" in written:
            return  # what is wrong with it is told already
        found.mistake(
            "rpo",
            where,
            _("an RPO of {rpo} is promised, and no schedule takes backups.").format(rpo=say_duration(rpo)),
            expected=_('a schedule, such as backup = "daily 02:00"'),
        )
        return
    schedule, gap = min(gaps.items(), key=lambda one: one[1] or timedelta.max)
    if gap is None:
        return
    if gap > rpo:
        found.mistake(
            "rpo",
            where,
            _(
                "“{schedule}” leaves up to {gap} between two backups, so an RPO of {rpo} cannot be held."
            ).format(schedule=schedule, gap=say_duration(gap), rpo=say_duration(rpo)),
            expected=_("backups at least every {rpo}, or an RPO of {gap}").format(
                rpo=say_duration(rpo), gap=say_duration(gap)
            ),
        )
    elif gap == rpo:
        found.advise(
            "rpo-tight",
            where,
            _(
                "“{schedule}” leaves exactly {gap} between two backups: while one is being taken, or when one fails, "
                "the RPO of {rpo} is not held."
            ).format(schedule=schedule, gap=say_duration(gap), rpo=say_duration(rpo)),
        )


def _retention(plan: Plan, service: Service, key: Key, found: Found) -> None:
    gap = service.backup.longest_gap() if service.backup else None
    for destination in dict.fromkeys(service.everywhere):
        if destination not in plan.kept:
            continue
        keep = plan.keep(service.name, destination)
        tiers = (keep.last, keep.hourly, keep.daily, keep.weekly, keep.monthly, keep.yearly)
        if gap and keep.within and not any(tiers) and keep.within < gap:
            found.mistake(
                "keeps-nothing",
                (*key, "keep"),
                _(
                    "{destination}: points stay for {within} and the next comes after up to {gap}: nothing is left."
                ).format(destination=destination, within=say_duration(keep.within), gap=say_duration(gap)),
                expected=_("at least {gap}").format(gap=say_duration(gap)),
            )
        _locked(plan.kept[destination], destination, keep.within, key, found)


def _locked(kept: Kept, destination: str, within: timedelta | None, key: Key, found: Found) -> None:
    if kept.lock and within and kept.lock > within:
        found.advise(
            "lock",
            (*key, "keep"),
            _("{destination} locks everything for {lock}: nothing goes after {within} already.").format(
                destination=destination, lock=say_duration(kept.lock), within=say_duration(within)
            ),
        )


def _copies(plan: Plan, service: Service, key: Key, found: Found) -> None:
    """The rule 3-2-1-1-0: three copies, two media, one off-site, one immutable, no errors in the last drill."""
    there = {name: plan.kept[name] for name in service.everywhere if name in plan.kept}
    if not there:
        return
    lacking = []
    if len(there) + 1 < 3:
        lacking.append(_("{count} of 3 copies").format(count=len(there) + 1))
    if not any(kept.is_offsite for kept in there.values()):
        lacking.append(_("none of them off-site"))
    if not any(kept.immutable for kept in there.values()):
        lacking.append(_("none of them locked or append-only"))
    if not service.drill:
        lacking.append(_("no drill"))
    if lacking:
        found.advise(
            "3-2-1-1-0", key, _("By the rule 3-2-1-1-0 there lack: {list}.").format(list=", ".join(lacking))
        )


def _together(plan: Plan, found: Found) -> None:
    """Two vaults or archives at one address would remove each other's files."""
    seen: dict[str, str] = {}
    for name, kept in plan.kept.items():
        url = kept.url.rstrip("/")
        other = seen.setdefault(url, name)
        if other != name and not (other.startswith("archive.") and name.startswith("archive.")):
            found.mistake(
                "duplicate",
                (*name.split(".", 1), "url"),
                _("“{other}” lies at this address already.").format(other=other),
                expected=_("an address of its own"),
            )


def _alike(plan: Plan, found: Found) -> None:
    """Two services whose files in one archive bear the same names: nobody could tell them apart without Haechi."""
    seen: dict[tuple[str, str], str] = {}
    for name, service in plan.services.items():
        for archive in service.everywhere:
            if archive not in plan.kept or archive.startswith("vault."):
                continue
            layout = plan.layout(name, archive)
            if "{service}" in layout:
                continue
            other = seen.setdefault((plan.kept[archive].url, layout), name)
            if other != name:
                found.advise(
                    "alike",
                    ("service", name),
                    _(
                        "Its files in {archive} bear the same names as those of “{other}”: put {{service}} in."
                    ).format(archive=archive, other=other),
                )


def _in_plain_sight(plan: Plan, found: Found) -> None:
    tables = {
        "vault": plan.vaults,
        "archive": plan.archives,
        "service": plan.services,
        "notify": plan.notifiers,
    }
    for table, named in tables.items():
        for name, one in named.items():
            if set(literals(one)) - plan.document.hidden.keys():
                found.advise(
                    "plain-secret",
                    (table, name),
                    _("A secret stands in the plan itself; better { file = “…” } or { env = “…” }."),
                )


def _notifiers(plan: Plan, found: Found) -> None:
    for name, notify in plan.notifiers.items():
        wanted = "mail" if notify.via == "email" else "url"
        if getattr(notify, wanted) is None:
            found.mistake(
                "missing",
                ("notify", name, wanted),
                _("this is missing for “{via}”.").format(via=notify.via),
                expected='mail = { server = "…" }' if wanted == "mail" else 'url = { env = "…" }',
            )
        if notify.via == "email" and not notify.to:
            found.mistake("missing", ("notify", name, "to"), _("it is not said who gets the e-mail."))
    if plan.services and not plan.notifiers:
        found.advise(
            "nobody-told", (), _("Nobody is told when something goes wrong: there is no [notify.NAME].")
        )


# What the plan can say, and the room that carries it out: a plan must not promise what this version does not do.
_ROOMS = (
    ("notify", ("notify",), "haechi.notify"),
    ("checklist", ("checklist",), "haechi.operations.checklist"),
    ("scenario", ("scenario",), "haechi.operations.recover"),
    ("guard", ("guard",), "haechi.operations.guard"),
    ("set", ("set",), "haechi.operations.recovery_set"),
    ("host", ("host",), "haechi.engine"),
    (
        N_("schedules"),
        ("backup", "verify", "drill", "blackout", "spread", "paused", "worker"),
        "haechi.engine",
    ),
    ("journal_keep", ("journal_keep",), "haechi.engine"),
    ("copy", ("copy",), "haechi.operations.replicate"),
    ("drill", ("drill",), "haechi.operations.drill"),
    ("hooks", ("hooks",), "haechi.operations.hooks"),
    ("contact", ("contact",), "haechi.documents.plan"),
)


def _not_yet(plan: Plan, found: Found) -> None:
    from importlib.util import find_spec

    tables: list[Key] = [("service", name) for name in plan.services]
    tables += [("defaults",), ("server",), *((*name.split(".", 1),) for name in plan.kept)]
    said = set(plan.document.data).union(*map(found.lines_of, tables))
    missing = [_(label) for label, words, room in _ROOMS if said & set(words) and find_spec(room) is None]
    if missing:
        found.advise(
            "not-yet",
            (),
            _("This version reads these and does not carry them out yet: {names}.").format(
                names=", ".join(missing)
            ),
        )
