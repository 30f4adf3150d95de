"""A stand-in for GitLab: its commands with their names, parameters, lines, exit statuses and refusals.

There is no GitLab to install here. These scripts keep the contract of `gitlab-backup`, `gitlab-rake` and `gitlab-ctl`
as GitLab's public source and documentation have it; what they back up are a few files instead of a database and
repositories. Everything lies below one directory, so that several of them can be on one host or in containers.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.unit.sources.elsewhere import Elsewhere

VERSION = "16.7.2-ee"

_RAKE = r"""#!/bin/sh
# usage: gitlab-rake TASK [VAR=value ...]
R=@ROOT@
B=$R/var/opt/gitlab/backups
D=$R/var/opt/gitlab/data
VERSION=$(cat "$R/opt/gitlab/embedded/service/gitlab-rails/VERSION")
COMPONENTS="repositories uploads builds artifacts pages lfs terraform_state registry packages ci_secure_files"
COMPONENTS="$COMPONENTS external_diffs"
task=$1; shift
echo "gitlab-rake $task $*" >>"$R/calls"
for pair; do
    case $pair in
        COMPRESS_CMD=*|DECOMPRESS_CMD=*) ;;
        *=*) export "$pair" ;;
    esac
done
stamp() { date -u '+%Y-%m-%d %H:%M:%S UTC'; }
say() { echo "$(stamp) -- $*"; }
in_list() { case ",$SKIP," in *",$1,"*) return 0 ;; esac; return 1; }
up() { [ -e "$R/run/$1" ]; }

