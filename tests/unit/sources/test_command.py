"""Any program: kept as it writes, brought back as it reads."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from haechi.errors import AlreadyThere, ProgramFailed, ProgramMissing, UsageMistake
from haechi.places.local import LocalPlace
from haechi.sources.command import Command, Options
from tests.unit.sources.ground import Installation, install

DUMP = "import os; os.write(1, b'x' * 300_000); print(os.environ['SHOP_TOKEN'])"


def installation(root: Path, **options: object) -> Installation:
    given = {
        "dump": (sys.executable, "-c", DUMP),
        "env": {"SHOP_TOKEN": "s3cret"},
        "part": "shop.txt",
        **options,
    }
    source = Command("it", Options.model_validate(given), LocalPlace())
    return install(root / "ground", "command", source, "{service}/{part}_{time:%Y%m%d_%H%M%S}.gz")


def test_what_it_writes_is_what_its_counterpart_reads(tmp_path: Path) -> None:
    came = tmp_path / "came"
    load = (sys.executable, "-c", f"import sys; open({str(came)!r}, 'wb').write(sys.stdin.buffer.read())")
    ground = installation(tmp_path, load=load)
    point = ground.back_up()
    whole = b"x" * 300_000 + b"s3cret\n"
    assert point.facts == {"size": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    for copy in ("vault.main", "archive.nas"):
        came.unlink(missing_ok=True)
        brought = ground.restore(copy, in_place=True)
        assert brought.restored.equal
        assert len(brought.restored.comparisons) == 2
        assert came.read_bytes() == whole
        assert brought.safety is not None


def test_unasked_nothing_goes_over_what_is_there(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    load = (sys.executable, "-c", f"open({str(touched)!r}, 'w')")
    ground = installation(tmp_path, load=load)
    ground.back_up()
    with pytest.raises(UsageMistake, match="over what is there"):
        ground.restore()
    assert not touched.exists()


def test_without_a_counterpart_it_comes_back_as_a_file(tmp_path: Path) -> None:
    ground = installation(tmp_path)
    ground.back_up()
    with pytest.raises(UsageMistake, match="no program"):
        ground.restore()
    file = tmp_path / "back.txt"
    assert ground.restore(target={"file": str(file)}).restored.equal
    assert file.read_bytes().endswith(b"s3cret\n")
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(b"mine")
    with pytest.raises(AlreadyThere):
        ground.restore(target={"file": str(file)})
    assert file.read_bytes() == b"mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["back.txt", "ground"]


def test_a_program_that_fails_at_its_end_leaves_no_point(tmp_path: Path) -> None:
    code = "import sys; print('half'); sys.exit('the disk is on fire')"
    ground = installation(tmp_path, dump=(sys.executable, "-c", code))
    with pytest.raises(ProgramFailed, match="the disk is on fire"):
        ground.back_up()
    assert not ground.vault.points()
    assert not ground.archive.points()


def test_a_counterpart_that_fails_is_told(tmp_path: Path) -> None:
    ground = installation(tmp_path, load=(sys.executable, "-c", "import sys; sys.exit('no room')"))
    ground.back_up()
    with pytest.raises(ProgramFailed, match="no room"):
        ground.restore(in_place=True)


def test_a_counterpart_that_talks_much_does_not_stand_still(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.write('y' * 3_000_000); sys.stdin.buffer.read()"
    ground = installation(tmp_path, load=(sys.executable, "-c", code), load_beside=True)
    ground.back_up()
    assert ground.restore().restored.equal


def test_a_line_is_cut_as_a_shell_would_and_given_to_none(tmp_path: Path) -> None:
    options = Options.model_validate({"dump": "tool --name 'two words' $HOME;ls"})
    assert options.dump == ("tool", "--name", "two words", "$HOME;ls")
    wrong: object
    for wrong in ("", "  ", "tool 'open", []):
        with pytest.raises(ValidationError):
            Options.model_validate({"dump": wrong})
    with pytest.raises(ProgramMissing):
        Command("it", Options.model_validate({"dump": "no-such-program-here"}), LocalPlace()).probe()


def test_the_secret_is_shown_nowhere(tmp_path: Path) -> None:
    ground = installation(tmp_path)
    assert "s3cret" not in repr(ground.service.source.options)  # type: ignore[attr-defined]
    assert "s3cret" not in str(ground.service.source.options.model_dump(mode="json"))  # type: ignore[attr-defined]
