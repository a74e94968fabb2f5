"""`predict` as a user runs it."""

import csv
import io
import json
from pathlib import Path

import pytest
import torch
from conftest import LEAN, command_line

from calm_pl import load_classifier


@pytest.fixture(scope="module")
def job(tmp_path_factory, esc_root, tiny_folder):
    """A run folder whose classifier was fitted without options, and the query's files."""
    folder = tmp_path_factory.mktemp("fitted")
    settings = ("data.benchmark=esc50", f"data.root={esc_root}", f"model.path={tiny_folder}", "data.shots=4")
    rest = ("data.n_options=0", "methods=[sav,calm_global,calm]", "trainer.accelerator=cpu")
    quiet = ("trainer.devices=1", "run.dir=run", *LEAN)
    command_line(folder, "fit-free", *settings, *rest, *quiet)
    return folder / "run", sorted((esc_root / "audio").glob("1-*.wav"))


@pytest.mark.parametrize("method", ["sav", "calm_global", "calm"])
def test_predictions_equal_those_of_the_run(job, call, method):
    run, files = job
    args = ("--classifier", run / "classifier.safetensors", "--method", method, "--csv", *files)
    result = call("predict", *args)
    printed = list(csv.DictReader(io.StringIO(result.stdout)))
    with (run / "predictions.csv").open(newline="") as file:
        expected = {row["clip"]: row for row in csv.DictReader(file)}
    assert len(printed) == len(expected) == 9
    for row, path in zip(printed, files, strict=True):
        assert row["file"] == str(path)
        assert row["label"] == expected[path.name][method]
        confidence = float(expected[path.name][f"{method}_confidence"])
        assert float(row["probability"]) == pytest.approx(confidence, abs=1e-5)
    assert result.stderr == ""


def test_a_system_prompt_is_asked_again(job, call, esc_root, tiny_folder, tmp_path):
    import shutil

    _, files = job
    model = shutil.copytree(tiny_folder, tmp_path / "model")
    (model / "generation_config.json").write_text('{"eos_token_id": 0}')  # as a base model
    settings = ("data.benchmark=esc50", f"data.root={esc_root}", f"model.path={model}", "data.shots=4")
    rest = ("data.n_options=0", "methods=[calm]", "trainer.accelerator=cpu", "trainer.devices=1")
    told = "model.system_prompt=Listen: what is it?"
    assert call("fit-free", *settings, *rest, told, "run.dir=told", *LEAN).returncode == 0
    result = call("predict", "--classifier", "told/classifier.safetensors", "--csv", *files)
    with open("told/predictions.csv", newline="") as file:
        expected = {row["clip"]: row for row in csv.DictReader(file)}
    for row in csv.DictReader(io.StringIO(result.stdout)):
        run = expected[row["file"].rsplit("/", 1)[-1]]
        assert row["label"] == run["calm"]
        assert float(row["probability"]) == pytest.approx(float(run["calm_confidence"]), abs=1e-5)
    identity = load_classifier("told/classifier.safetensors").model["identity"]
    assert identity["inputs"]["system_prompt"] == "Listen: what is it?"
    assert "looks like a base model" in " ".join(json.loads(Path("told/results.json").read_text())["remarks"])


def test_json_has_all_probabilities(job, call):
    run, files = job
    args = ("--classifier", run / "classifier.safetensors", "--json", files[0], files[0].parent)
    rows = json.loads(call("predict", *args).stdout)
    assert len(rows) == 1 + 45  # a file, and the folder of all
    assert list(rows[0]["probabilities"]) == ["dog", "rain", "siren"]
    assert sum(rows[0]["probabilities"].values()) == pytest.approx(1)


def test_the_table(job, call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")  # a path that is longer is folded
    run, files = job
    args = ("--classifier", run / "classifier.safetensors", "--top", "2", files[0])
    result = call("predict", *args)
    assert "probability" in result.stdout
    assert files[0].name[:6] in result.stdout


def test_another_model_is_refused(job, call, tmp_path):
    from calm_pl.models.tiny import build_tiny

    run, files = job
    other = build_tiny(tmp_path / "other", seed=1, window_seconds=2)
    args = ("--classifier", run / "classifier.safetensors", "--model", other, files[0])
    result = call("predict", *args)
    assert result.returncode == 1
    assert "fitted with another model or prompt" in result.stderr
    assert "Traceback" not in result.stderr


def test_another_chat_template_is_refused(job, call, tmp_path, tiny_folder):
    import shutil

    run, files = job
    other = shutil.copytree(tiny_folder, tmp_path / "other")
    template = other / "chat_template.jinja"
    template.write_text(template.read_text().replace("assistant", "bot"))
    result = call("predict", "--classifier", run / "classifier.safetensors", "--model", other, files[0])
    assert result.returncode == 1
    assert "template_sha256" in result.stderr


def test_another_question_is_refused(job, call):
    run, files = job
    args = ("--classifier", run / "classifier.safetensors", "--question", "Who speaks?", files[0])
    result = call("predict", *args)
    assert result.returncode == 1
    assert "fitted with the question" in result.stderr


def test_bad_files(job, call, tmp_path):
    run, files = job
    (tmp_path / "text.wav").write_text("not a sound")
    args = ("predict", "--classifier", run / "classifier.safetensors", "--csv", files[0], "text.wav")
    result = call(*args)
    assert result.returncode == 1
    assert "text.wav" in result.stderr
    assert result.stdout == ""
    skipped = call(*args, "--skip-bad")
    rows = list(csv.DictReader(io.StringIO(skipped.stdout)))
    assert [bool(row["error"]) for row in rows] == [False, True]


@pytest.mark.parametrize("clips", ["missing.wav", "."])
def test_nothing_to_classify(job, call, clips):
    result = call("predict", "--classifier", job[0] / "classifier.safetensors", clips)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")


def test_no_classifier(job, call, tmp_path):
    (tmp_path / "x.safetensors").write_text("nothing")
    for path in ("x.safetensors", "missing.safetensors"):
        result = call("predict", "--classifier", path, job[1][0])
        assert result.returncode == 1
        assert path in result.stderr


def test_a_saved_classifier_predicts_bit_for_bit_the_same(tmp_path):
    from calm_pl import Calm, CalmGlobal, Sav
    from calm_pl.methods.classifier import Classifier

    x = torch.randn(40, 6, 5, generator=torch.Generator().manual_seed(0))
    labels = [f"class {n % 4}" for n in range(40)]
    fitted = {"sav": Sav(3), "calm_global": CalmGlobal(top_k=4), "calm": Calm(weight_map="power")}
    for voter in fitted.values():
        voter.fit(x, labels)
    saved = Classifier(fitted, tuple(sorted(set(labels))), {"question": "?"}, {"path": "m"})
    loaded = load_classifier(saved.save(tmp_path / "c.safetensors"))
    assert loaded.classes == saved.classes
    for name, voter in fitted.items():
        again = loaded.voters[name]
        assert again.get_params() == voter.get_params()
        assert torch.equal(again.decision_function(x), voter.decision_function(x))
        assert (again.predict(x) == voter.predict(x)).all()
    assert [path.name for path in tmp_path.iterdir()] == ["c.safetensors"]
