"""Figures as a user gets them: from a job, from its files again, from a sweep, in a Trainer of one's own."""

import hashlib
import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from conftest import command_line

FIGURES = [
    "methods",
    "confusion",
    "calibration",
    "survival",
    "head_map",
    "class_reliability",
    "head_agreement",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, esc_root, tiny_folder):
    """The run folder of a job with two draws, on two ranks."""
    folder = tmp_path_factory.mktemp("job")
    command = [
        *("fit-free", "data.benchmark=esc50"),
        *(f"data.root={esc_root}", f"model.path={tiny_folder}", "data.shots=4", "data.n_options=3"),
        *("data.draws=2", "trainer.accelerator=cpu", "trainer.devices=2", "run.dir=run"),
        "callbacks=[figures,wandb_tables,predictions,run_record]",
    ]
    done = command_line(folder, *command)
    assert "could not be drawn" not in done.stderr
    return folder / "run"


def index_of(folder):
    return json.loads((folder / "index.json").read_text(encoding="utf-8"))


def hashes(folder):
    pictures = [path for path in folder.iterdir() if path.suffix != ".json"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures}


def test_a_job_draws_what_it_has(finished):
    index = index_of(finished / "figures")
    assert [one["name"] for one in index["figures"]] == FIGURES
    assert index["left_out"] == [{"name": "det", "reason": "the benchmark has no class to detect"}]
    for entry in index["figures"]:
        assert set(entry["files"]) == {"svg", "svg_dark", "png"}  # PNG for W&B
        assert entry["caption"].endswith(".")
        for file in entry["files"].values():
            assert (finished / "figures" / file).stat().st_size > 2000
    assert not list((finished / "figures").glob("*.part"))


def test_the_figures_say_what_the_results_say(finished):
    results = json.loads((finished / "results.json").read_text())

    def words(name):
        root = ET.parse(finished / "figures" / f"{name}.svg").getroot()
        return [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]

    for method in results["methods"].values():
        assert f"{100 * method['accuracy']:.1f}" in words("methods")
        # Results round it to five digits: the figure's one may be on the other side of a half.
        shown = {f"ECE {100 * (method['ece'] + off):.1f} %" for off in (-1e-5, 0, 1e-5)}
        assert shown & set(words("calibration"))
    assert {"dog", "rain", "siren"} <= set(words("confusion"))


def test_weights_and_biases_has_the_pictures(finished):
    pictures = list(finished.glob("wandb/offline-run-*/files/media/images/figures/*.png"))
    assert len(pictures) == len(FIGURES)
    assert {hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures} == {
        hashes(finished / "figures")[f"{name}.png"] for name in FIGURES
    }


def test_drawn_again_from_the_files_they_are_the_same(finished, call, tmp_path):
    result = call("figures", finished, "--out", "again")
    assert result.returncode == 0, result.stderr
    assert "not drawn: the benchmark has no class to detect" in result.stdout
    again = hashes(tmp_path / "again")
    assert {again.pop(f"{name}.pdf") for name in FIGURES}
    assert again == hashes(finished / "figures")


def test_one_figure_in_one_format(finished, call, tmp_path):
    wanted = ("--only", "confusion", "--method", "sav", "--format", "png", "--theme", "dark")
    result = call("figures", finished, "--out", "one", *wanted, "--width", "single")
    assert result.returncode == 0, result.stderr
    (entry,) = index_of(tmp_path / "one")["figures"]
    assert entry["files"] == {"png_dark": "confusion-dark.png"}
    assert (entry["title"], entry["width_in"]) == ("Confusions of SAVs", 3.3)
    assert [path.name for path in (tmp_path / "one").glob("*.png")] == ["confusion-dark.png"]


def test_a_run_of_zero_shot_alone(finished, call, tmp_path):
    shutil.copytree(finished, tmp_path / "bare")
    (tmp_path / "bare" / "classifier.safetensors").unlink()
    result = call("figures", "bare", "--only", "survival", "confusion")
    assert result.returncode == 0, result.stderr
    assert "survival              not drawn: calm is not among the methods" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "expected a run folder or a sweep's table"),
        (["{run}", "--only", "confetti"], "--only confetti: must be one of methods, confusion"),
        (["{run}", "--method", "gda"], "--method: must be one of zero-shot, SAVs"),
        (["{run}", "--where", "a=1"], "--where: only applies to a sweep's table"),
        (["{run}/results.json"], "has no column method"),
    ],
)
def test_wrong_calls_are_explained(finished, call, arguments, message):
    result = call("figures", *(argument.format(run=finished) for argument in arguments))
    assert result.returncode == 1
    assert message in result.stderr


