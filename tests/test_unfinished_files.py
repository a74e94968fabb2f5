"""What processes that were killed while they wrote have left goes when the next job opens the folder."""

from calm_pl.atomic_files import remove_unfinished, replacing


def test_only_unfinished_files_go(tmp_path):
    mine = ("results.json", "notes.part", "a.12345678.part.txt", "a.1234567.part")
    for name in mine:
        (tmp_path / name).write_text("kept")
    with replacing(tmp_path / "page.html") as part:
        part.write_text("half")
        name = part.name
    (tmp_path / "page.html").rename(tmp_path / name)  # as SIGKILL leaves it
    assert len(list(tmp_path.iterdir())) == len(mine) + 1
    remove_unfinished(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(mine)
    remove_unfinished(tmp_path / "absent")
