"""Writes a first plan for what was found, with comments in the user's language. Never overwrites anything."""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from haechi import fileio, i18n, plugins
from haechi.errors import AlreadyThere
from haechi.i18n import _
from haechi.plan.kinds import SOURCES
from haechi.plan.load import loads
from haechi.plan.show import quoted
from haechi.plan.start.survey import Seen, Survey
from haechi.schedule import parse

Ask = Callable[[str, str], str]  # a question and the answer that is likely; the answer


@dataclass(frozen=True)
class Choices:
    """What a person may want otherwise; every one has a good answer already."""

    name: str
    timezone: str
    vault: str
    key: Path
    backup: str = "daily 02:00"


def choices(survey: Survey, timezone: str, plan: Path, ask: Ask | None) -> Choices:
    """Without `ask` nobody is asked."""
    home = Path("/var/lib/haechi") if os.geteuid() == 0 else Path.home() / ".local/share/haechi"
    likely = Choices(survey.name, timezone, str(home / "vault"), plan.absolute().with_name("haechi.key"))
    if ask is None:
        return likely
    return Choices(
        name=ask(_("What is this plan for? A short name:"), likely.name),
        timezone=_until(ask, _("In which time zone are its times?"), likely.timezone, _zone),
        vault=ask(
            _("Where shall the backups lie? A directory, or an address such as s3://bucket/prefix:"),
            likely.vault,
        ),
        key=likely.key,
        backup=_until(ask, _("When shall they be taken?"), likely.backup, parse),
    )


def _until(ask: Ask, question: str, likely: str, check: Callable[[str], object]) -> str:
    """Asked again until the answer is one."""
    asked = question
    while True:
        answer = ask(asked, likely)
        try:
            check(answer)
        except ValueError as problem:
            asked = "  " + _("Expected: {expected}.").format(expected=problem) + f"\n{question}"
        else:
            return answer


def _zone(name: str) -> object:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise ValueError(_("a time zone such as “Asia/Seoul” or “UTC”")) from None


def compose(survey: Survey, chosen: Choices) -> str:
    """The text of the plan. Raises PlanMistake when an answer does not fit."""
    lines = [
        *_comment(_("The plan of haechi: what is protected, when, for how long and where copies lie.")),
        *_comment(_("Look it over, then: haechi plan check")),
        "",
        "[plan]",
        f"name     = {quoted(chosen.name)}",
        f"timezone = {quoted(chosen.timezone)}",
        f'language = "{i18n.language()}"',
        "",
        *_comment(_("What holds for every service that does not say otherwise.")),
        "[defaults]",
        f'promise = {{ rpo = "{_rpo(chosen.backup)}", rto = "4h" }}'
        f"   # {_('how much may be lost, how long it may take')}",
        f"backup  = {quoted(chosen.backup)}",
        'keep    = { daily = "30 days", weekly = "90 days", monthly = "1 year" }',
        'to      = "vault.main"',
        *_offsite(survey),
        "",
        *_comment(
            _(
                "Deduplicated and encrypted, in restic's open format. Without the key nobody can read it, "
                "you included: keep a copy of the key in another place."
            )
        ),
        "[vault.main]",
        f"url = {quoted(chosen.vault)}",
        f"key = {{ file = {quoted(str(chosen.key))} }}",
        *_offsite_vaults(survey, chosen),
        *_services(survey),
        *_notify(survey),
    ]
    text = "\n".join(lines) + "\n"
    loads(text, "haechi.toml", survey.variables)
    return text


def save(path: Path, text: str) -> None:
    """Raises AlreadyThere rather than touch a plan that is there."""
    _create(path, text.encode(), 0o644)


def save_key(path: Path) -> bool:
    """A new passphrase, unless there is one; whether it is new."""
    if path.exists():
        return False
    _create(path, secrets.token_urlsafe(32).encode() + b"\n", 0o600)
    return True


