"""Where figures come from is told with them, and the page is written from that alone."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

from bench import _machine

_PERFORMANCE = Path(__file__).parents[3] / "tools" / "performance"


def test_the_page_says_when_where_and_of_what() -> None:
    page = runpy.run_path(str(_PERFORMANCE))["page"]
    row = {
        "name": "a | b",
        "ours": 1.5,
        "theirs": 3.0,
        "limit": None,
        "ratio": 0.5,
        "goal": 1 / 4.5,
        "met": False,
    }
    about = json.loads(json.dumps(_machine.described()))
    said = page({**about, "quick": True, "areas": ["cli"], "rows": [{**row, "unit": "s", "runs": 5}]})
    assert all(len(line) <= 118 for line in said.splitlines())
    said = said.replace("\n", " ")
    assert about["measured"] in said
    assert about["machine"]["processor"] in said
    assert all(f"{name} {version}" in said for name, version in about["versions"].items())
    assert "Only these areas were measured: cli." in said and "quick run" in said
    assert "| a \\| b | 1.5 s | 3 s |  | 0.50 | 0.222 | **no** | 5 |" in said
