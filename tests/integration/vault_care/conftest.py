"""Whole vaults, made, broken and mended; what takes its time on purpose takes none here either."""

from tests.integration.programs.conftest import _quick

__all__ = ["_quick"]
