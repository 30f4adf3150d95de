"""What a shell is told at the other end: to run the program in such a way that it can be ended from here.

Lines that begin with a token of this run, on standard error, are for us:

    TOKEN pid N       the shell leads a process group of this number; the program is in it
    TOKEN missing     there is no such program
    TOKEN end N       the program ended with this status; a client that ends well without this line has lost it

Standard input begins with the environment, so that it is in nobody's argv: for each variable its name, how many
further lines its value has, and the value; then a line with a dot. What follows belongs to the program (`fed`), or
nothing follows and the pipe is a leash (`held`): when it closes, because whoever held it died, the group ends.

Only what every POSIX shell has built in is used, but for `sleep`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

RUN = r"""
token=$1 mode=$2 leash=
shift 2
say() { printf '\n%s %s\n' "$token" "$*" >&2; }
trap : TERM
say pid $$
while IFS= read -r name && [ "$name" != . ]; do
    IFS= read -r more
    IFS= read -r value
    while [ "$more" -gt 0 ]; do
        IFS= read -r line
        value="$value
$line"
        more=$((more - 1))
    done
    export "$name=$value"
done
[ "$name" = . ] || exit 126
if ! command -v "$1" >/dev/null 2>&1; then
    say missing
    exit 127
fi
if [ "$mode" = fed ]; then
    "$@"
else
    exec 3<&0
    { while read -r line; do :; done; trap '' TERM; kill -TERM 0; sleep 5; kill -KILL 0; } <&3 >/dev/null 2>&1 3<&- &
    leash=$!
    "$@" </dev/null 3<&-
fi
status=$?
say end $status
exec 2>/dev/null
# Fetched here and by nobody else: a database that is the container's first process inherits whoever is left over,
# and takes one that was killed for a crash of its own.
[ -z "$leash" ] || { kill -KILL $leash; wait $leash; }
exit $status
"""

# The group's number is looked up, because sudo may have made another one. Those who are dead but not yet fetched
# by their parent do not count as alive.
END = r"""
pid=$1 group=$1
if read -r line 2>/dev/null </proc/$pid/stat; then
    set -- ${line##*) }
    group=$3
fi
alive() {
    for file in /proc/[0-9]*/stat; do
        if read -r line 2>/dev/null <"$file"; then
            set -- ${line##*) }
            [ "$3" = "$group" ] && [ "$1" != Z ] && return 0
        fi
    done
    return 1
}
kill -s TERM -- "-$group" 2>/dev/null || kill -TERM "$pid" 2>/dev/null
left=50
while [ $left -gt 0 ] && alive; do
    sleep 0.1 2>/dev/null || sleep 1
    left=$((left - 1))
done
kill -s KILL -- "-$group" 2>/dev/null
exit 0
"""

HAS = 'command -v "$1" >/dev/null 2>&1'


def run_command(token: str, argv: Sequence[str], *, fed: bool) -> list[str]:
    return ["sh", "-c", RUN, "haechi", token, "fed" if fed else "held", *argv]


def end_command(pid: int) -> list[str]:
    return ["sh", "-c", END, "haechi", str(pid)]


def has_command(program: str) -> list[str]:
    return ["sh", "-c", HAS, "haechi", program]


def prologue(env: Mapping[str, str]) -> bytes:
    """The environment, as RUN reads it."""
    lines: list[str] = []
    for name, value in env.items():
        lines += [name, str(value.count("\n")), value]
    return ("\n".join([*lines, "."]) + "\n").encode("utf-8", "surrogateescape")