lock() {
    mkdir -p "$B/tmp"
    pidfile=$B/tmp/backup_restore.pid
    if [ -s "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null; then
        echo "Backup and restore in progress:" >&2
        echo "  There is a backup and restore task in progress (PID $(cat "$pidfile"))." >&2
        echo "  Try to run the current task once the previous one ends." >&2
        exit 1
    fi
    echo $$ >"$pidfile"
    trap 'rm -f "$pidfile"' EXIT
}
unlock() { echo "Deleting backup and restore PID file at [$pidfile] ... done"; }
warn() {
    echo "Warning: Your gitlab.rb and gitlab-secrets.json files contain sensitive data"
    echo "and are not included in this backup. You will need these files to restore a backup."
    echo "Please back them up manually."
}

create() {
    lock
    now=$(date +%s)
    if [ -n "$BACKUP" ]; then id=$(basename "$BACKUP"); else id=${now}_$(date -d "@$now" +%Y_%m_%d)_$VERSION; fi
    status=0 members=
    say "Dumping database ... "
    if in_list db; then
        say "Dumping database ... [SKIPPED]"
    else
        echo "Dumping PostgreSQL database gitlabhq_production ... [DONE]"
        mkdir -p "$B/db" && gzip -cn "$D/db/database.sql" >"$B/db/database.sql.gz"
        say "Dumping database ... done"
        members="$members db"
    fi
    for part in $COMPONENTS; do
        say "Dumping $part ... "
        if in_list "$part"; then
            say "Dumping $part ... [SKIPPED]"
        elif [ ! -d "$D/$part" ]; then
            say "Dumping $part ... [DISABLED]"
        elif [ -e "$R/fails/$part" ] || { [ -e "$R/changing/$part" ] && [ "$STRATEGY" != copy ]; }; then
            if [ -e "$R/older" ]; then
                echo "Backup::FileBackupError: tar: ./file: file changed as we read it"
            else
                say "Dumping $part failed: Failed to create compressed file '$B/$part.tar.gz'"
                status=1
            fi
        else
            [ "$STRATEGY" = copy ] && mkdir -p "$B/tmp" && cp -a "$D/$part" "$B/tmp/" && rm -rf "$B/tmp/$part"
            if [ "$part" = repositories ]; then
                rm -rf "$B/repositories" && cp -a "$D/repositories" "$B/repositories"
                members="$members repositories"
            else
                tar -C "$D/$part" -cf - . | gzip -cn >"$B/$part.tar.gz"
                members="$members $part.tar.gz"
            fi
            say "Dumping $part ... done"
        fi
    done
    { echo ":db_version: '20240101000000'"; echo ":backup_created_at: $(stamp)"; echo ":gitlab_version: $VERSION"
      echo ":tar_version: tar (GNU tar) 1.34"; echo ":installation_type: omnibus-gitlab"; echo ":skipped: ${SKIP:-''}"
      echo ":repositories_storages: ''"; echo ":full_backup_id: $id"; echo ":backup_id: $id"
    } >"$B/backup_information.yml"
    name=${id}_gitlab_backup.tar
    if ! in_list tar; then
        if [ -e "$R/fails/tar" ] ||
            ! (cd "$B" && umask 077 && tar -cf "$name" backup_information.yml $members); then
            echo "creating archive ${id}_gitlab_backup.tar failed" >&2
            echo "rake aborted!" >&2
            echo "Backup::Error: Backup failed" >&2
            exit 1
        fi
        say "Creating backup archive: ${id}_gitlab_backup.tar ... "
        say "Creating backup archive: ${id}_gitlab_backup.tar ... done"
        say "Uploading backup archive to remote storage  ... [SKIPPED]"
        say "Deleting tar staging files ... "
        (cd "$B" && rm -rf backup_information.yml $members)
        say "Deleting tar staging files ... done"
    fi
    say "Deleting old backups ... [SKIPPED]"
    say "Deleting backups/tmp ... done"
    warn
    say "Backup $id is done."
    unlock
    exit $status
}

restore() {
    lock
    count=$(ls "$B"/*_gitlab_backup.tar 2>/dev/null | wc -l)
    if [ "$count" = 0 ]; then
        echo "No backups found in $B" >&2
        echo "Please make sure that file name ends with _gitlab_backup.tar" >&2
        exit 1
    elif [ "$count" -gt 1 ] && [ -z "$BACKUP" ]; then
        echo "Found more than one backup:" >&2
        ls "$B" | sed -n 's/_gitlab_backup.tar$//p' >&2
        echo "Please specify which one you want to restore: rake gitlab:backup:restore BACKUP=timestamp_of_backup" >&2
        exit 1
    fi
    file=$B/$(basename "${BACKUP:-x}")_gitlab_backup.tar
    [ -n "$BACKUP" ] || file=$(ls "$B"/*_gitlab_backup.tar)
    [ -r "$file" ] || { echo "The backup file $file does not exist!" >&2; exit 1; }
    say "Unpacking backup ... "
    W=$B/unpacked; rm -rf "$W"; mkdir -p "$W"
    trap 'rm -rf "$pidfile" "$W"' EXIT
    tar -C "$W" -xf "$file" || { echo "Unpacking backup failed" >&2; exit 1; }
    say "Unpacking backup ... done"
    made=$(sed -n 's/^:gitlab_version: //p' "$W/backup_information.yml")
    if [ "$made" != "$VERSION" ]; then
        echo "GitLab version mismatch:" >&2
        echo "  Your current GitLab version ($VERSION) differs from the GitLab version in the backup!" >&2
        echo "  Please switch to the following version and try again:" >&2
        echo "  version: $made" >&2
        exit 1
    fi
    if [ "$GITLAB_ASSUME_YES" != 1 ] && [ "$force" != yes ]; then
        echo "Be sure to stop Puma, Sidekiq, and any other process that connects to the database before proceeding."
        echo "Removing all tables. Press \`Ctrl-C\` within 5 seconds to abort"
        sleep 5
        printf 'Do you want to continue (yes/no)? '
        read -r answer
        [ "$answer" = yes ] || { echo "Quitting..."; exit 1; }
    fi
    if up puma || up sidekiq; then
        echo "PG::ObjectInUse: ERROR: database gitlabhq_production is being accessed by other users" >&2
        exit 1
    fi
    [ ! -e "$R/fails/restore" ] || { echo "rake aborted!" >&2; exit 1; }
    if [ -d "$W/db" ]; then
        say "Restoring database ... "
        gzip -dc "$W/db/database.sql.gz" >"$D/db/database.sql"
        say "Restoring database ... done"
    fi
    for part in $COMPONENTS; do
        if [ "$part" = repositories ] && [ -d "$W/repositories" ]; then
            rm -rf "$D/repositories" && cp -a "$W/repositories" "$D/repositories"
        elif [ -e "$W/$part.tar.gz" ]; then
            rm -rf "$D/$part" && mkdir -p "$D/$part" && gzip -dc "$W/$part.tar.gz" | tar -C "$D/$part" -xf -
        fi
    done
    rm -rf "$W"
    warn
    say "Restore task is done."
    unlock
}

case $task in
gitlab:backup:create) create ;;
gitlab:backup:restore) restore ;;
gitlab:check)
    echo "Checking GitLab subtasks ..."
    for name in puma sidekiq; do
        up $name && echo "Running? ... yes" || echo "Running? ... no"
    done
    echo "Checking GitLab subtasks ... Finished" ;;
gitlab:doctor:secrets)
    failures=0
    sealed=$(sed -n 's/^-- sealed with //p' "$D/db/database.sql")
    [ "$sealed" = "$(sha256sum <"$R/etc/gitlab/gitlab-secrets.json")" ] || failures=3
    echo "I, [2026-01-01T00:00:00 #1]  INFO -- : Checking encrypted values in the database"
    echo "I, [2026-01-01T00:00:00 #1]  INFO -- : - ApplicationSetting failures: 0"
    echo "I, [2026-01-01T00:00:00 #1]  INFO -- : - User failures: $failures"
    echo "I, [2026-01-01T00:00:00 #1]  INFO -- : Done!" ;;
gitlab:artifacts:check|gitlab:lfs:check|gitlab:uploads:check) echo "Done!" ;;
*) echo "Don't know how to build task '$task'" >&2; exit 1 ;;
esac
"""

_BACKUP = r"""#!/bin/sh
# usage: gitlab-backup create|restore [VAR=value ...]
verb=$1; shift
case $verb in
create|restore) exec "${0%/*}/gitlab-rake" "gitlab:backup:$verb" "$@" ;;
*) echo "Usage: gitlab-backup create|restore" >&2; exit 1 ;;
esac
"""

_CTL = r"""#!/bin/sh
R=@ROOT@
echo "gitlab-ctl $*" >>"$R/calls"
all="gitaly postgresql puma redis sidekiq"
case $1 in
stop)
    for name in ${2:-$all}; do
        [ -e "$R/fails/stop" ] || rm -f "$R/run/$name"
        echo "ok: down: $name: 0s, normally up"
    done ;;
start) for name in ${2:-$all}; do : >"$R/run/$name"; echo "ok: run: $name: (pid 1) 0s"; done ;;
status)
    rc=0
    for name in $all; do
        if [ -e "$R/run/$name" ]; then echo "run: $name: (pid 1) 10s; run: log: (pid 2) 10s"
        else echo "down: $name: 3s, normally up; run: log: (pid 2) 10s"; rc=6; fi
    done
    exit $rc ;;
reconfigure)
    [ ! -e "$R/fails/reconfigure" ] || { echo "There was an error running gitlab-ctl reconfigure" >&2; exit 1; }
    echo "gitlab Reconfigured!" ;;
esac
"""


@dataclass
class GitLab:
    """One installation below `root`."""

    root: Path
    version: str = VERSION
    commands: tuple[str, ...] = ("gitlab-backup", "gitlab-rake", "gitlab-ctl")
    seen_as: str = ""  # the root, as the scripts see it

    def __post_init__(self) -> None:
        seen = self.seen_as or str(self.root)
        self.bin.mkdir(parents=True)
        for name, text in {"gitlab-rake": _RAKE, "gitlab-backup": _BACKUP, "gitlab-ctl": _CTL}.items():
            if name in self.commands:
                (self.bin / name).write_text(text.replace("@ROOT@", seen))
                (self.bin / name).chmod(0o755)
        for path in ("etc/gitlab", "var/opt/gitlab/backups", "opt/gitlab/embedded/service/gitlab-rails", "run",
                     "fails", "changing"):  # fmt: skip
            (self.root / path).mkdir(parents=True)
        (self.rails / "VERSION").write_text(f"{self.version}\n")
        (self.root / "etc/gitlab/gitlab.rb").write_text("external_url 'https://git.example.com'\n")
        (self.root / "etc/gitlab/gitlab-secrets.json").write_text(f'{{"db_key_base": "{random.random()}"}}\n')
        for service in ("gitaly", "postgresql", "puma", "redis", "sidekiq"):
            (self.root / "run" / service).touch()
        self.fill(1)

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def rails(self) -> Path:
        return self.root / "opt/gitlab/embedded/service/gitlab-rails"

    @property
    def backups(self) -> Path:
        return self.root / "var/opt/gitlab/backups"

    @property
    def data(self) -> Path:
        return self.root / "var/opt/gitlab/data"

    @property
    def place(self) -> Elsewhere:
        return Elsewhere(f"{self.bin}:{os.environ['PATH']}")

    def options(self, **others: object) -> dict[str, object]:
        """What a plan must say of an installation that does not lie where packages put it."""
        seen = self.seen_as or str(self.root)
        return {
            "backups": f"{seen}/var/opt/gitlab/backups",
            "rails": f"{seen}/opt/gitlab/embedded/service/gitlab-rails",
            "files": [f"{seen}/etc/gitlab/gitlab-secrets.json", f"{seen}/etc/gitlab/gitlab.rb"],
            **others,
        }

    def fill(self, amount: int) -> None:
        """So many MiB, sealed with today's secrets."""
        shutil.rmtree(self.data, ignore_errors=True)
        chance = random.Random(amount)
        secrets = hashlib.sha256((self.root / "etc/gitlab/gitlab-secrets.json").read_bytes()).hexdigest()
        (self.data / "db").mkdir(parents=True)
        (self.data / "db/database.sql").write_text(
            f"-- sealed with {secrets}  -\n" + "".join(f"insert {chance.random()};\n" for _ in range(500))
        )
        for unit in range(amount):
            project = self.data / f"repositories/@hashed/{unit:02x}/한글 project.git"
            project.mkdir(parents=True)
            (project / "pack").write_bytes(chance.randbytes(1 << 20))
        for part in ("uploads", "lfs", "artifacts"):
            (self.data / part).mkdir()
            (self.data / part / "file").write_bytes(chance.randbytes(1000 * amount))

    def contents(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for top in (self.data, self.root / "etc/gitlab")
            for path in top.rglob("*")
            if path.is_file()
        }

    def calls(self) -> list[str]:
        log = self.root / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def running(self) -> set[str]:
        return {path.name for path in (self.root / "run").iterdir()}
