"""MySQL: the same as the kind “mariadb”, under the name by which its users look for it."""

from __future__ import annotations

from haechi.sources.mariadb import Options, Target, build, main_form

__all__ = ["Options", "Target", "build", "main_form"]
