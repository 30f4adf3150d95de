"""What docs/howto says of hooks and sets is a plan without mistakes, and what it says hooks are told is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from haechi.plan.load import loads
from haechi.plan.steps import Hook, Hooks

HOWTO = Path("docs/howto")
REST = '[plan]\nname = "page"\ntimezone = "Asia/Seoul"\n[vault.main]\nurl = "/v"\nkey = { file = "/k" }\n'


@pytest.mark.parametrize("name", ["hooks", "sets"])
def test_its_plan_has_no_mistakes(name: str) -> None:
    (plan,) = re.findall(r"```toml\n(.*?)```", (HOWTO / f"{name}.md").read_text("utf-8"), re.DOTALL)
    loaded = loads(
        REST + plan, environment={"DATABASE_URL": "postgresql://u@h/d", "HEALTHCHECK_URL": "https://h/x"}
    )
    assert loaded.services
    assert not [advice for advice in loaded.advice if "hooks" in str(advice) or " set" in str(advice)]


def test_every_kind_of_hook_and_every_moment_is_told() -> None:
    page = (HOWTO / "hooks.md").read_text("utf-8")
    for verb in Hook.verbs:
        assert f"`{verb}`" in page
    for moment in {name.removeprefix("before_").removeprefix("after_") for name in Hooks.model_fields}:
        assert f"`{moment}`" in page


def test_what_hooks_are_told_is_what_the_page_says() -> None:
    told = set(re.findall(r"`(HAECHI_[A-Z_]+)`", (HOWTO / "hooks.md").read_text("utf-8")))
    code = "".join(
        Path(f"src/haechi/operations/{name}.py").read_text("utf-8") for name in ("hooks", "service")
    )
    assert set(re.findall(r'"(HAECHI_[A-Z_]+)"', code)) == told
