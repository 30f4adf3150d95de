"""MongoDB's own programs in the place of the service, which are told by a pipe who we are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO

from bson import json_util

from haechi.errors import ProgramFailed
from haechi.i18n import _
from haechi.places._base import Place
from haechi.process import Running
from haechi.sources._mongodb import problems
from haechi.sources._mongodb.address import Address

Doc = dict[str, Any]

# The address with its password comes by the environment, which only a shell's own `printf` sees, and goes on through
# a pipe: it is in nobody's argv and in no file. Standard input stays what it was.
_CONFIGURED = r"""
{ printf '%s' "$HAECHI_CONFIG" | { exec 3<&0 <&4 4<&-; unset HAECHI_CONFIG; exec "$@" --config=/dev/fd/3; }; } 4<&0
"""
_COMMANDS = """
const e = process.env, server = connect(e.HAECHI_URI);
let said = null;
for (const step of EJSON.parse(e.HAECHI_STEPS, {relaxed: false}))
    said = server.getSiblingDB(step.database).runCommand(step.command);
print(EJSON.stringify(said, {relaxed: false}))
"""
_STEPS = 200  # an environment holds only so much
_MANY = 100_000  # of a list that is asked for in one piece
_LIKE_IT_WAS = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, document_class=dict)
_SHELL = "mongosh"


@dataclass(frozen=True)
class Tools:
    """mongodump, mongorestore and mongosh, where they run."""

    place: Place
    address: Address
    bindir: str | None
    run_as: str | None

    def program(self, name: str) -> str:
        return f"{self.bindir.rstrip('/')}/{name}" if self.bindir else name

    def has(self, name: str) -> bool:
        return self.place.has(self.program(name))

    def start(
        self, name: str, arguments: Sequence[str], stdin: BinaryIO | None = None
    ) -> AbstractContextManager[Running]:
        """The program under way. Nothing is said about the server where the plan says nothing: the programs' own
        default then, and versions that know no `--config` yet."""
        argv = [self.program(name), *arguments]
        if self.address.default:
            return self.place.start(argv, stdin=stdin, user=self.run_as)
        return self.place.start(
            ["sh", "-c", _CONFIGURED, "haechi", *argv],
            stdin=stdin,
            env={"HAECHI_CONFIG": self.address.config.reveal()},
            user=self.run_as,
        )


class Shell:
    """Commands through mongosh. Satisfies `Admin`."""

    def __init__(self, tools: Tools):
        self._tools = tools
        self.shown = f"{tools.address.shown} ({tools.place.name})"

    def command(self, database: str, command: Mapping[str, Any], doing: str) -> Doc:
        return self._run([(database, dict(command))], doing)

    def carry_out(self, steps: Sequence[tuple[str, Doc]], doing: str) -> None:
        """Each start of the shell takes a second, so it is given many at once."""
        for first in range(0, len(steps), _STEPS):
            self._run(steps[first : first + _STEPS], doing)

    def _run(self, steps: Sequence[tuple[str, Doc]], doing: str) -> Doc:
        told = [{"database": database, "command": command} for database, command in steps]
        env = {
            "HAECHI_URI": self._tools.address.uri.reveal(),
            "HAECHI_STEPS": json_util.dumps(told, json_options=_LIKE_IT_WAS, ensure_ascii=False),
        }
        argv = [self._tools.program(_SHELL), "--quiet", "--norc", "--nodb", "--eval", _COMMANDS]
        try:
            done = self._tools.place.run(argv, env=env, user=self._tools.run_as)
        except ProgramFailed as problem:
            raise problems.explain_said(problem.detail, doing) from problem
        try:
            found = json_util.loads(done.stdout, json_options=_LIKE_IT_WAS)
        except ValueError:
            raise ProgramFailed(
                _("{doing}: mongosh did not give an answer that can be read.").format(doing=doing),
                hint=_("Try it there by hand: mongosh --eval 'db.version()'"),
                detail=done.stdout.decode(errors="replace")[:1000],
            ) from None
        return dict(found)

    def listed(self, database: str, command: Mapping[str, Any], doing: str) -> Iterator[Doc]:
        whole = {"cursor": {"batchSize": _MANY}} if "find" not in command else {"batchSize": _MANY}
        yield from self.command(database, {**command, **whole}, doing)["cursor"]["firstBatch"]
