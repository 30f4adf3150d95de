"""`haechi init`: looks at what is here and writes a first plan for it."""

from __future__ import annotations

from haechi.cli.screen import screen
from haechi.i18n import N_, _

GROUP = "protect"
SUMMARY = N_("Look at what is here and write a first plan for it")
HELP = N_(
    "Looks at the compose file, .env, the environment, running containers and this host's servers, and writes a "
    "commented plan. A plan that is there already is never touched. With --yes nothing is asked."
)


def command() -> None:
    import os
    from pathlib import Path

    from haechi.cli.screen import local_zone
    from haechi.errors import AlreadyThere
    from haechi.plan.start import survey as surveys
    from haechi.plan.start import write

    view = screen()
    path = view.plan or Path("haechi.toml")
    if path.exists():
        raise AlreadyThere(
            _("{path} is there already, and is not touched.").format(path=path),
            hint=_("Look at it with: haechi plan show — or name another file with --plan."),
        )
    survey = surveys.survey(path.absolute().parent, os.environ)
    ask = view.ask if view.interactive and not view.yes else None
    chosen = write.choices(survey, str(local_zone()), path, ask)
    text = write.compose(survey, chosen)
    write.save(path, text)
    new_key = write.save_key(chosen.key)

    def told() -> str:
        lines = [_("{path} is written.").format(path=path)]
        lines += [f"  {seen.kind}: {seen.name} ({seen.where})" for seen in survey.services]
        if new_key:
            lines.append(
                _("The vault's key is in {path}. Keep a copy of it in another place.").format(path=chosen.key)
            )
        lines += [_("Look the plan over, then:"), "  haechi plan check && haechi vault init && haechi backup"]
        return "\n".join(lines)

    data = {
        "plan": str(path),
        "key": str(chosen.key),
        "key_is_new": new_key,
        "services": [{"kind": s.kind, "name": s.name, "where": s.where, "at": s.at} for s in survey.services],
    }
    view.answer(data, text=told)
