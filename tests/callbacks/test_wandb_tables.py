"""What reaches Weights & Biases offline, read back from the run's own file."""

import json

import pytest
from wandb.proto.wandb_internal_pb2 import Record

_BLOCK = 32_768
_HEADER = 7


def offline_records(path):
    """Records of an offline run: LevelDB's log format after a file header of seven bytes."""
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    position, parts = _HEADER, []
    while position + _HEADER <= len(data):
        if _BLOCK - position % _BLOCK < _HEADER:  # a block's end too short for a header is padding
            position += _BLOCK - position % _BLOCK
            continue
        length = int.from_bytes(data[position + 4 : position + 6], "little")
        kind = data[position + 6]  # 1 whole, 2 first, 3 middle, 4 last
        parts.append(data[position + _HEADER : position + _HEADER + length])
        position += _HEADER + length
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(b"".join(parts))
            parts = []
            yield record


@pytest.fixture(scope="module")
def run(tmp_path_factory, esc_root, tiny_folder):
    import subprocess
    import sys

    from conftest import REPO, outside

    folder = tmp_path_factory.mktemp("wandb")
    settings = ("data.benchmark=esc50", f"data.root={esc_root}", f"model.path={tiny_folder}", "data.shots=4")
    rest = ("data.n_options=3", "trainer.accelerator=cpu", "trainer.devices=2", "wandb.tags=[a,b]")
    command = [sys.executable, REPO / "launch.py", "fit-free", *settings, *rest, "run.dir=run"]
    subprocess.run(command, cwd=folder, check=True, timeout=240, capture_output=True, env=outside())
    return folder / "run"


def test_one_run_a_job_on_rank_0(run):
    assert len(list(run.glob("wandb/offline-run-*/*.wandb"))) == 1


def test_metrics_configuration_and_tables_are_in_the_file(run):
    (path,) = run.glob("wandb/offline-run-*/*.wandb")
    history, config, files, tags = {}, {}, [], []
    for record in offline_records(path):
        for item in record.history.item:
            history[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
        for source in (record.config, record.run.config):
            for item in source.update:
                config[item.key] = json.loads(item.value_json)
        files += [item.path for item in record.files.files]
        tags += record.run.tags
    results = json.loads((run / "results.json").read_text())["methods"]
    for method, scores in results.items():
        for metric in ("accuracy", "macro_f1", "exact_match"):
            assert history[f"test/{method}/{metric}"] == pytest.approx(scores[metric], abs=1e-6)
        assert history[f"test/{method}/confusion._type"] == "table-file"
    assert history["test/predictions.nrows"] == 9
    assert config["data"]["shots"] == 4
    assert config["voter"]["tau_p"] == 0.03
    assert sorted(tags) == ["a", "b"]


def test_the_tables_hold_what_the_run_folder_holds(run):
    (table,) = run.glob("wandb/offline-run-*/files/media/table/test/predictions*.json")
    content = json.loads(table.read_text())
    assert content["columns"][:5] == ["clip", "fold", "draw", "label", "options"]
    assert len(content["data"]) == 9
    (confusion,) = run.glob("wandb/offline-run-*/files/media/table/test/calm/confusion*.json")
    assert sum(row[2] for row in json.loads(confusion.read_text())["data"]) == 9