def test_a_folder_that_is_no_run(call, tmp_path):
    (tmp_path / "empty").mkdir()
    result = call("figures", "empty")
    assert result.returncode == 1
    assert "contains no finished run: results.json is not in it" in result.stderr
    (tmp_path / "empty" / "results.json").write_text('{"methods": {}}')
    assert "results.json: cannot be read as results" in call("figures", "empty").stderr


def test_a_sweep_by_its_folder(call, tmp_path):
    (tmp_path / "sweep").mkdir()
    rows = [
        f"{method},{k},{shots},1,{draw},{0.5 + shots / 50 + draw / 100},x"
        for method in ("calm", "calm_global")
        for k in (5, 20, "all")
        for shots in (1, 5)
        for draw in (0, 1)
    ]
    header = "method,top_k,shots,fold,draw,accuracy,more"
    (tmp_path / "sweep" / "sweep.csv").write_text("\n".join([header, *rows]) + "\n")
    result = call("figures", "sweep", "--heads", "40", "--format", "svg")
    assert result.returncode == 0, result.stderr
    names = sorted(path.name for path in (tmp_path / "sweep" / "figures").glob("*.svg"))
    assert names == [
        *("accuracy_over_heads-dark.svg", "accuracy_over_heads.svg"),
        *("shots_by_heads-dark.svg", "shots_by_heads.svg"),
    ]


def test_a_spoofing_run_has_its_error_curve(finished, call, tmp_path):
    """The same run as if it had been a two-class benchmark with an equal error rate."""
    run = tmp_path / "spoof"
    run.mkdir()
    rows = ["clip,fold,draw,label,options,zero_shot,zero_shot_confidence"]
    for n in range(40):
        truth = "bonafide" if n % 4 == 0 else "spoof"
        guess, confidence = (truth, 0.6 + 0.005 * n) if n % 5 else ("spoof", 0.55 + 0.001 * n)
        rows.append(f"{n},,0,{truth},bonafide|spoof,{guess},{confidence:.6f}")
    (run / "predictions.csv").write_text("\n".join(rows) + "\n")
    entry = {
        "accuracy": 0.95,
        "macro_f1": 0.93,
        "eer": 0.1,
        "ci95": {"accuracy": [0.9, 0.99], "macro_f1": [0.8, 0.99]},
    }
    results = {"benchmark": "b", "model": "m", "methods": {"zero_shot": entry}, "positive": "bonafide"}
    (run / "results.json").write_text(json.dumps(results))
    result = call("figures", run, "--format", "svg", "--theme", "light")
    assert result.returncode == 0, result.stderr
    assert [one["name"] for one in index_of(run / "figures")["figures"]] == [
        *("methods", "confusion", "calibration", "det"),
    ]
    assert "Macro-F1, % (95 % interval)" in (run / "figures" / "methods.svg").read_text(encoding="utf-8")


def test_in_a_trainer_of_ones_own(esc_root, lalm, tmp_path):
    from lightning.pytorch import Trainer

    from callbacks.figures import FigureWriter
    from callbacks.predictions import PredictionWriter
    from callbacks.run_record import RunRecord
    from calm_pl import Calm
    from calm_pl.data.benchmarks.esc50 import ESC50
    from calm_pl.data.loading.base import FewShotDataModule
    from calm_pl.data.settings import DataSettings
    from calm_pl.evaluation.lineup import contenders
    from calm_pl.evaluation.module import FitFreeModule

    data = FewShotDataModule(
        ESC50(DataSettings(str(esc_root), shots=4, n_options=3, num_workers=0)), lalm.preparer
    )
    data.prepare()
    task = data.task()
    voters = {"mine": Calm(), "calm": Calm(top_k=3)}
    module = FitFreeModule(lalm, contenders(voters, task, zero_shot=None), task)
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        callbacks=[PredictionWriter(tmp_path), RunRecord(tmp_path), FigureWriter(tmp_path)],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        use_distributed_sampler=False,
    )
    trainer.validate(module, datamodule=data, verbose=False)
    trainer.test(module, datamodule=data, verbose=False)
    index = index_of(tmp_path / "figures")
    assert [one["name"] for one in index["figures"]] == FIGURES[:-1]
    assert "mine" in (tmp_path / "figures" / "methods.svg").read_text(encoding="utf-8")


def test_help_needs_no_matplotlib():
    code = (
        "import sys, calm_pl.commands.main as m\n"
        "try: m.main(['figures', '--help'])\n"
        "except SystemExit: pass\n"
        "print([n for n in ('torch', 'matplotlib', 'lightning') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "examples:" in done.stdout
