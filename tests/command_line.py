"""The command line in this process, as tests ask it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haechi.cli import main


def asked(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> Any:
    """What the command says as JSON, if it says any; it must end so."""
    capsys.readouterr()
    ended = main.run(["--json", *words])
    said = capsys.readouterr()
    assert ended == status, said.out + said.err
    return json.loads(said.out) if said.out.strip().startswith(("[", "{")) else None
