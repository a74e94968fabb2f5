"""What processes that were killed while they wrote have left goes when the next job opens the folder."""

import pytest

from calm_pl.atomic_files import remove_unfinished, replacing


def test_only_unfinished_files_go(tmp_path):
    mine = ("results.json", "notes.part", "a.12345678.part.txt", "a.1234567.part")
    for name in mine:
        (tmp_path / name).write_text("kept")
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "page.html") as part:
        part.write_text("half")
        (tmp_path / f"{part.name}").rename(tmp_path / "page.html.0a1b2c3d.part")
        raise KeyboardInterrupt
    assert len(list(tmp_path.iterdir())) == len(mine) + 1
    remove_unfinished(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(mine)
    remove_unfinished(tmp_path / "absent")
