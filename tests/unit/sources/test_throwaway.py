"""Throwaway directories go, whatever lies in them, and touch nothing that is not theirs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from haechi.sources import _throwaway


def test_a_directory_that_forbids_it_is_emptied(tmp_path: Path) -> None:
    closed = tmp_path / "ours" / "closed"
    closed.mkdir(parents=True)
    (closed / "file").write_text("x")
    closed.chmod(0o500)
    _throwaway._remove(tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


def test_what_cannot_be_removed_closes_nothing_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above it lies /var/tmp, which is everybody's."""
    tmp_path.chmod(0o755)
    (tmp_path / "ours").mkdir()

    def refused(path: Path, onerror: object) -> None:
        assert callable(onerror)
        onerror(lambda _path: None, str(path), None)

    monkeypatch.setattr(shutil, "rmtree", refused)
    _throwaway._remove(tmp_path / "ours")
    assert tmp_path.stat().st_mode & 0o777 == 0o755
