"""The worked example of docs/design/archive-format.md, read by a second reader and by ours."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

from haechi.archive.manifest import decode
from haechi.events import SILENT
from tests.unit.archive.ground import ERP, local

PAGE = Path(__file__).parents[3] / "docs/design/archive-format.md"


def example() -> tuple[bytes, bytes]:
    text = PAGE.read_text()
    manifest, content = re.findall(r"```(?:json)?\n(.*?)```", text, re.DOTALL)[:2]
    return manifest.encode(), base64.b64decode(content)


def test_a_stranger_can_read_it_with_the_page_alone() -> None:
    manifest, data = example()
    (file,) = json.loads(manifest)["files"]
    assert hashlib.sha256(data).hexdigest() == file["sums"]["sha256"]
    assert len(data) == file["size"]
    texts = []
    for segment in file["segments"]:
        packed = data[segment["offset"] : segment["offset"] + segment["length"]]
        assert hashlib.sha256(packed).hexdigest() == segment["sha256"]
        texts.append(gzip.decompress(packed))
    assert texts == [b"CREATE ROLE app;\n", b"insert into orders values(1);\n"]
    assert gzip.decompress(data) == b"".join(texts)


def test_we_read_it_as_well(tmp_path: Path) -> None:
    manifest, data = example()
    described = decode(manifest, "x")
    for key in described.keys:
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / ".haechi/points").mkdir(parents=True)
    (tmp_path / described.key).write_bytes(manifest)
    archive = local(tmp_path)
    (point,) = archive.points("erp")
    assert archive.open_part(point, "shop.sql").read() == b"insert into orders values(1);\n"
    assert archive.verify(point, "all", SILENT)["files"] == 2


def test_we_write_what_the_page_says() -> None:
    manifest, _data = example()
    assert json.loads(decode(manifest, "x").encode()) == json.loads(manifest)
    assert json.loads(manifest)["layout"] == ERP
