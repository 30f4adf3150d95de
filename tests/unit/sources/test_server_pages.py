"""What docs/howto says of MariaDB, Redis and RabbitMQ is a plan without mistakes, and names every option."""

from __future__ import annotations

import re

import pytest

from haechi.plan.load import loads
from haechi.sources import mariadb, rabbitmq, redis
from tests.unit.sources.test_pages import REST, page

KINDS = {"mariadb": mariadb, "rabbitmq": rabbitmq, "redis": redis}


@pytest.mark.parametrize("kind", KINDS)
def test_the_plan_has_no_mistakes_and_the_tables_every_option(kind: str) -> None:
    (plan,) = re.findall(r"```toml\n(.*?)```", page(kind), re.DOTALL)
    assert loads(REST + plan, environment={}).services
    told = {
        name
        for cell in re.findall(r"^\| (`.*?) \|", page(kind), re.MULTILINE)
        for name in re.findall("`(\\w+)`", cell)
    }
    known = {*KINDS[kind].Options.model_fields, *KINDS[kind].Target.model_fields}
    assert set(KINDS[kind].Options.model_fields) <= told <= known
