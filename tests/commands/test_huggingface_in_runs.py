"""A folder of sound as `datasets` reads it, from the shipped configuration to predictions."""

import csv

import pytest


def test_a_local_folder_is_evaluated(tmp_path, call, small_job, esc_root, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="the extra calm_pl[datasets] is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    for source in (esc_root / "audio").iterdir():
        split = "test" if source.name[0] == "1" else "train"
        path = tmp_path / "repo" / split / source.stem.split("-")[-1] / source.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read_bytes())
    job = [one for one in small_job if not one.startswith(("data.benchmark", "data.root"))]
    ended = call("fit-free", "--config", "huggingface.yaml", *job, f"data.root={tmp_path / 'repo'}")
    assert ended.returncode == 0, ended.stderr
    with (tmp_path / "run" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["clip"] for row in rows} == {
        path.relative_to(tmp_path / "repo").as_posix() for path in (tmp_path / "repo/test").rglob("*.wav")
    }
    assert all(row["label"] == row["clip"].split("/")[1] for row in rows)
