"""A member as etcdctl sees it from the place where it runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, BinaryIO, cast

from haechi.errors import HaechiError, ProgramFailed
from haechi.i18n import _
from haechi.places._base import Place
from haechi.process import Completed, Output
from haechi.sources._etcd import member
from haechi.sources._etcd.member import Status
from haechi.sources._etcd.options import Options

CTL = "etcdctl"
UTL = "etcdutl"
_QUICK, _LONG = 5, 300  # seconds for an answer: to be there, and to look at everything

# etcdctl writes snapshots to files only. Whatever happens, its file goes again; what a killed machine has left goes
# with a later one.
_SAVE = r"""
staging=$1
shift
find "$staging" -maxdepth 1 -name 'haechi-etcd-*' -mmin +1440 -exec rm -rf {} + 2>/dev/null
room=$(mktemp -d "$staging/haechi-etcd-XXXXXX") || exit
trap 'rm -rf "$room"' EXIT
trap 'exit 143' HUP INT TERM
"$@" snapshot save "$room/snapshot.db" >&2 || exit
cat "$room/snapshot.db"
"""


class ByProgram:
    """Satisfies `Member`."""

    def __init__(self, place: Place, options: Options, endpoint: str | None = None):
        self._place = place
        self._options = options
        self.endpoint = endpoint or options.endpoint
        self._own = endpoint is not None  # a member of our own on the loopback: without certificates

    def status(self) -> Status:
        (answer,) = self._ask("endpoint", "status")
        return member.read_status(answer["Status"])

    def count(self, revision: int) -> int | None:
        try:
            answer = self._ask(
                *("get", "", "--from-key", "--keys-only", "--limit=1", "--consistency=s"),
                f"--rev={revision}",
                seconds=_LONG,
            )
        except HaechiError as problem:
            if member.is_compacted(problem.detail + problem.message):
                return None
            raise
        return int(answer.get("count", 0))

    def digest(self, revision: int) -> tuple[int, int] | None:
        try:
            (answer,) = self._ask("endpoint", "hashkv", f"--rev={revision}", seconds=_LONG)
        except HaechiError as problem:
            if member.is_compacted(problem.detail + problem.message):
                return None
            raise
        return (int(answer["HashKV"]["hash"]), int(answer["HashKV"].get("compact_revision", 0)))

    def itself(self, number: str) -> tuple[str, list[str]]:
        return member.read_self(self._ask("member", "list")["members"], number)

    def snapshot(self, stack: ExitStack) -> BinaryIO:
        started = self._place.start(
            ["sh", "-c", _SAVE, "haechi", self._options.staging, CTL],
            env=self.env(),
            user=self._options.run_as,
        )
        return cast(BinaryIO, Output(stack.enter_context(started)))

    def explain(self, problem: HaechiError) -> HaechiError:
        """A program's failure in etcd's words."""
        said = reason(problem.detail)
        return member.trouble(f"{self.endpoint} ({self._place.name})", said) or problem

    def _ask(self, *words: str, seconds: int = _QUICK) -> Any:
        done = self._place.run(
            [CTL, *words, "--write-out=json", f"--command-timeout={seconds}s"],
            env=self.env(),
            user=self._options.run_as,
            deadline=seconds + 30,
            check=False,
        )
        if done.status != 0:
            raise self._failure(done)
        return json.loads(done.stdout or b"null")

    def env(self) -> Mapping[str, str]:
        """The secrets are fetched here, when they are used, and are in nobody's argv."""
        options = self._options
        found = {"ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": self.endpoint}
        if options.user and options.password:
            found |= {"ETCDCTL_USER": f"{options.user}:{options.password.fetch().reveal()}"}
        files = {"ETCDCTL_CACERT": options.ca, "ETCDCTL_CERT": options.cert, "ETCDCTL_KEY": options.key}
        return found | {name: path for name, path in files.items() if path and not self._own}

    def _failure(self, done: Completed) -> HaechiError:
        said = reason(done.stderr)
        return self.explain(
            ProgramFailed(
                _("“{program}” ended with status {status}: {reason}").format(
                    program=CTL, status=done.status, reason=said or "-"
                ),
                detail=done.stderr,
            )
        )


def reason(said: str) -> str:
    """The line that says what went wrong, among those of its log."""
    lines = [line for line in said.splitlines() if line and not line.startswith("{")]
    return lines[-1].removeprefix("Error: ") if lines else said[-300:]
