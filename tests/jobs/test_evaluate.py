"""`calm_pl.evaluate`: what the command writes, and what its result shows."""

import csv
import json
from pathlib import Path

import pytest
from rich.console import Console

import calm_pl
from calm_pl.errors import ConfigError

FLOAT32 = {"model.dtype": "float32"}
QUIET = {"accelerator": "cpu", "num_workers": 0, "enable_progress_bar": False}


@pytest.fixture
def result(esc_root, tiny_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return calm_pl.evaluate(
        tiny_folder,
        "esc50",
        root=esc_root,
        shots=4,
        n_options=3,
        settings=FLOAT32,
        methods=["sav", "calm"],
        **QUIET,
    )


def test_it_does_what_the_command_does(result, esc_root, tiny_folder, call, tmp_path):
    assert result.path.parent.name == "runs"
    overrides = ["data.shots=4", "data.n_options=3", "model.dtype=float32", "methods=[sav,calm]"]
    names = ["trainer.accelerator=cpu", "data.num_workers=0", "trainer.enable_progress_bar=false"]
    where = [f"data.root={esc_root}", f"model.path={tiny_folder}", "run.dir=again", "wandb.mode=disabled"]
    lean = "callbacks=[run_record,predictions]"
    assert call("fit-free", "--config", "esc50.yaml", *overrides, *names, *where, lean).returncode == 0
    again = json.loads((tmp_path / "again/results.json").read_text())
    assert result.run.results["methods"] == again["methods"]
    assert result.run.results["config_hash"] == again["config_hash"]


def test_a_loaded_model_gives_the_same(result, esc_root, lalm):
    other = calm_pl.evaluate(
        lalm,
        "esc50",
        root=esc_root,
        methods=["sav", "calm"],
        settings={"data.shots": 4, "run.name": "loaded"},
        n_options=3,
        **QUIET,
    )
    assert other.path.name == "loaded"
    assert other.run.results["methods"] == result.run.results["methods"]


def test_what_it_shows(result):
    accuracy = f"{100 * result.run.methods['calm']['accuracy']:.1f}"
    console = Console(width=70, force_terminal=False, record=True)
    with console.capture() as printed:
        console.print(result)
    for text in (repr(result), result._repr_html_(), printed.get()):
        assert accuracy in text
        assert "SAVs" in text
        assert "Macro-F1" in text
    assert max(map(len, printed.get().splitlines())) <= 70
    assert result._repr_html_().count("<tr>") == 3
    assert "font-weight: bold" in result._repr_html_()
    assert [row["method"] for row in result.rows] == ["sav", "calm"]


def test_figures_and_the_page_are_made_when_asked_for(result):
    assert not (result.path / "figures").exists()
    figure = result.figure("confusion", method="sav")
    assert figure.axes
    page = result.report()
    assert page == result.path / "report.html"
    assert 'id="figures"' in page.read_text(encoding="utf-8")
    for name, method, message in [
        ("confusions", None, "figure: must be one of methods, confusion, .*, but is 'confusions'"),
        ("det", None, "figure: det is not drawn, since the benchmark has no class to detect"),
        ("confusion", "gda", "method: must be one of sav, calm, but is 'gda'"),
    ]:
        with pytest.raises(ConfigError, match=message):
            result.figure(name, method)


def test_the_classifier_labels_files(esc_root, tiny_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = calm_pl.evaluate(
        tiny_folder, "esc50", root=esc_root, shots=4, n_options=0, methods=["calm"], settings=FLOAT32, **QUIET
    )
    files = sorted((esc_root / "audio").glob("1-*"))
    rows = result.classifier.predict_files(files, batch_size=4)
    with (result.path / "predictions.csv").open(newline="") as file:
        expected = {row["clip"]: row["calm"] for row in csv.DictReader(file)}
    assert len(rows) == 9
    assert {Path(row.path).name: row.label for row in rows} == expected
    sections = list(result.classifier.label_recording(files[0], window=0.4, hop=0.4))
    assert [one.label for one in sections] == [rows[0].label]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"shot": 4}, "shot: no setting has this name"),
        ({"name": "x"}, "name: is the name of run.name, wandb.name; give the full one in `settings`"),
        ({"tau_p": 0}, "voter.tau_p: must be a finite number above 0, but is 0"),
    ],
)
def test_settings_that_cannot_be(more, message, esc_root, tiny_folder):
    with pytest.raises(ConfigError, match=message):
        calm_pl.evaluate(tiny_folder, "esc50", root=esc_root, **more)
