"""`haechi vault`: makes vaults, looks at them, mends them, and tries whether a storage is fit for one."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

from typer import Argument, Option

from haechi.cli.home import at_home
from haechi.cli.options import DryRun
from haechi.cli.screen import screen
from haechi.cli.vault_care import Vault, commands
from haechi.i18n import N_, _, plural

GROUP = "care"
SUMMARY = N_("Make a vault, look into it, mend it, and try whether a storage is fit for one")

Vaults = Annotated[
    list[str] | None,
    Argument(metavar="VAULT", help=N_("Vaults as the plan names them; all if none is given.")),
]


@commands.command("init", help=N_("Make the vaults that the plan names and that are not there yet."))
def init(vaults: Vaults = None) -> None:
    from haechi.errors import AlreadyThere

    view, home = at_home()
    made = {}
    for name in vaults or home.plan.vaults:
        try:
            made[name] = home.create_vault(name)
        except AlreadyThere:
            if vaults:
                raise
    view.answer(
        made,
        text=_(
            "Made: {names}. Whoever loses the key loses the vault: keep a copy of it somewhere else."
        ).format(names=", ".join(made))
        if made
        else _("Every vault of the plan is there already."),
    )


@commands.command("files", help=N_("List what a restore point holds, file by file."))
def files(
    vault: Vault,
    point: Annotated[str, Argument(metavar="SNAPSHOT", help=N_("A snapshot's id, or the beginning of it."))],
) -> None:
    from haechi.cli.render import vaults

    view, home = at_home()
    opened = home.vault(vault)
    nodes = list(opened.walk(opened.snapshot(point)))
    view.answer(vaults.files_as_data(nodes), text=lambda: vaults.files(nodes))


@commands.command("snapshots", help=N_("List the snapshots of a vault, other programs' ones too."))
def snapshots(vault: Vault) -> None:
    from haechi.cli.render import vaults

    view, home = at_home()
    opened = home.vault(vault)
    found = opened.snapshots()
    for name in opened.damaged_snapshots:
        view.warn(_("The snapshot {name} cannot be read.").format(name=name[:8]))
    view.answer(vaults.snapshots_as_data(found), text=lambda: vaults.snapshots(found, home.zone))


@commands.command("unlock", help=N_("Remove the locks of programs that have ended."))
def unlock(
    vault: Vault,
    every: Annotated[
        bool, Option("--all", help=N_("Locks in use too: only when you know that nobody works there."))
    ] = False,
    dry_run: DryRun = False,
) -> None:
    from haechi.vault import locking

    view, home = at_home()
    files = home.vault(vault).files
    if dry_run:
        count = len([lock for lock in locking.every(files) if every or lock.stale])
        text = plural("{count} lock would be removed.", "{count} locks would be removed.", count)
        view.answer({"removed": count, "done": False}, text=text)
        return
    if every:
        view.confirm(_("A program that works there now may damage the vault without its lock."), vault)
        count = locking.remove_all(files)
    else:
        count = len(locking.remove_stale(files))
    view.answer(
        {"removed": count, "done": True},
        text=plural("{count} lock removed.", "{count} locks removed.", count),
    )


@commands.command("try", help=N_("Try whether a storage does all that a vault needs."))
def try_storage(
    url: Annotated[
        str, Argument(metavar="URL", help=N_("A directory, s3://…, rest:…, rclone:…, gs://…, az://…."))
    ],
) -> None:
    from haechi.cli.render import vaults
    from haechi.errors import NotVerified
    from haechi.stores._open import open_store
    from haechi.testing.store_contract import CASES, try_store

    view = screen()
    results = []
    with (
        closing(open_store(url)) as store,
        view.progress() as reporter,
        reporter.step(_("Trying {url}").format(url=url), len(CASES), "") as step,
    ):
        for result in try_store(store):
            results.append(result)
            step.advance(1)
    view.answer(results, text=lambda: vaults.trial(results))
    if any(result.verdict == "failed" for result in results):
        raise NotVerified(
            _("This storage is not fit for a vault."),
            hint=_("Look at what failed above; the storage's own log may say more."),
        )
