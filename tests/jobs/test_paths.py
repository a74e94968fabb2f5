"""Files of a command line."""

import pytest

from calm_pl.commands.predict import _files_before_flags
from calm_pl.errors import DataError
from calm_pl.jobs.paths import find_files


def test_folders_are_searched_without_what_systems_leave_behind(tmp_path):
    for name in ("b.wav", "a.MP3", "._b.wav", "in/c.flac", "in/._c.flac", "__MACOSX/._b.wav", "@eaDir/b.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    found = [path.relative_to(tmp_path).as_posix() for path in find_files([str(tmp_path)])]
    assert found == ["a.MP3", "b.wav", "in/c.flac"]


def test_a_folder_with_hidden_files_alone_holds_no_sound(tmp_path):
    (tmp_path / "._b.wav").write_bytes(b"x")
    with pytest.raises(DataError, match="no sound file"):
        list(find_files([str(tmp_path)]))


def test_files_whose_names_begin_with_a_dash_are_no_flags(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-gf_I2yQ.wav", "--PJHxphWEs.wav", "a.wav"):
        (tmp_path / name).write_bytes(b"x")
    given = [
        "--classifier",
        "c.safetensors",
        "--PJHxphWEs.wav",
        "-gf_I2yQ.wav",
        "a.wav",
        "--top",
        "3",
        "-x.wav",
    ]
    assert _files_before_flags(given) == [
        *("--classifier", "c.safetensors", "./--PJHxphWEs.wav", "./-gf_I2yQ.wav", "a.wav", "--top", "3"),
        "-x.wav",
    ]
    assert [str(path) for path in find_files(["./-gf_I2yQ.wav"])] == ["-gf_I2yQ.wav"]


def test_a_bank_in_the_place_of_a_file(call, small_job, tmp_path):
    (tmp_path / "file").write_text("mine")
    for place, told in (("file", "which is a file"), ("file/bank", "which is below the file")):
        result = call("fit-free", *small_job, f"bank.dir={tmp_path / place}")
        assert result.returncode == 1
        assert f"bank.dir is '{tmp_path / place}', {told}" in result.stderr
        assert not (tmp_path / "run").exists()
