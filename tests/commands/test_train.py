"""`train`: from a folder or a list of one's own sounds to a classifier, and to labels of other recordings."""

import csv
import json
import shutil

import pytest
import torch
from conftest import LEAN, command_line

from calm_pl import CalmAuto, load_classifier
from calm_pl.evaluation.predict import matching_model
from calm_pl.media import load_audio

QUICK = ("trainer.accelerator=cpu", "trainer.devices=1", "data.num_workers=0", "model.dtype=auto", *LEAN)
LABELS = {"0": "dog", "10": "rain", "42": "siren"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, esc_root, tiny_folder):
    """A folder with `sounds/`, class folders of 9 clips each, and the run that `train` made of it."""
    folder = tmp_path_factory.mktemp("own")
    for path in sorted((esc_root / "audio").glob("[123]-*.wav")):
        place = folder / "sounds" / LABELS[path.stem.split("-")[-1]]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    done = command_line(folder, "train", "sounds", "--model", tiny_folder, "data.cv_folds=3", *QUICK)
    return folder, done.stdout


def test_every_clip_is_evaluated_once_by_a_classifier_that_did_not_see_it(trained):
    folder, printed = trained
    results = json.loads((folder / "runs/sounds/results.json").read_text())
    assert list(results["methods"]) == ["calm_auto"]
    assert results["n_query_clips"] == results["n_classifier_clips"] == 27
    assert [one["n"] for one in results["methods"]["calm_auto"]["rounds"]] == [9, 9, 9]
    assert "3-fold cross-validation over 27 recordings of 27 clips" in results["notes"]
    with (folder / "runs/sounds/predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["clip"] for row in rows}) == len(rows) == 27
    assert "The classifier was fitted on 27 clips;" in printed
    assert "predict --classifier runs/sounds/classifier.safetensors" in printed


def test_the_stored_classifier_is_fitted_on_all_clips(trained):
    classifier = load_classifier(trained[0] / "runs/sounds/classifier.safetensors")
    lalm = matching_model(classifier, None)
    files = sorted((trained[0] / "sounds").glob("*/*.wav"))
    vectors = []
    for file in files:
        sound = load_audio(file, lalm.preparer.sample_rate, lalm.preparer.max_seconds)
        vectors.append(lalm(lalm.preparer([sound.windows[0]], [classifier.prompt["question"]])).vectors_NHD)
    alone = CalmAuto().fit(torch.cat(vectors), [file.parent.name for file in files])
    x_NHD = torch.cat(vectors)
    stored = classifier.voters["calm_auto"]
    assert torch.allclose(stored.centroids_, alone.centroids_, atol=1e-5)
    assert torch.allclose(stored.predict_proba(x_NHD), alone.predict_proba(x_NHD), atol=1e-3)


def test_a_run_folder_stands_for_its_classifier(trained, call):
    folder, _ = trained
    clip = folder / "sounds/dog/1-1000-A-0.wav"
    rows = [
        json.loads(call("predict", "--classifier", path, "--json", clip).stdout)
        for path in (folder / "runs/sounds", folder / "runs/sounds/classifier.safetensors")
    ]
    assert rows[0] == rows[1]
    assert call("predict", "--classifier", folder, clip).stderr == (
        f"error: {folder}/classifier.safetensors: cannot be read as a classifier: no such file.\n"
    )


def test_a_list_takes_its_own_groups(trained, call, tmp_path, tiny_folder):
    files = sorted((trained[0] / "sounds").glob("*/*.wav"))
    rows = [f"{path},{path.parent.name},tape {n // 3}" for n, path in enumerate(files)]
    (tmp_path / "mine.csv").write_text("\n".join(["path,label,group", *rows]) + "\n")
    done = call("train", "mine.csv", "--model", tiny_folder, "data.allow_outside=true", *QUICK)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "runs/mine/results.json").read_text())
    assert "3-fold cross-validation over 9 recordings of 27 clips" in results["notes"]


def test_what_it_would_do(trained, call, monkeypatch):
    done = call("train", trained[0] / "sounds", "--groups", r"^(\d+)-", "--name", "x", "--print-config")
    for line in ("shots: null", "n_options: 0", "cv_folds: 5", "refit: true", "name: x"):
        assert f"  {line}\n" in done.stdout
    assert r"group_pattern: ^(\d+)-" in done.stdout


def test_what_it_would_need(trained, call, tiny_folder, tmp_path):
    done = call(
        "train", trained[0] / "sounds", "--model", tiny_folder, "data.cv_folds=3", *QUICK, "--dry-run"
    )
    assert done.returncode == 0, done.stdout
    assert "✓ work: 27 clips, 0 cached, 27 to encode\n" in done.stdout
    assert not (tmp_path / "runs").exists()


def test_what_is_not_there(call):
    assert call("train", "nowhere").stderr == "error: nowhere: no such folder, and no such list of clips.\n"


def test_options_with_the_right_one_among_them_are_refused(call, small_job, tmp_path, esc_root):
    done = call("fit-free", *small_job, "data.n_options=2", "methods=[sav]")
    assert done.returncode == 0, done.stderr
    clip = next((esc_root / "audio").iterdir())
    refused = call("predict", "--classifier", "run", clip)
    assert refused.returncode == 1
    assert "fitted on questions with 2 of 3 classes as options, the right one among them" in refused.stderr
    assert call("predict", "--classifier", "run", "--random-options", clip).returncode == 0
