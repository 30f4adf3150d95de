"""The verbs of `haechi vault` that look for damage and mend it; `commands/vault.py` adds the others."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from haechi.cli.frame import verbs
from haechi.cli.home import at_home
from haechi.cli.options import DryRun, percent
from haechi.i18n import N_, _, plural

if TYPE_CHECKING:
    from haechi.app import Home
    from haechi.cli.screen import Screen
    from haechi.errors import HaechiError
    from haechi.events import Reporter
    from haechi.vault.repository import Vault as Opened

commands = verbs()

Vault = Annotated[str, Argument(metavar="VAULT", help=N_("A vault as the plan names it."))]


@commands.command("check", help=N_("Look whether a vault holds what it should."))
def check_vault(
    vault: Vault,
    read_data: Annotated[bool, Option("--read-data", help=N_("Read and authenticate every byte."))] = False,
    share: Annotated[
        str | None,
        Option("--share", metavar="PERCENT", help=N_("Read so much of it, chosen at random.")),
    ] = None,
) -> None:
    from haechi.cli.render import vaults
    from haechi.vault.check import check

    view, home = at_home()
    depth = "all" if read_data else f"{percent(share)}%" if share else "structure"
    with view.progress() as reporter:
        report = check(home.vault(vault), depth=depth, reporter=reporter)
    view.answer(report.as_dict(), text=lambda: vaults.checked(report, home.zone))
    report.raise_if_damaged()


@commands.command("prune", help=N_("Give back the space that no restore point needs any more."))
def prune_vault(vault: Vault, dry_run: DryRun = False) -> None:
    from haechi.cli.render import vaults
    from haechi.vault import prune

    view, home = at_home()
    opened = home.vault(vault)
    with view.progress() as reporter:
        planned = prune.plan(opened, reporter=reporter)
        if dry_run or planned.nothing_to_do:
            view.answer(planned.as_dict(), text=lambda: vaults.prune_plan(planned))
            return
        report = prune.execute(opened, planned, reporter=reporter)
    view.answer(report.as_dict(), text=lambda: vaults.pruned(report))


@commands.command(
    "copy", help=N_("Copy the restore points of a vault into another one; only what is missing there.")
)
def copy_vault(
    vault: Vault,
    to: Annotated[str, Argument(metavar="TO", help=N_("The vault that gets the copies."))],
    service: Annotated[
        str | None, Option("--service", metavar="SERVICE", help=N_("Of this service only."))
    ] = None,
) -> None:
    from haechi.cli.render import amounts
    from haechi.vault.copy import copy

    view, home = at_home()
    source, target = home.vault(vault), home.vault(to)
    wanted = [s for s in source.snapshots() if service in (None, s.tag("service"))]
    with view.progress() as reporter:
        report = copy(source, target, wanted, reporter)
    view.answer(
        report.as_dict(),
        text=_("{new} restore points copied, {there} were there already; {size} stored.").format(
            new=len(report.copied), there=len(report.present), size=amounts.size(report.bytes_stored)
        ),
    )


@commands.command("repair", help=N_("Build the index anew from the packs, and save what can be read."))
def repair_vault(
    vault: Vault,
    forget_unreadable: Annotated[
        bool, Option("--forget-unreadable", help=N_("Remove restore points whose own record cannot be read."))
    ] = False,
    dry_run: DryRun = False,
) -> None:
    from haechi.cli.render import vaults
    from haechi.vault.check import check
    from haechi.vault.repair import repair

    view, home = at_home()
    opened = home.vault(vault)
    if dry_run:
        _only_checked(view, home, opened)
        return
    if forget_unreadable:
        view.confirm(_("Restore points whose own record cannot be read are removed for good."), vault)
    with view.progress() as reporter:
        found = check(opened, depth="all", reporter=reporter)
        report = repair(
            opened,
            damaged_packs=found.damaged_packs,
            forget_unreadable=forget_unreadable,
            reporter=reporter,
        )
        left = check(opened, reporter=reporter)
    view.answer(
        {"repair": report.as_dict(), "check": left.as_dict()},
        text=lambda: vaults.repaired(report, left, home.zone),
    )
    left.raise_if_damaged()


@commands.command("heal", help=N_("Fetch what is damaged from other copies that hold the same."))
def heal_vault(
    name: Annotated[
        str,
        Argument(
            metavar="NAME",
            help=N_("A vault as the plan names it; or a service, of which every copy is then mended."),
        ),
    ],
    others: Annotated[
        list[str] | None,
        Option(
            "--from",
            metavar="VAULT",
            help=N_(
                "The vault to fetch from; may be given again. Else those that the plan copies to and from."
            ),
        ),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    from haechi.cli.render import vaults
    from haechi.vault.heal import heal

    view, home = at_home()
    if name not in home.plan.vaults and name in home.plan.services:
        _heal_service(view, home, name, dry_run)
        return
    opened = home.vault(name)
    if dry_run:
        _only_checked(view, home, opened)
        return
    with view.progress() as reporter:
        sound = [home.vault(one) for one in others] if others else _siblings(home, name, reporter)
        report = heal(opened, sound, reporter=reporter)
    view.answer(report.as_dict(), text=lambda: vaults.healed(report))
    if not report.healthy:
        raise _not_whole(report.blobs_lost)


def _siblings(home: Home, name: str, reporter: Reporter) -> list[Opened]:
    """The other vaults of the services that lie in this one; one that is away is passed over."""
    from haechi.errors import HaechiError, UsageMistake

    full = f"vault.{name}"
    beside = [
        where.removeprefix("vault.")
        for service in home.plan.services.values()
        if full in service.everywhere
        for where in service.everywhere
        if where.startswith("vault.") and where != full
    ]
    found = []
    for other in dict.fromkeys(beside):
        try:
            found.append(home.vault(other))
        except HaechiError as problem:
            reporter.warn(f"vault.{other}: {problem.message}")
    if not beside:
        raise UsageMistake(
            _("The plan keeps no other vault of what lies in “{vault}”.").format(vault=name),
            hint=_("Name one with --from; or keep what can be read: haechi vault repair {vault}").format(
                vault=name
            ),
        )
    return found


def _heal_service(view: Screen, home: Home, name: str, dry_run: bool) -> None:
    from haechi.cli.render import vaults
    from haechi.operations import heal, verify

    service = home.service(name)
    with view.progress() as reporter:
        if dry_run:
            seen = verify.verify(service, home.desk, reporter, which=None)
        else:
            mended = heal.mend(service, home.desk, reporter)
    if dry_run:
        from haechi.cli.render import points

        view.answer(seen, text=lambda: points.verified(seen))
        return
    view.answer(vaults.mended_as_data(mended), text=lambda: vaults.mended(mended))
    if not mended.healthy:
        lost = sum(report.blobs_lost for report in mended.vaults.values())
        raise _not_whole(lost or sum(bool(copy.problem) for copy in mended.copies))


def _not_whole(count: int) -> HaechiError:
    from haechi.errors import Damaged

    return Damaged(
        plural(
            "{count} piece is in none of these copies.", "{count} pieces are in none of these copies.", count
        ),
        hint=_("What can still be read comes back; `haechi vault check` names the points that are touched."),
    )


@commands.command(
    "rekey", help=N_("Move to a new vault with a new master key, after the old one has leaked.")
)
def rekey_vault(
    vault: Vault,
    to: Annotated[
        str, Argument(metavar="TO", help=N_("The new vault as the plan names it; it must not be there yet."))
    ],
    dry_run: DryRun = False,
) -> None:
    from haechi.cli.render import vaults
    from haechi.vault.rekey import rekey

    view, home = at_home()
    old, store, secret = home.vault(vault), home.store(f"vault.{to}"), home.plan.vaults[to].key.fetch()
    if dry_run:
        count = len(old.snapshots())
        text = plural(
            "{count} restore point would be sealed anew at {store}.",
            "{count} restore points would be sealed anew at {store}.",
            count,
            store=store.url,
        )
        view.answer({"restore_points": count, "to": store.url, "done": False}, text=text)
        return
    with view.progress() as reporter:
        report = rekey(old, store, secret, reporter=reporter)
    view.answer(report.as_dict(), text=lambda: vaults.rekeyed(report, vault, to))


@commands.command(
    "tamper-test", help=N_("Try whether the storage protects what was written from being changed.")
)
def tamper(vault: Vault) -> None:
    from haechi.cli.render import vaults
    from haechi.errors import NotVerified
    from haechi.vault.tamper import tamper_test

    view, home = at_home()
    with closing(home.store(f"vault.{vault}")) as store, view.progress() as reporter:
        report = tamper_test(store, reporter=reporter)
    view.answer(report.as_dict(), text=lambda: vaults.tampered(report))
    if not report.protected:
        raise NotVerified(
            _("Whoever has this machine can destroy what is in “{vault}”.").format(vault=vault),
            hint=_("Use a bucket with object lock, or an append-only server, for at least one copy."),
        )


def _only_checked(view: Screen, home: Home, opened: Opened) -> None:
    """What there is to be mended, and nothing mended."""
    from haechi.cli.render import vaults
    from haechi.vault.check import check

    with view.progress() as reporter:
        found = check(opened, depth="all", reporter=reporter)
    view.answer(found.as_dict(), text=lambda: vaults.checked(found, home.zone))
