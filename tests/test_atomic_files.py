"""Files appear whole or not at all."""

import pytest

from calm_pl.atomic_files import replacing


def test_the_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "deep" / "file.txt"
    with replacing(target) as part:
        part.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_a_failure_keeps_the_old_file(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")

    def spoil():
        with replacing(target) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spoil()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
