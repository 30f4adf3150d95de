"""`haechi key`: the keys that open a vault."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from haechi.cli.frame import verbs
from haechi.cli.home import at_home
from haechi.cli.options import DryRun
from haechi.i18n import N_, _

GROUP = "care"
SUMMARY = N_("List, add, change and remove the keys that open a vault")
HELP = N_(
    "Each key opens the same master key. Removing one keeps nobody out who has opened the vault with it before: "
    "after a leak the vault needs a new master key."
)

commands = verbs()

Vault = Annotated[str, Argument(metavar="VAULT", help=N_("A vault as the plan names it."))]
KeyFile = Annotated[
    Path | None,
    Option("--key-file", metavar="FILE", help=N_("The new key's file; otherwise it is asked for.")),
]


@commands.command("list", help=N_("List the keys of a vault."))
def list_keys(vault: Vault) -> None:
    from haechi.cli.render import vaults
    from haechi.vault import keys

    view, home = at_home()
    opened = home.vault(vault)
    found = keys.every(opened.store)
    view.answer(
        [{"id": k.id, "created": k.created, "host": k.hostname, "user": k.username} for k in found],
        text=lambda: vaults.keys(found, opened.key_id, home.zone),
    )


@commands.command("add", help=N_("Add a key that opens the vault too."))
def add(
    vault: Vault,
    key_file: KeyFile = None,
    recovery: Annotated[
        bool, Option("--recovery", help=N_("Open the vault with the recovery key from paper, typed here."))
    ] = False,
) -> None:
    from haechi.cli.render import vaults
    from haechi.vault import keys, recovery_key
    from haechi.vault.repository import Vault as Opened

    view, home = at_home()
    if recovery:
        typed = recovery_key.parse(view.ask(_("The recovery key, as it stands on the paper:")))
        opened = Opened.open(home.store(f"vault.{vault}"), typed.secret)
    else:
        opened = home.vault(vault)
    added = keys.add(opened.store, opened.files.key, vaults.new_secret(view, key_file))
    view.answer({"id": added.id}, text=_("The key {id} opens the vault now, too.").format(id=added.id[:8]))


@commands.command("recovery", help=N_("Make a recovery key for paper, to be kept in a safe."))
def recovery_key_for_paper(vault: Vault) -> None:
    from haechi.cli.render import vaults
    from haechi.vault import recovery_key

    view, home = at_home()
    key, file = recovery_key.issue(home.vault(vault))
    view.answer({"id": file.id, "recovery_key": key.printed()}, text=lambda: vaults.paper(key, file, vault))


@commands.command("change", help=N_("Put a new key in the place of the one that the plan names."))
def change(vault: Vault, key_file: KeyFile = None, dry_run: DryRun = False) -> None:
    from haechi.cli.render import vaults
    from haechi.vault import keys

    view, home = at_home()
    opened = home.vault(vault)
    loss = _("The key that the plan names will not open “{vault}” any more.").format(vault=vault)
    if dry_run:
        view.answer({"removed": opened.key_id, "done": False}, text=loss)
        return
    secret = vaults.new_secret(view, key_file)
    view.confirm(loss, vault)
    changed = keys.change(opened.store, opened.files.key, opened.key_id, secret)
    view.answer(
        {"id": changed.id, "removed": opened.key_id, "done": True},
        text=_("The key {id} has taken its place. Write it where the plan looks for it.").format(
            id=changed.id[:8]
        ),
    )


@commands.command("remove", help=N_("Remove a key; neither the last one nor the one in use."))
def remove(
    vault: Vault,
    key: Annotated[str, Argument(metavar="KEY", help=N_("The key's id, or the beginning of it."))],
    dry_run: DryRun = False,
) -> None:
    from haechi.errors import NotThere
    from haechi.vault import keys

    view, home = at_home()
    opened = home.vault(vault)
    matching = [k.id for k in keys.every(opened.store) if k.id.startswith(key)]
    if len(matching) != 1:
        raise NotThere(
            _("“{key}” names {count} keys of the vault.").format(key=key, count=len(matching)),
            hint=_("See them with: haechi key list {vault}").format(vault=vault),
        )
    loss = _("The key {id} will not open the vault any more.").format(id=matching[0][:8])
    if dry_run:
        view.answer({"removed": matching[0], "done": False}, text=loss)
        return
    view.confirm(loss, matching[0][:8])
    keys.remove(opened.store, matching[0], opened.key_id)
    view.answer(
        {"removed": matching[0], "done": True}, text=_("The key {id} is gone.").format(id=matching[0][:8])
    )
