"""A job that is refused leaves no run folder behind."""

import pytest

from calm_pl.jobs.record import JobRecord


@pytest.mark.parametrize("lock", [True, False])
def test_a_folder_goes_with_the_job_that_made_it_and_wrote_nothing(tmp_path, lock):
    record = JobRecord(tmp_path / "runs" / "new", "esc50", "model", "", "hash")
    for written in (False, True):
        record.claim(overwrite=False, lock=lock)
        assert record.run_dir.is_dir()
        if written:
            (record.run_dir / "config.yaml").write_text("")
        record.close()
        assert record.run_dir.exists() == written
    assert [path.name for path in record.run_dir.iterdir()] == ["config.yaml"]


def test_a_folder_that_was_there_stays(tmp_path):
    record = JobRecord(tmp_path, "esc50", "model", "", "hash")
    record.claim(overwrite=False)
    record.close()
    assert tmp_path.is_dir()
