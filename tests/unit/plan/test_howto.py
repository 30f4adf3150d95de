"""The plans in docs/howto that no kind of service owns: each is read, and its table names every key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from haechi.plan.load import loads
from haechi.plan.recovery import Guard
from haechi.plan.sections import Copying, Drilling, Verifying

HEAD = '[plan]\nname = "page"\ntimezone = "Asia/Seoul"\n'
TWO = """[vault.main]\nurl = "/v"\nkey = "k"\n[vault.offsite]\nurl = "s3://v"\nkey = "k"\n"""
REST = {
    "verify": TWO,
    "drill": TWO,
    "copies": "",
    "guard": '[vault.main]\nurl = "/v"\nkey = "k"\n[service.vault]\nsource = "postgresql"\nto = "vault.main"\n',
}
NOT_TOLD = {"about"}


def page(name: str) -> str:
    return Path("docs/howto", f"{name}.md").read_text("utf-8")


@pytest.mark.parametrize("name", REST)
def test_the_plan_has_no_mistakes(name: str) -> None:
    (plan,) = re.findall(r"```toml\n(.*?)```", page(name), re.DOTALL)
    assert loads(HEAD + REST[name] + plan, environment={}).services


@pytest.mark.parametrize(
    ("name", "model"), [("copies", Copying), ("guard", Guard), ("verify", Verifying), ("drill", Drilling)]
)
def test_the_table_names_every_key(name: str, model: type[Copying | Guard | Verifying | Drilling]) -> None:
    told = {
        key
        for cell in re.findall(r"^\| (`.*?) \|", page(name), re.MULTILINE)
        for key in re.findall("`(\\w+)`", cell)
    }
    known = {field.alias or key for key, field in model.model_fields.items()}
    assert told <= known
    assert known - told <= NOT_TOLD | {"name", "options"}
