"""An image that begins as the official ones of PostgreSQL do, made from this system's own PostgreSQL 15."""

from __future__ import annotations

import io
import secrets
import tarfile
from pathlib import Path

from tests.servers import demand, images, program
from tests.servers.docker import Docker

NAME = "haechi-test-postgres:15-alpine"
_HOME = Path("/usr/lib/postgresql/15")
_PROGRAMS = ("postgres", "initdb", "psql", "pg_dump", "pg_restore", "pg_ctl", "pg_amcheck", "pg_isready")
_EXTENSIONS = ("plpgsql", "amcheck")

# As the official one: makes a cluster, runs a server for itself to set it up, and only then the one that stays.
_ENTRY = b"""#!/bin/sh
set -e
data=/var/lib/postgresql/data
if [ "$1" = postgres ] && [ "$(id -u)" = 0 ]; then
  mkdir -p $data /var/run/postgresql /tmp
  chown -R postgres $data /var/run/postgresql
  chmod 700 $data
  exec /sbin/setpriv --reuid=postgres --clear-groups "$0" "$@"
fi
if [ "$1" = postgres ] && [ ! -s $data/PG_VERSION ]; then
  echo "The files belonging to this database system will be owned by $(id -un)."
  initdb -D $data --username="$POSTGRES_USER" --auth=$POSTGRES_HOST_AUTH_METHOD --no-sync -E UTF8
  pg_ctl -D $data -o "-c listen_addresses='' -c fsync=off" -w start
  sleep 0.3
  pg_ctl -D $data -m fast -w stop
fi
[ "$1" != postgres ] || set -- "$@" -D $data
exec "$@"
"""


def postgres(docker: Docker) -> str:
    """Its name; made when it is first asked for."""
    if not docker("image", "ls", "--quiet", NAME):
        demand("PostgreSQL 15", (_HOME / "bin/initdb").exists(), "apt-get install postgresql-15")
        _import(docker)
    return NAME


def _import(docker: Docker) -> None:
    archive = docker.directory / f"made-{secrets.token_hex(4)}.tar"
    with tarfile.open(archive, "w") as tar:
        for directory in ("bin", "proc", "sys", "dev", "tmp", "etc", "var/run/postgresql"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if directory == "tmp" else 0o755
            tar.addfile(entry)
        _text(tar, "etc/passwd", b"root:x:0:0::/:/bin/sh\npostgres:x:70:70::/var/lib/postgresql:/bin/sh\n")
        _text(tar, "etc/group", b"root:x:0:\npostgres:x:70:\n")
        _text(tar, "bin/docker-entrypoint.sh", _ENTRY)
        busybox = program("busybox", "apt-get install busybox-static")
        tar.add(Path(busybox).resolve(), "bin/busybox")
        for name in ("sh", "mkdir", "chown", "chmod", "id", "sleep", "cat", "rm", "mktemp", "df", "ls", "env",
                     "mkfifo", "kill", "tail", "head", "awk", "test", "stty", "printf", "dirname", "tr"):  # fmt: skip
            _link(tar, f"bin/{name}", "busybox")
        files = [
            Path(program("setpriv", "apt-get install util-linux")),
            *(_HOME / "bin" / p for p in _PROGRAMS),
        ]
        files += [
            _HOME / "lib" / f"{name}.so" for name in (*_EXTENSIONS, "dict_snowball", "utf8_and_cyrillic")
        ]
        for path in files:
            real = path.resolve()
            tar.add(real, f"sbin/{path.name}" if path.name == "setpriv" else str(path).lstrip("/"))
            for library in images._libraries(real):
                if library.lstrip("/") not in tar.getnames():
                    tar.add(Path(library).resolve(), library.lstrip("/"))
        for directory in (
            "/usr/lib/locale/C.utf8",
            "/usr/share/postgresql/15",
            "/usr/share/zoneinfo/Etc",
            "/usr/share/zoneinfo/Asia",
        ):
            tar.add(directory, directory.lstrip("/"))
        for name in ("UTC", "GMT"):
            tar.add(Path("/usr/share/zoneinfo", name).resolve(), f"usr/share/zoneinfo/{name}")
    docker(
        "import",
        f"--change=ENV PATH={_HOME}/bin:/bin",
        '--change=ENTRYPOINT ["docker-entrypoint.sh"]',
        '--change=CMD ["postgres"]',
        "--change=VOLUME /var/lib/postgresql/data",
        str(archive),
        NAME,
    )
    archive.unlink()


def _text(tar: tarfile.TarFile, name: str, text: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text), 0o755
    tar.addfile(entry, io.BytesIO(text))


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)
