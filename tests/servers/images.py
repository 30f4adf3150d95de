"""Images for tests, made from this system's own files: one with BusyBox alone, one with GNU tar."""

from __future__ import annotations

import io
import secrets
import subprocess
import tarfile
from pathlib import Path

from tests.servers import program
from tests.servers.docker import Docker

BUSYBOX = "haechi-test:busybox"
GNU = "haechi-test:gnu"


def busybox(docker: Docker) -> str:
    """Nothing but BusyBox, as many small images are."""
    if not docker("image", "ls", "--quiet", BUSYBOX):
        binary = program("busybox", "apt-get install busybox-static")
        names = subprocess.run([binary, "--list"], check=True, capture_output=True, text=True).stdout.split()
        _import(docker, BUSYBOX, [binary], {f"bin/{name}": "busybox" for name in names if name != "busybox"})
    return BUSYBOX


def gnu(docker: Docker) -> str:
    """GNU tar and the programs around it, without BusyBox."""
    if not docker("image", "ls", "--quiet", GNU):
        wanted = ("sh", "tar", "find", "cat", "mv", "rm", "mkdir", "rmdir", "readlink", "du", "df", "dirname",
                  "chmod", "chown", "sync", "sleep", "sha256sum", "ls", "setfattr", "touch", "stat")  # fmt: skip
        _import(docker, GNU, [program(name, "apt-get install attr") for name in wanted], {})
    return GNU


def _import(docker: Docker, image: str, programs: list[str], links: dict[str, str]) -> None:
    archive = docker.directory / f"made-{secrets.token_hex(4)}.tar"
    with tarfile.open(archive, "w") as tar:
        for directory in ("bin", "proc", "sys", "dev", "tmp", "etc"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        users = b"root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"
        entry = tarfile.TarInfo("etc/passwd")
        entry.size = len(users)
        tar.addfile(entry, io.BytesIO(users))
        for path in programs:
            real = Path(path).resolve()
            tar.add(real, f"bin/{Path(path).name}")
            for library in _libraries(real):
                if library.lstrip("/") not in tar.getnames():
                    tar.add(Path(library).resolve(), library.lstrip("/"))
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    docker("import", "--change=ENV PATH=/bin", str(archive), image)
    archive.unlink()


def _libraries(path: Path) -> list[str]:
    said = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    return [word for line in said.splitlines() for word in line.split() if word.startswith("/")]
