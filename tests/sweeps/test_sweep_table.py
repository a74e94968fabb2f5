"""The table on disk: whole rows survive whatever ends the job."""

import csv

import pytest

from calm_pl.errors import RunError
from calm_pl.sweeps import table as module
from calm_pl.sweeps.table import SweepTable, columns


def row(n, **more):
    base = dict.fromkeys(columns()) | {
        "case": "",
        "fold": "",
        "method": "calm",
        "chosen": "grid",
        "hash": f"h{n}",
    }
    return base | {"draw": n, "tau_p": 0.1 + n, "accuracy": 1 / 3, "n": 60, "score": "cosine"} | more


def test_rows_come_back_as_they_were(tmp_path):
    rows = [row(0), row(1, case='odd, "quoted"', fold="5", map=None), row(2, shots=3, shrinkage=0.0)]
    SweepTable(tmp_path).append(rows[:1])
    SweepTable(tmp_path).append(rows[1:])
    assert list(SweepTable(tmp_path).known().values()) == rows
    with (tmp_path / "sweep.csv").open(newline="") as file:
        assert next(csv.reader(file)) == list(columns())


def test_a_file_cut_off_anywhere_keeps_its_whole_rows_and_takes_more(tmp_path):
    SweepTable(tmp_path).append([row(0), row(1)])
    whole = (tmp_path / "sweep.csv").read_bytes()
    ends = [n for n, byte in enumerate(whole) if byte == 10]  # of the header and two rows
    for size in range(len(whole)):
        (tmp_path / "sweep.csv").write_bytes(whole[:size])
        table = SweepTable(tmp_path)
        kept = max(0, sum(end < size for end in ends) - 1)
        assert list(table.known().values()) == [row(0), row(1)][:kept], size
        table.append([row(7)])
        assert list(SweepTable(tmp_path).known().values()) == [*[row(0), row(1)][:kept], row(7)], size


def test_a_file_of_someone_else_is_left_alone(tmp_path):
    (tmp_path / "sweep.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RunError, match="other columns"):
        SweepTable(tmp_path).known()
    assert (tmp_path / "sweep.csv").read_text() == "a,b\n1,2\n"


def test_the_finished_table_is_csv_and_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [row(1), row(0, eer=0.25, case="x")]
    paths = SweepTable(tmp_path).finish(rows)
    assert [path.name for path in paths] == ["sweep.csv", "sweep.parquet"]
    assert parquet.read_table(tmp_path / "sweep.parquet").to_pylist() == rows
    assert list(SweepTable(tmp_path).known().values()) == rows


def test_without_pyarrow_csv_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "can_write_parquet", lambda: False)
    (tmp_path / "sweep.parquet").write_bytes(b"of an earlier sweep")
    assert [path.name for path in SweepTable(tmp_path).finish([row(0)])] == ["sweep.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sweep.csv"]
