"""Reads stored parts to their end, for verifications that need no server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import BinaryIO

from haechi.events import Reporter
from haechi.i18n import _
from haechi.process import BUFFER
from haechi.sources._base import PartReader


def through(parts: Iterable[PartReader], looked: Callable[[BinaryIO], BinaryIO], reporter: Reporter) -> int:
    """Each part through the stream that knows its format, which raises where it is wrong; how many bytes came."""
    size = 0
    for part in parts:
        title = _("Reading {name} as its own format").format(name=part.info.name)
        with reporter.step(title, part.info.size or None) as step, closing(looked(part.open())) as stream:
            while piece := stream.read(BUFFER):
                size += len(piece)
                step.advance(len(piece))
    return size
