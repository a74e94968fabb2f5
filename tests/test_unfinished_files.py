"""What processes that were killed while they wrote have left goes when the next job opens the folder."""

from calm_pl.atomic_files import remove_unfinished, replacing
from calm_pl.jobs.record import JobRecord


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


def test_a_job_removes_them_from_its_folder_and_its_figures(tmp_path):
    left = [tmp_path / "page.html.0a1b2c3d.part", tmp_path / "figures" / "a.svg.0a1b2c3d.part"]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    record = JobRecord(tmp_path, "esc50", "m", "", "0")
    record.claim(overwrite=False)
    record.close()
    assert [path.exists() for path in left] == [False, False]
