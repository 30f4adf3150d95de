"""A child process: what it is given, who it becomes, and the errors of one that cannot begin."""

from __future__ import annotations

import io
import os
import pwd
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from haechi.errors import HaechiError, ProgramFailed, ProgramMissing
from haechi.i18n import _

BUFFER = 1 << 20
_NEEDED = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "TERM", "LANG", "LANGUAGE"}


def given(stdin: BinaryIO | int | None, piped: bool) -> tuple[BinaryIO | int, BinaryIO | None]:
    """What to give the child as its input, and what must be carried into it from here."""
    if stdin is None:
        return (subprocess.PIPE if piped else subprocess.DEVNULL), None
    if isinstance(stdin, int):
        return (subprocess.PIPE, open(stdin, "rb", closefd=False)) if piped else (stdin, None)
    is_file = isinstance(stdin, io.FileIO | io.BufferedReader) and isinstance(
        getattr(stdin, "raw", stdin), io.FileIO
    )
    return (stdin, None) if is_file and not piped else (subprocess.PIPE, stdin)


def spawn(
    argv: tuple[str, ...],
    stdin: BinaryIO | int,
    env: Mapping[str, str] | None,
    cwd: str | None,
    user: str | None,
    bare: bool,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=_environment(env, bare),
            cwd=cwd,
            start_new_session=True,
            **_identity(user),
        )
    except OSError as problem:
        if cwd is not None and problem.filename == cwd:
            raise HaechiError(
                _("{path}: {reason}").format(path=cwd, reason=problem.strerror or problem)
            ) from None
        if isinstance(problem, FileNotFoundError | PermissionError):
            raise ProgramMissing(
                _("The program “{program}” is not here.").format(program=argv[0]),
                hint=_("Install it, or say where it runs with `at` in the plan."),
            ) from None
        raise ProgramFailed(
            _("“{program}” cannot be run: {reason}.").format(program=argv[0], reason=problem.strerror)
        ) from None


def _environment(env: Mapping[str, str] | None, bare: bool) -> dict[str, str] | None:
    """What it finds: haechi's own and what it is given; `bare`, of haechi's own only what every program needs."""
    if not bare:
        return None if env is None else {**os.environ, **env}
    own = {name: value for name, value in os.environ.items() if name in _NEEDED or name.startswith("LC_")}
    return {**own, **(env or {})}


def _identity(user: str | None) -> dict[str, Any]:
    """What the child is to become before it runs. Only root may ask for another user than itself."""
    if user is None:
        return {}
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ProgramFailed(
            _("There is no user “{user}” on this host.").format(user=user),
            hint=_("Correct `user` in the plan."),
        ) from None
    if entry.pw_uid == os.geteuid():
        return {}
    if os.geteuid() != 0:
        raise ProgramFailed(
            _("Only root can run a program as “{user}” here.").format(user=user),
            hint=_("Run haechi as root or as that user, or leave `user` out of the plan."),
        )
    return {
        "user": entry.pw_uid,
        "group": entry.pw_gid,
        "extra_groups": os.getgrouplist(user, entry.pw_gid),
    }


def write(pipe: BinaryIO, data: bytes) -> bool:
    """Write it all; False when nobody reads any more. Why, is in the program's exit status."""
    try:
        view = memoryview(data)
        while view:
            view = view[pipe.write(view) :]
    except (BrokenPipeError, ValueError):
        return False
    return True


def widen(pipe: int) -> bool:
    """Ask for a megabyte of pipe, so that neither side waits for the other at every 64 kB; whether it was given."""
    import fcntl

    with suppress(OSError, AttributeError):
        return fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, BUFFER) >= BUFFER
    return False
