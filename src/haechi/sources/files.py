"""Directories and files: media, configuration and secrets, as they lie on this host or at another place."""

from __future__ import annotations

from haechi.places._base import Place
from haechi.sources._base import Source
from haechi.sources._files.here import Files
from haechi.sources._files.options import Options, Target

__all__ = ["Files", "Options", "Target", "build", "main_form"]


def build(name: str, options: Options, place: Place) -> Source:
    if place.is_local:
        return Files(name, options, place)
    from haechi.sources._files.elsewhere import FilesElsewhere

    return FilesElsewhere(name, options, place)


def main_form(_options: Options) -> str:
    """What archives must be able to hold."""
    return "tar"
