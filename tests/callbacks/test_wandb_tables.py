"""What reaches Weights & Biases offline, read back from the run's own file."""

import json
from pathlib import Path

import pytest
from conftest import command_line
from wandb_files import read_back

METHODS = ("zero_shot", "sav", "calm_global", "calm")


@pytest.fixture(scope="module")
def run(tmp_path_factory, esc_root, tiny_folder):
    """A job on two ranks, with two draws and sound."""
    folder = tmp_path_factory.mktemp("wandb")
    settings = ("data.benchmark=esc50", f"data.root={esc_root}", f"model.path={tiny_folder}", "data.shots=4")
    rest = ("data.n_options=3", "trainer.accelerator=cpu", "trainer.devices=2", "data.draws=2")
    wandb = (
        "wandb.tags=[a,b]",
        "wandb.group=shots",
        "wandb.name=four",
        "wandb.entity=team",
        "wandb.audio_clips=4",
    )
    command_line(folder, "fit-free", *settings, *rest, *wandb, "run.dir=run")
    return folder / "run"


@pytest.fixture(scope="module")
def sent(run):
    return read_back(run)


def test_one_run_a_job_on_rank_0(run):
    assert len(list(run.glob("wandb/offline-run-*/*.wandb"))) == 1


def test_its_name_group_and_tags(sent):
    assert (sent.run.display_name, sent.run.run_group, sent.run.entity) == ("four", "shots", "team")
    assert sorted(sent.run.tags) == ["4 shots", "a", "b", "esc50", "tiny"]
    assert sent.run.job_type == "fit-free"
    assert sent.config["data"]["shots"] == 4
    assert sent.config["voter"]["tau_p"] == 0.03


def test_metrics_intervals_and_counts_are_columns(run, sent):
    results = json.loads((run / "results.json").read_text())
    for method, scores in results["methods"].items():
        for metric in ("accuracy", "macro_f1"):
            assert sent.summary[f"test/{method}/{metric}"] == pytest.approx(scores[metric], abs=1e-6)
            ends = [sent.summary[f"test/{method}/{metric}_{end}"] for end in ("low", "high")]
            assert ends == pytest.approx(scores["ci95"][metric])
    assert sent.summary["data/n_query"] == 9
    # Of a task whose clips have one label it would be the accuracy again.
    assert not [name for name in sent.summary if "exact_match" in name]
    assert sent.summary["config_hash"] == results["config_hash"]
    assert sent.metrics["epoch"].options.hidden
    assert sent.metrics["trainer/global_step"].options.hidden


def test_each_draw_is_a_step_of_its_own(run, sent):
    results = json.loads((run / "results.json").read_text())["methods"]
    steps = [one for one in sent.history if "round" in one]
    assert [one["round"] for one in steps] == [0, 1]
    for number, step in enumerate(steps):
        for method in METHODS:
            assert step[f"rounds/{method}/accuracy"] == results[method]["rounds"][number]["accuracy"]
    assert sent.metrics["rounds/*"].step_metric == "round"


def test_the_tables_hold_what_the_run_folder_holds(run):
    (table,) = run.glob("wandb/offline-run-*/files/media/table/test/predictions*.json")
    content = json.loads(table.read_text())
    assert content["columns"][:6] == ["clip", "fold", "draw", "label", "options", "cluster"]
    assert len(content["data"]) == 18
    (confusion,) = run.glob("wandb/offline-run-*/files/media/table/test/confusion*.json")
    cells = json.loads(confusion.read_text())["data"]
    assert {row[0] for row in cells} == set(METHODS)
    assert sum(row[3] for row in cells if row[0] == "calm") == 9
    (methods,) = run.glob("wandb/offline-run-*/files/media/table/test/methods*.json")
    rows = json.loads(methods.read_text())
    assert rows["columns"] == ["method", "metric", "value", "low", "high"]
    results = json.loads((run / "results.json").read_text())["methods"]
    assert rows["data"] == [
        [name, metric, results[name][metric], *results[name]["ci95"][metric]]
        for name in METHODS
        for metric in ("accuracy", "macro_f1")
    ]
    (differences,) = run.glob("wandb/offline-run-*/files/media/table/test/differences*.json")
    rows = json.loads(differences.read_text())["data"]
    found = json.loads((run / "results.json").read_text())["differences"]
    assert [row[:3] for row in rows] == [[one["better"], one["worse"], one["difference"]] for one in found]


def test_some_clips_can_be_heard(run, sent):
    (artifact,) = (one for one in sent.artifacts if "listen" in one.name)
    files = {one.path: Path(one.local_path) for one in artifact.manifest.contents}
    content = json.loads(files.pop("test/listen.table.json").read_text())
    assert content["columns"] == ["clip", "sound", "truth", *METHODS]
    assert len(content["data"]) == 4
    for clip, sound, truth, *_ in content["data"]:
        assert sound["_type"] == "audio-file"
        assert sound["caption"] == clip
        assert sound["path"] in files
        assert truth in ("dog", "rain", "siren")
    for path in files.values():
        assert path.is_relative_to(run)  # waits there for `wandb sync`, not in the home folder
        assert path.read_bytes()[:4] == b"RIFF"


def test_every_figure_is_logged(run, sent):
    listed = json.loads((run / "figures" / "index.json").read_text())["figures"]
    assert {one["name"] for one in listed} >= {"confusion", "methods"}
    logged = {key: value for one in sent.history for key, value in one.items() if key.startswith("figures/")}
    for one in listed:
        assert logged[f"figures/{one['name']}._type"] == "image-file"
        assert logged[f"figures/{one['name']}.caption"] == one["title"]


def test_the_classifier_is_an_artifact_and_is_not_copied(run, sent):
    (artifact,) = (one for one in sent.artifacts if one.type == "model")
    files = {one.path: Path(one.local_path) for one in artifact.manifest.contents}
    assert set(files) == {"classifier.safetensors", "config.yaml", "results.json"}
    for name, path in files.items():
        assert path.samefile(run / name)
    results = json.loads((run / "results.json").read_text())
    metadata = json.loads(artifact.metadata)
    assert metadata["accuracy"] == {name: one["accuracy"] for name, one in results["methods"].items()}


def test_neither_sound_nor_classifier_where_they_are_not_wanted(launch, small_job, tmp_path):
    tables = ("callbacks=[run_record,predictions,wandb_tables]", "wandb.mode=offline")
    launch("fit-free", *small_job, *tables, "wandb.classifier=false", check=True)
    quiet = read_back(tmp_path / "run")
    assert not [one for one in quiet.artifacts if one.type == "model" or "listen" in one.name]
    assert "round" not in quiet.history[0]
