"""Stand-ins for mongodump, mongorestore and mongosh, which no registry here has: names, parameters, exit statuses,
refusals and the archive as MongoDB's own have them, written from the format's description and apart from our reader.

What they are asked for is kept in `argv.log` beside them, with the command lines of those who started them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import bson
from bson import json_util
from bson.raw_bson import RawBSONDocument
from fastcrc import crc64
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

NAMES = ("mongodump", "mongorestore", "mongosh")
_END = b"\xff\xff\xff\xff"
_RAW = bson.CodecOptions(document_class=RawBSONDocument)


def install(directory: Path, *names: str) -> Path:
    """Programs of these names (or all) in this directory."""
    directory.mkdir(exist_ok=True)
    for name in names or NAMES:
        path = directory / name
        root = Path(__file__).parents[2]
        path.write_text(
            f'#!/bin/sh\nPYTHONPATH={root} exec {sys.executable} -m {__name__} {name} {directory} "$@"\n'
        )
        path.chmod(0o755)
    return directory


def _say(text: str) -> None:
    print(f"2026-01-28T02:00:00.000+0900\t{text}", file=sys.stderr)


def _fail(text: str) -> NoReturn:
    _say(f"Failed: {text}")
    raise SystemExit(1)


def _client(given: argparse.Namespace) -> MongoClient[dict[str, Any]]:
    uri = given.uri or "mongodb://localhost:27017/?directConnection=true"
    if given.config:
        for line in Path(given.config).read_text().splitlines():
            key, _colon, value = line.partition(":")
            if key != "uri":
                _fail(f"error parsing config file: unknown field {key}")
            uri = json.loads(value)
    client: MongoClient[dict[str, Any]] = MongoClient(uri, serverSelectionTimeoutMS=1000)
    try:
        client.admin.command("listDatabases")
    except OperationFailure as problem:
        _fail(
            f"error connecting to the server: ({problem.details and problem.details['codeName']}) {problem}"
        )
    except PyMongoError as problem:
        _fail(f"can't create session: could not connect to server: server selection error: {problem}")
    return client


# -- mongodump ---------------------------------------------------------------------------------------------


def _header(db: str, collection: str, eof: bool, crc: int) -> bytes:
    signed = struct.unpack("<q", struct.pack("<Q", crc))[0]
    return bson.encode({"db": db, "collection": collection, "EOF": eof, "CRC": bson.Int64(signed)})


def mongodump(given: argparse.Namespace) -> None:
    if given.oplog and (given.db or given.collection):
        _fail("bad option: --oplog mode only supported on full dumps")
    client = _client(given)
    since = None
    if given.oplog:
        last = client.local["oplog.rs"].find_one(sort=[("$natural", -1)])
        if "setName" not in client.admin.command("hello") or not last:
            _fail("error getting oplog start: not a replica set member, no oplog found")
        since = last["ts"]
    names = (
        [given.db] if given.db else [n for n in client.list_database_names() if n not in ("local", "config")]
    )
    entries: list[tuple[dict[str, Any], Any]] = []
    for db in names:
        for told in client[db].list_collections():
            if told["name"].startswith("system.") or given.collection not in (None, told["name"]):
                continue
            indexes = (
                [] if told["type"] == "view" else [dict(i) for i in client[db][told["name"]].list_indexes()]
            )
            kind = "timeseries" if "timeseries" in told["options"] else told["type"]
            metadata = {
                "options": told["options"],
                "indexes": indexes,
                "collectionName": told["name"],
                "type": kind,
            }
            text = json_util.dumps(metadata, json_options=json_util.CANONICAL_JSON_OPTIONS)
            entry = {"db": db, "collection": told["name"], "metadata": text, "size": 0, "type": kind}
            source = None if kind == "view" else client[db].get_collection(told["name"], _RAW)
            entries.append((entry, source))
    if given.dumpDbUsersAndRoles or not given.db:
        for name in ("system.users", "system.roles", "system.version"):
            shown = ("$admin." if given.db else "") + name
            entry = {
                "db": given.db or "admin",
                "collection": shown,
                "metadata": "",
                "size": 0,
                "type": "collection",
            }
            entries.append((entry, client.admin.get_collection(name, _RAW)))
    out = sys.stdout.buffer
    version = client.server_info()["version"]
    head = {
        "concurrent_collections": 4,
        "version": "0.1",
        "server_version": version,
        "tool_version": "100.10.0",
    }
    prelude = [bson.encode(head), *(bson.encode(entry) for entry, _source in entries)]
    if since:
        prelude.append(bson.encode({"db": "", "collection": "oplog", "metadata": "", "size": 0, "type": ""}))
    out.write(b"\x6d\xe2\x99\x81" + b"".join(prelude) + _END)
    for entry, source in entries:
        batches = source.find_raw_batches(batch_size=50) if source is not None else ()
        _dump(out, entry["db"], entry["collection"], batches)
    if since:
        query = {"ts": {"$gte": since}}
        _dump(out, "", "oplog", client.local.get_collection("oplog.rs", _RAW).find_raw_batches(query))
    out.flush()


def _dump(out: BinaryIO, db: str, collection: str, batches: Any) -> None:
    _say(f"writing {db}.{collection} to archive on stdout")
    crc, begun = 0, False
    for batch in batches:
        out.write(_header(db, collection, False, 0) + batch + _END)
        crc, begun = crc64.xz(batch, crc), True
    if not begun:
        out.write(_header(db, collection, False, 0) + _END)
    out.write(_header(db, collection, True, crc) + _END)


# -- mongorestore ---------------------------------------------------------------------------------------------


def _blocks(stream: BinaryIO) -> Iterator[list[bytes]]:
    if stream.read(4) != b"\x6d\xe2\x99\x81":
        _fail("stream or file does not appear to be a mongodump archive")
    block: list[bytes] = []
    while size := stream.read(4):
        if size == _END:
            if not block:
                _fail("archive io error")
            yield block
            block = []
            continue
        body = stream.read(struct.unpack("<i", size)[0] - 4)
        if len(body) != struct.unpack("<i", size)[0] - 4:
            _fail("unexpected EOF")
        block.append(size + body)
    if block:
        _fail("unexpected EOF")


def mongorestore(given: argparse.Namespace) -> None:
    client = _client(given)
    if given.archive is None:
        _fail("mongorestore target 'dump' invalid: stat dump: no such file or directory")
    source = io.BytesIO(Path(given.archive).read_bytes()) if given.archive else sys.stdin.buffer
    blocks = _blocks(source)
    entries = {(e["db"], e["collection"]): e for e in map(bson.decode, next(blocks)[1:])}
    for (db, name), entry in entries.items():
        if db in ("", "admin") or name.startswith("$admin."):
            continue
        told = json_util.loads(entry["metadata"], json_options=json_util.CANONICAL_JSON_OPTIONS)
        if given.drop:
            client[db].drop_collection(name)
        client[db].command({"create": name, **told["options"]})
    sums: dict[tuple[str, str], int] = {}
    ended, done, failed = set(), 0, 0
    for head, *documents in blocks:
        header = bson.decode(head)
        key = (header["db"], header["collection"])
        if header["EOF"]:
            if struct.unpack("<Q", struct.pack("<q", header["CRC"]))[0] != sums.get(key, 0):
                _fail(f"corruption found in archive; {'.'.join(key)} has an invalid CRC")
            ended.add(key)
            continue
        sums[key] = crc64.xz(b"".join(documents), sums.get(key, 0))
        if key == ("", "oplog"):
            for entry in map(bson.decode, documents if given.oplogReplay else ()):
                _apply(client, entry)
        elif documents and key[0] != "admin" and not key[1].startswith("$admin."):
            try:
                client[key[0]][key[1]].insert_many(list(map(RawBSONDocument, documents)), ordered=False)
                done += len(documents)
            except PyMongoError as problem:
                failed += len(documents)
                if given.stopOnError:
                    _fail(f"{'.'.join(key)}: error restoring: {problem}")
    if missing := set(entries) - ended:
        _fail(f"archive finished before all collections were seen (`{'.'.join(missing.pop())}`)")
    for (db, name), entry in entries.items():
        indexes = json.loads(entry["metadata"] or "{}").get("indexes", ())
        told = json_util.loads(json.dumps(indexes), json_options=json_util.CANONICAL_JSON_OPTIONS)
        if wanted := [index for index in told if index["name"] != "_id_"]:
            client[db].command({"createIndexes": name, "indexes": wanted})
    _say(f"{done} document(s) restored successfully. {failed} document(s) failed to restore.")


def _apply(client: MongoClient[dict[str, Any]], entry: dict[str, Any]) -> None:
    db, _dot, name = entry["ns"].partition(".")
    if entry["op"] == "i" or (entry["op"] == "u" and "$v" not in entry["o"]):
        client[db][name].replace_one({"_id": entry["o"]["_id"]}, entry["o"], upsert=True)
    elif entry["op"] == "d":
        client[db][name].delete_one(entry["o"])
    elif "drop" in entry["o"]:
        client[db].drop_collection(entry["o"]["drop"])
    elif entry["op"] != "n":
        _fail(f"oplog application failed: {entry['op']}")


# -- mongosh ---------------------------------------------------------------------------------------------


def mongosh(given: argparse.Namespace) -> None:
    """It understands the one script that Haechi has for it."""
    assert "getSiblingDB(step.database).runCommand(step.command)" in given.eval
    client: MongoClient[dict[str, Any]] = MongoClient(os.environ["HAECHI_URI"], serverSelectionTimeoutMS=1000)
    options = json_util.CANONICAL_JSON_OPTIONS
    said = None
    try:
        for step in json_util.loads(os.environ["HAECHI_STEPS"], json_options=options):
            said = client[step["database"]].command(step["command"])
    except PyMongoError as problem:
        print(f"MongoServerError: {problem}", file=sys.stderr)
        raise SystemExit(1) from None
    print(json_util.dumps(said, json_options=options))


def main() -> None:
    name, directory, *given = sys.argv[1:]
    lines = [" ".join(given)]
    number = os.getppid()
    while number > 1:
        lines.append(Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode())
        number = int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
    with (Path(directory) / "argv.log").open("a") as log:
        log.write("\n".join([name, *lines]) + "\n")
    parser = argparse.ArgumentParser(prog=name, allow_abbrev=False)
    parser.add_argument("--archive", nargs="?", const="")
    for option in ("--uri", "--config", "--db", "--collection", "--eval"):
        parser.add_argument(option)
    for option in ("--oplog", "--dumpDbUsersAndRoles", "--drop", "--oplogReplay", "--stopOnError", "--quiet",
                   "--bypassDocumentValidation", "--norc", "--nodb"):  # fmt: skip
        parser.add_argument(option, action="store_true")
    options, unknown = parser.parse_known_args(given)
    if unknown:
        _say(f'error parsing command line options: unknown option "{unknown[0].lstrip("-")}"')
        raise SystemExit(1)
    {"mongodump": mongodump, "mongorestore": mongorestore, "mongosh": mongosh}[name](options)


if __name__ == "__main__":
    main()
