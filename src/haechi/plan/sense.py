"""Whether a plan that is well-formed can hold what it promises."""

from __future__ import annotations

from datetime import timedelta

from haechi import legs
from haechi.i18n import _
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
    for name, kept in plan.kept.items():
        _kept(kept, (*name.split(".", 1),), found)
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


_SLOW = ("GLACIER", "DEEP_ARCHIVE", "ARCHIVE")  # storage classes from which nothing can be read at once
_MOUNTS = ("/mnt/", "/media/", "/Volumes/")


def _kept(kept: Kept, key: Key, found: Found) -> None:
    """What a storage is told, and whether that can go well."""
    written = found.lines_of(key)
    if "bandwidth" in written and written & {"upload_limit", "download_limit"}:
        found.mistake(
            "twice",
            (*key, "bandwidth"),
            _("this says at once what upload_limit and download_limit say one by one."),
            expected=_("one or the other"),
        )
    slow = getattr(kept.options, "storage_class", None)
    if slow and slow.upper() in _SLOW:
        found.mistake(
            "wrong-value",
            (*key, "storage_class"),
            _(
                "nothing in “{name}” can be read at once: no copy there could be verified, drilled or deduplicated."
            ).format(name=slow),
            names=("STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"),
            word=slow,
        )
    if kept.url.startswith(_MOUNTS) and "mounted" not in written:
        found.advise(
            "mounted",
            (*key, "url"),
            _(
                "This looks like something that is mounted: `mounted = true` refuses to fill the disk below it."
            ),
        )
    if kept.lock and not kept.url.startswith("s3:"):
        found.advise(
            "lock",
            (*key, "lock"),
            _("Only buckets of S3 and its like can be asked whether they lock; here it is taken on trust."),
        )


def _copies(plan: Plan, service: Service, key: Key, found: Found) -> None:
    """The rule 3-2-1-1-0 is worth a thought where the plan does not ask for it, and a mistake where it does."""
    lies = [plan.kept[name].lies for name in dict.fromkeys(service.everywhere) if name in plan.kept]
    if not lies:
        return
    rule = service.rule or legs.USUAL
    lacking = legs.missing(legs.legs(rule, lies, True if service.drill else None))
    if not lacking:
        return
    listed = ", ".join(leg.found for leg in lacking)
    mends = " ".join(leg.mend for leg in lacking)
    if service.rule is None:
        said = _("By the rule {rule} there lack: {list}.").format(rule=rule, list=listed)
        found.advise(str(rule), key, f"{said} {mends}")
        return
    where = (*key, "rule") if "rule" in found.lines_of(key) else ("defaults", "rule")
    found.mistake(
        "copies",
        where,
        _("“{service}” does not keep the rule {rule}: {list}.").format(
            service=service.name, rule=rule, list=listed
        ),
        expected=mends,
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
        if notify.heartbeat and notify.via != "ping":
            found.mistake(
                "wrong-value",
                ("notify", name, "heartbeat"),
                _("people do not miss what they do not get; a heartbeat is for a program that does."),
                expected='via = "ping"',
            )
        if notify.via == "email" and not notify.to:
            found.mistake("missing", ("notify", name, "to"), _("it is not said who gets the e-mail."))
        if notify.escalate and not any(contact.call for contact in plan.contacts):
            found.mistake(
                "missing",
                ("notify", name, "escalate"),
                _("there is nobody to call: no [[contact]] says `call`."),
                expected='[[contact]] name = "…" call = 1',
            )
    if plan.services and not plan.notifiers:
        found.advise(
            "nobody-told", (), _("Nobody is told when something goes wrong: there is no [notify.NAME].")
        )


def _not_yet(plan: Plan, found: Found) -> None:
    """A plan must not promise what this version does not do."""
    said = plan.document.data
    missing: list[str] = []
    if plan.head.review:
        missing.append("review")  # for the printed plan
    if "scenario" in said:
        missing.append(_("recovery by a scenario, other than in its drill"))
    if "contact" in said and not any(way.escalate for way in plan.notifiers.values()):
        missing.append("contact")  # the same; alarms that escalate call them
    if missing:
        found.advise(
            "not-yet",
            (),
            _("This version reads these and does not carry them out yet: {names}.").format(
                names=", ".join(missing)
            ),
        )