def _create(path: Path, data: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise AlreadyThere(
            _("{path} is there already, and is not touched.").format(path=path),
            hint=_("Look at it with: haechi plan show — or name another file with --plan."),
        ) from None
    except OSError as problem:
        raise fileio.explain(problem, path) from None
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fileio.sync_directory(path.absolute().parent)


def _rpo(backup: str) -> str:
    """The RPO that this schedule can hold, with an hour to spare."""
    gap = parse(backup).longest_gap()
    return f"{math.ceil((gap or timedelta(days=1)) / timedelta(hours=1)) + 1}h"


# -- where copies go ---------------------------------------------------------------------------------

_BUCKETS = (("AWS_S3_BACKUP_BUCKET", "s3"), ("AWS_S3_BUCKET", "s3"), ("GCS_BACKUP_BUCKET", "gs"))


def _buckets(survey: Survey) -> dict[str, str]:
    """The buckets that the environment names: one a provider."""
    found: dict[str, str] = {}
    for variable, scheme in _BUCKETS:
        if survey.has(variable) and scheme not in found:
            found[scheme] = f"{scheme}://${{{variable}:-{survey.variables[variable]}}}/haechi"
    return found


def _offsite(survey: Survey) -> list[str]:
    copies = [f'"vault.{_vault_name(scheme)}"' for scheme in _buckets(survey)]
    return [f"copy    = [{', '.join(copies)}]"] if copies else []


def _offsite_vaults(survey: Survey, chosen: Choices) -> list[str]:
    lines: list[str] = []
    for scheme, url in _buckets(survey).items():
        lines += [
            "",
            *_comment(_("Off-site, as the environment names it.")),
            f"[vault.{_vault_name(scheme)}]",
        ]
        lines += [f"url = {quoted(url)}", f"key = {{ file = {quoted(str(chosen.key))} }}"]
        if scheme == "gs" and survey.has("GOOGLE_APPLICATION_CREDENTIALS"):
            credentials = survey.variables["GOOGLE_APPLICATION_CREDENTIALS"]
            lines.append(f'service_account = "${{GOOGLE_APPLICATION_CREDENTIALS:-{credentials}}}"')
    if not lines:
        lines = [
            "",
            *_comment(_("A copy at another site is what helps when this one burns down:")),
            "# [vault.offsite]",
            '# url = "s3://bucket/haechi"',
            '# key = { env = "HAECHI_OFFSITE_KEY" }',
        ]
    return lines


def _vault_name(scheme: str) -> str:
    return {"s3": "s3", "gs": "gcs"}[scheme]


# -- what is protected -------------------------------------------------------------------------------


def _services(survey: Survey) -> list[str]:
    known = [seen for seen in survey.services if seen.kind == "postgresql"]
    lines: list[str] = []
    for seen in survey.services:
        where = f"{seen.where} ({seen.name})"
        if seen in known:
            lines += ["", *_comment(_("Found in {where}.").format(where=seen.where)), *_service(seen, survey)]
        elif not plugins.knows(SOURCES, seen.kind):
            told = _("Found in {where} and not protected: this version knows no source “{kind}”.")
            lines += ["", *_comment(told.format(where=where, kind=seen.kind))]
        else:  # what more it wants to know cannot be seen from outside
            told = _("Found in {where}. See what the source “{kind}” wants to know, and take the # away:")
            lines += ["", *_comment(told.format(where=where, kind=seen.kind)), f"# [service.{seen.name}]"]
            lines += [f'# source = "{seen.kind}"', f"# at     = {quoted(seen.at)}"]
    if not known:
        lines += [
            "",
            *_comment(_("Nothing was found that could be protected. A service looks like this:")),
            "# [service.database]",
            '# source    = "postgresql"',
            '# at        = "docker:postgres"       # local, docker:NAME, compose:NAME, ssh:USER@HOST',
            '# user      = "postgres"',
            '# databases = "all"',
        ]
    return lines


def _service(seen: Seen, survey: Survey) -> list[str]:
    lines = [f"[service.{seen.name}]", f'source    = "{seen.kind}"']
    if seen.url_from:
        lines.append(f'url       = {{ env = "{seen.url_from}" }}')
        if seen.url_from in survey.only_in_dotenv:
            lines += _comment(
                _("{name} stands in .env: set it for haechi as well.").format(name=seen.url_from)
            )
        return lines
    lines.append(f"at        = {quoted(seen.at)}")
    if seen.host:
        lines.append(f"host      = {quoted(seen.host)}")
    if seen.host.startswith("/") and os.geteuid() == 0:
        lines.append('run_as    = "postgres"' + f"      # {_('who the server knows without a password')}")
    if seen.user:
        lines.append(f"user      = {quoted(seen.user)}")
    if seen.database:
        lines.append(f"databases = [{quoted(seen.database)}]      # {_('or “all”, with roles')}")
    else:
        lines.append('databases = "all"')
    return lines


# -- who is told -------------------------------------------------------------------------------------


def _notify(survey: Survey) -> list[str]:
    lines: list[str] = []
    if survey.has("SLACK_WEBHOOK_URL"):
        lines += ["", "[notify.slack]", 'via = "slack"', 'url = { env = "SLACK_WEBHOOK_URL" }']
    server = next((name for name in ("SMTP_SERVER", "SMTP_HOST") if survey.has(name)), None)
    if server and survey.has("ADMIN_EMAIL"):
        mail = [f'server = {{ env = "{server}" }}']
        if survey.variables.get("SMTP_PORT", "").isdigit():
            mail.append(f"port = {survey.variables['SMTP_PORT']}")
        for key, names in (("username", ("SMTP_USERNAME", "SMTP_USER")), ("password", ("SMTP_PASSWORD",))):
            variable = next((name for name in names if survey.has(name)), None)
            if variable:
                mail.append(f'{key} = {{ env = "{variable}" }}')
        lines += [
            "",
            "[notify.email]",
            'via  = "email"',
            'to   = { env = "ADMIN_EMAIL" }',
            f"mail = {{ {', '.join(mail)} }}",
        ]
    if not lines:
        lines = [
            "",
            *_comment(_("Who is told when something goes wrong:")),
            "# [notify.slack]",
            '# via = "slack"',
            '# url = { env = "SLACK_WEBHOOK_URL" }',
        ]
    return lines


def _comment(text: str) -> list[str]:
    import textwrap

    letters = 50 if i18n.language() == "ko" else 78  # a Korean letter is as wide as two others
    return [f"# {line}" for line in textwrap.wrap(text, letters)]
