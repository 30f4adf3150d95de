"""What is wrong in a plan, all of it at once: each with its line, its key, what was expected and the nearest name."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from haechi.errors import PlanMistake
from haechi.i18n import _, plural
from haechi.plan.masking import masked
from haechi.plan.positions import Key


@dataclass(frozen=True)
class Mistake:
    """One thing to mend. It never holds a value that could be secret."""

    kind: str  # "unknown-key", "wrong-type", "missing", "reference", "never-fires", ...
    file: str
    line: int
    key: str
    message: str
    expected: str = ""
    near: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        said = f"{where}{self.key}: {self.message}" if self.key else where + self.message
        if self.near:
            said += " " + _("Did you mean “{near}”?").format(near=self.near)
        elif self.expected:
            said += " " + _("Expected: {expected}.").format(expected=self.expected.rstrip("."))
        return said

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Found:
    """Collects what is found while the plan is read; nothing stops at the first one."""

    def __init__(self, file: str, lines: Mapping[Key, int], hidden: Mapping[str, str] | None = None):
        self.file = file
        self.lines = lines
        self._hidden = {} if hidden is None else hidden  # texts that no message may hold
        self.context = {"base": Path(file).absolute().parent}  # relative paths are relative to the plan
        self.mistakes: list[Mistake] = []
        self.advice: list[Mistake] = []

    def written(self, key: Key) -> Key:
        """The key path as the file has it: one thing that may stand for a list of one has no number."""
        path: Key = ()
        for part in key:
            if isinstance(part, str) or (*path, part) in self.lines:
                path = (*path, part)
        return path

    def line(self, key: Key) -> int:
        """Of this key, or of the nearest one above it that is written down."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 0)

    @cached_property
    def _children(self) -> Mapping[Key, set[str]]:
        children: dict[Key, set[str]] = defaultdict(set)
        for key in self.lines:
            children[key[:-1]].add(str(key[-1]))
        return children

    def lines_of(self, table: Key) -> set[str]:
        """The keys that are written down in this table."""
        return self._children.get(table, set())

    def mistake(
        self,
        kind: str,
        key: Key,
        message: str,
        *,
        expected: str = "",
        names: Iterable[str] = (),
        word: str = "",
    ) -> None:
        """`names` are the valid ones, of which the nearest to `word` is offered."""
        self.mistakes.append(self._made(kind, key, message, expected, tuple(names), word))

    def advise(self, kind: str, key: Key, message: str) -> None:
        """Something that is allowed and still worth a thought."""
        self.advice.append(self._made(kind, key, message, "", (), ""))

    def _made(
        self, kind: str, key: Key, message: str, expected: str, names: tuple[str, ...], word: str
    ) -> Mistake:
        key = self.written(key)
        if names and not expected:
            expected = _("one of {names}").format(names=", ".join(sorted(set(names))))
        return Mistake(
            kind,
            self.file,
            self.line(key),
            dotted(key),
            masked(message, self._hidden),
            masked(expected, self._hidden),
            nearest(word, names),
        )

    def settle(self) -> None:
        """Raise if there is anything to mend."""
        if self.mistakes:
            self.mistakes.sort(key=lambda m: (m.line, m.key))
            raise gathered(self.mistakes)


def gathered(mistakes: list[Mistake]) -> PlanMistake:
    """All of them as one error."""
    count = plural("{count} mistake in the plan", "{count} mistakes in the plan", len(mistakes))
    listing = "\n".join(f"  {mistake}" for mistake in mistakes)
    return PlanMistake(
        f"{count}: {mistakes[0].file}\n{listing}",
        hint=_("Mend what is listed and look again with: haechi plan check"),
        mistakes=tuple(mistake.as_dict() for mistake in mistakes),
    )


def nearest(word: str, names: Iterable[str]) -> str:
    """The valid name that this one was probably meant to be, or nothing."""
    by_plain = {name.lower().replace("-", "_"): name for name in names}
    near = difflib.get_close_matches(word.lower().replace("-", "_"), by_plain, 1, cutoff=0.6)
    return by_plain[near[0]] if near else ""


def dotted(key: Key) -> str:
    """A key path as people write it: `service.erp.checks[0].sql`."""
    said = ""
    for part in key:
        if isinstance(part, int):
            said += f"[{part}]"
        else:
            plain = part if part.replace("_", "").replace("-", "").isalnum() else f'"{part}"'
            said += f".{plain}" if said else plain
    return said
