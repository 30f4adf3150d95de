"""The plan as it was understood, and the schema for editors."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from haechi.plan import show
from haechi.plan.load import load, loads
from haechi.plan.schema import schema
from tests.unit.plan.test_load import PLAN


def test_what_is_shown_is_a_plan_again() -> None:
    text = show.as_text(loads(PLAN, environment={}))
    again = tomllib.loads(text)
    postgres = again["service"]["postgres"]
    assert postgres["promise"] == {"rpo": "6h", "rto": "2h"}
    assert postgres["keep"]["archive.nas"] == {"within": "30d", "at_most": 10}
    assert postgres["keep"]["vault.offsite"] == {"daily": "7d", "weekly": 4, "weekly_on": "sunday"}
    assert postgres["backup"] == "daily 02:00; every 6h from 02:00"
    assert postgres["user"] == "postgres"
    assert again["service"]["notes"]["promise"] == {"rpo": "1d 2h", "rto": "4h"}
    assert again["service"]["notes"]["url"] == {"env": "DATABASE_URL"}
    assert again["vault"]["main"] == {"url": "/backup/vault", "key": {"file": "/etc/haechi/vault.key"}}


def test_as_json() -> None:
    data = show.as_data(loads(PLAN, environment={}))
    assert json.loads(json.dumps(data)) == data
    assert data["digest"] == loads(PLAN, environment={}).digest


def test_what_sounds_secret_in_the_environment_is_not_shown() -> None:
    text = PLAN.replace("erp-postgres", "${API_TOKEN}").replace("s3://bucket", "s3://u:planted@${BUCKET}")
    shown = show.as_text(loads(text, environment={"API_TOKEN": "planted", "BUCKET": "b"}))
    assert "planted" not in shown
    assert "docker:${API_TOKEN}" in shown
    assert "s3://u:********@b/vault" in shown


# -- the schema --------------------------------------------------------------------------------------


class Validator:
    """As much of JSON Schema (draft 7) as ours uses."""

    def __init__(self, root: dict[str, Any]):
        self.root = root

    def fits(self, value: Any, rule: dict[str, Any]) -> bool:
        if "$ref" in rule:
            rule = self.root["$defs"][rule["$ref"].removeprefix("#/$defs/")] | {
                k: v for k, v in rule.items() if k != "$ref"
            }
        if "anyOf" in rule and not any(self.fits(value, one) for one in rule["anyOf"]):
            return False
        if "const" in rule and value != rule["const"]:
            return False
        if "enum" in rule and value not in rule["enum"]:
            return False
        return all(self._type(value, kind) for kind in [rule.get("type")] if kind) and self._inside(
            value, rule
        )

    @staticmethod
    def _type(value: Any, kind: str) -> bool:
        kinds: dict[str, Any] = {
            "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
            "null": type(None),
        }  # fmt: skip
        return isinstance(value, kinds[kind]) and (kind == "boolean" or not isinstance(value, bool))

    def _inside(self, value: Any, rule: dict[str, Any]) -> bool:
        if isinstance(value, dict):
            known = rule.get("properties", {})
            others = rule.get("additionalProperties", True)
            if not set(rule.get("required", ())) <= set(value):
                return False
            return all(
                self.fits(v, known[k])
                if k in known
                else others is not False and (others is True or self.fits(v, others))
                for k, v in value.items()
            )
        if isinstance(value, list) and isinstance(rule.get("items"), dict):
            return all(self.fits(one, rule["items"]) for one in value)
        return True


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return json.loads(json.dumps(schema()))  # type: ignore[no-any-return]


@pytest.mark.parametrize("text", [PLAN, Path("examples/railway-sales.toml").read_text()])
def test_a_good_plan_fits_the_schema(whole: dict[str, Any], text: str) -> None:
    validator = Validator(whole)
    plan = tomllib.loads(text)
    for table, content in plan.items():
        assert validator.fits(content, whole["properties"][table]), table
    assert validator.fits(plan, whole)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('user = "postgres"', 'usr = "postgres"'),
        ('source = "postgresql"\nat', 'source = "postgresq"\nat'),
        ('databases = "all"', "databases = 5"),
        ("daily = ", "dayly = "),
        ('language = "ko"', 'language = "fr"'),
        ('region = "ap-northeast-2"', 'regoin = "ap-northeast-2"'),
        ('key = { file = "/etc/haechi/vault.key" }', 'key = { fil = "/etc/haechi/vault.key" }'),
        ('name = "erp"', ""),
    ],
)
def test_a_bad_one_does_not(whole: dict[str, Any], good: str, bad: str) -> None:
    assert good in PLAN
    assert not Validator(whole).fits(tomllib.loads(PLAN.replace(good, bad)), whole)


def test_every_reference_of_the_schema_leads_somewhere(whole: dict[str, Any]) -> None:
    text = json.dumps(whole)
    names = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
    assert names <= set(whole["$defs"])
    assert names


def test_keys_have_descriptions(whole: dict[str, Any]) -> None:
    for table in ("plan", "defaults", "server"):
        for key, rule in whole["properties"][table]["properties"].items():
            assert rule.get("description"), f"{table}.{key}"


def test_a_plan_is_read_quickly(tmp_path: Path) -> None:
    """Once the models are built: a daemon looks at its plan often."""
    import time

    path = tmp_path / "haechi.toml"
    path.write_text(PLAN)
    load(path, {})
    began = time.process_time()
    load(path, {})
    assert time.process_time() - began < 0.15
