"""`table`: many runs, four formats."""

import pytest
from made_runs import make_run


@pytest.mark.parametrize(
    ("chosen", "told", "notes_in"),
    [
        ((), "zero-shot", "stdout"),
        (("--format", "markdown"), "| method | made, accuracy |", "stdout"),
        (("--format", "latex"), "\\toprule", "stdout"),
        (("--format", "csv"), 'model,method,"made, accuracy: %"', "stderr"),
        (("--detailed",), "Macro-F1", "stdout"),
    ],
)
def test_the_formats(call, tmp_path, chosen, told, notes_in):
    make_run(tmp_path / "a")
    result = call("table", "a", *chosen)
    assert result.returncode == 0, result.stderr
    assert told in result.stdout
    assert "60 query questions" not in result.stdout
    assert "24 query questions (a)" in getattr(result, notes_in)


def test_a_folder_that_is_no_run_is_named(call, tmp_path):
    make_run(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    result = call("table", "a", "empty")
    assert result.returncode == 1
    assert "empty: contains no finished run" in result.stderr
