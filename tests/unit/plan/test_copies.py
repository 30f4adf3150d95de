"""What a plan says about its copies: the rule, hours, bandwidth, storage classes, and the jobs they make."""

from __future__ import annotations

from datetime import timedelta

import pytest

from haechi.app import jobs, watching
from haechi.app.home import Home
from haechi.errors import PlanMistake
from haechi.plan import show
from haechi.plan.load import loads

PLAN = """
[plan]
name = "x"
timezone = "Asia/Seoul"
[vault.main]
url = "/v"
key = { env = "K" }
[vault.offsite]
url = "s3://bucket/x"
key = { env = "K" }
%s
[service.erp]
source = "command"
dump = ["true"]
backup = "daily 02:00"
promise = { rpo = "25h" }
to = "vault.main"
%s
"""


def home(vault: str = "", service: str = 'copy = "vault.offsite"') -> Home:
    return Home(loads(PLAN % (vault, service), environment={}))


def listed(where: Home) -> list[str]:
    return [f"{' '.join(job.words)} @ {job.schedule}" for job in jobs.every(where)]


def test_a_rule_that_is_demanded_is_kept_or_a_mistake() -> None:
    with pytest.raises(PlanMistake) as caught:
        home(service='rule = "3-2-1-1-0"\ncopy = "vault.offsite"')
    (mistake,) = caught.value.mistakes
    assert mistake["key"] == "service.erp.rule"
    assert "none of them locked" in mistake["message"]
    assert "no drill" in mistake["message"]
    assert "object lock" in mistake["expected"]
    kept = home(service='rule = "3-2-1"\ncopy = "vault.offsite"')
    assert not [one for one in kept.plan.advice if one.kind.startswith("3-2-1")]
    whole = 'rule = "3-2-1-1-0"\ncopy = "vault.offsite"\ndrill = "sunday 05:00"'
    assert home('lock = "30 days"', whole).plan.services["erp"].rule


@pytest.mark.parametrize("text", ["3-2", "yes", "3-2-1-1-7"])
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(PlanMistake, match="3-2-1-1-0"):
        home(service=f'rule = "{text}"')


@pytest.mark.parametrize(
    ("text", "bytes_a_second"),
    [("20 MB/s", 20_000_000), ("100 Mbit/s", 12_500_000), ("512KiB/s", 512 << 10), ("1.5 gbps", 187_500_000)],
)
def test_bandwidth_as_people_write_it(text: str, bytes_a_second: int) -> None:
    from haechi.app.copies import options

    where = home(f'bandwidth = "{text}"')
    told = options(where, "vault.offsite")
    assert (told.upload_limit, told.download_limit) == (bytes_a_second, bytes_a_second)


def test_what_cannot_go_well_is_said() -> None:
    for said, message in (
        ('bandwidth = "fast"', "20 MB/s"),
        ('bandwidth = "20 MB/s"\nupload_limit = "1MB"', "one or the other"),
        ('storage_class = "DEEP_ARCHIVE"', "read at once"),
    ):
        with pytest.raises(PlanMistake, match=message):
            home(said)
    assert home('storage_class = "STANDARD_IA"').plan.vaults["offsite"].options.storage_class == "STANDARD_IA"


def test_what_is_mounted_ought_to_say_so() -> None:
    text = PLAN.replace('url = "/v"', 'url = "/mnt/nas/v"') % ("", "")
    assert "mounted" in {one.kind for one in loads(text, environment={}).advice}
    said = text.replace('url = "/mnt/nas/v"', 'url = "/mnt/nas/v"\nmounted = true')
    assert "mounted" not in {one.kind for one in loads(said, environment={}).advice}
    assert loads(said, environment={}).vaults["main"].medium == "nas"


def test_hours_and_verification_of_a_destination_are_jobs() -> None:
    where = home(
        'verify = "monthly 1st 04:00"\nlock = "30 days"',
        'copy = { to = "vault.offsite", hours = "weekdays 22:00-06:00" }',
    )
    assert listed(where) == [
        "backup erp @ daily 02:00",
        "copy erp --to vault.offsite @ 0 22 * * 1,2,3,4,5",
        "verify erp --all --from vault.offsite @ monthly 1st 04:00",
        "locks vault.offsite --extend @ daily 06:30",
    ]
    (onward,) = where.service("erp").onward
    assert onward.hours


def test_a_copy_that_lags_behind_the_promise_is_an_alarm_without_a_word() -> None:
    (watched,) = watching.watched(home(), None)
    assert watched.expected.lag == {"vault.offsite": timedelta(hours=25)}
    weekly = home(service='copy = { to = "vault.offsite", when = "sunday 04:00" }')
    assert watching.watched(weekly, None)[0].expected.lag == {"vault.offsite": timedelta(days=7, hours=25)}
    both = home(service="").plan.document.text.replace(
        'to = "vault.main"', 'to = ["vault.main", "vault.offsite"]'
    )
    lag = watching.watched(Home(loads(both, environment={})), None)[0].expected.lag
    assert lag == {"vault.main": timedelta(hours=25), "vault.offsite": timedelta(hours=25)}


def test_a_verification_is_watched_copy_by_copy() -> None:
    where = home('verify = "monthly 1st 04:00"', 'copy = "vault.offsite"\nverify = "sunday 06:00"')
    (watched,) = watching.watched(where, None)
    assert [of for _when, of in watched.expected.verify] == ["", "vault.offsite"]


def test_who_is_told_may_stand_in_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names that people have set already are understood as they stand."""
    text = PLAN % ("", "") + '[notify.slack]\nvia = "slack"\n[notify.email]\nvia = "email"\n'
    names = ("SLACK_WEBHOOK_URL", "ADMIN_EMAIL", "SMTP_SERVER", "SMTP_HOST", "SMTP_PORT", "SMTP_USERNAME",
             "SMTP_USER", "SMTP_PASSWORD", "SMTP_PASS", "SMTP_FROM", "SMTP_SENDER")  # fmt: skip
    for name in names:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(PlanMistake) as caught:
        loads(text, environment={})
    assert {m["key"] for m in caught.value.mistakes} == {
        "notify.slack.url",
        "notify.email.mail",
        "notify.email.to",
    }
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T/B/planted")
    monkeypatch.setenv("ADMIN_EMAIL", "admin@company.example")
    monkeypatch.setenv("SMTP_SERVER", "smtp.gmail.com")
    monkeypatch.setenv("SMTP_PORT", "465")
    monkeypatch.setenv("SMTP_USERNAME", "me@company.example")
    monkeypatch.setenv("SMTP_PASSWORD", "planted-secret")
    plan = loads(text, environment={})
    slack, email = plan.notifiers["slack"], plan.notifiers["email"]
    assert slack.url
    assert slack.url.fetch().reveal().endswith("planted")
    assert email.mail
    assert (email.mail.server.fetch(), email.mail.port, email.mail.tls) == ("smtp.gmail.com", 465, "tls")
    assert email.mail.password
    assert email.mail.password.fetch().reveal() == "planted-secret"
    assert [to.fetch() for to in email.to] == ["admin@company.example"]
    assert "planted" not in show.as_text(plan)
