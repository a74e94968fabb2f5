"""A method from a user's own file is an equal citizen: jobs, classifiers, sweeps, pages, figures, W&B."""

import csv
import json

import pytest
from conftest import ALL_CALLBACKS, LEAN, REPO, command_line, outside
from lightning.pytorch import Trainer
from wandb_files import read_back
from warm_processes import launched

from callbacks.run_record import RunRecord
from calm_pl import Calm, Sav, load_classifier
from calm_pl.data.benchmarks.esc50 import ESC50
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.settings import DataSettings
from calm_pl.evaluation.module import FitFreeModule

VOTER = '''
from calm_pl.methods import Method
from calm_pl.voters import Sav


class Loudest(Sav):
    """SAVs with another number of heads."""


METHODS = [
    Method(
        "loudest",
        "Loudest heads",
        "SAVs under another name.",
        voter="loudest_voter:Loudest",
        settings={"top_k": "voter.sav_top_k", "score": "voter.score"},
        stored=True,
        rank=9,
        head_map=9,
    )
]
'''


@pytest.fixture(scope="module")
def finished(tmp_path_factory, esc_root, tiny_folder):
    """The folder of a job of two folds and two draws with a foreign method beside SAVs, on two ranks."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "loudest_voter.py").write_text(VOTER)
    settings = [
        *("data.benchmark=esc50", f"data.root={esc_root}", f"model.path={tiny_folder}", "data.shots=4"),
        *("data.n_options=3", "data.num_workers=0", "trainer.accelerator=cpu", "data.draws=2"),
        *("plugins=[loudest_voter.py]", "bank.dir=bank", "voter.sav_top_k=3"),
    ]
    job = [
        "fit-free",
        *settings,
        "data.fold=all",
        "trainer.devices=2",
        "methods=[sav,loudest]",
        "run.dir=run",
    ]
    done = command_line(folder, *job, *ALL_CALLBACKS)
    return folder, settings, done


def test_it_has_its_row_everywhere(finished):
    folder, _, done = finished
    assert "Loudest heads" in done.stdout
    results = json.loads((folder / "run/results.json").read_text())["methods"]
    assert results["loudest"]["accuracy"] == results["sav"]["accuracy"]
    assert len(results["loudest"]["rounds"]) == 10
    with (folder / "run/predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["loudest"] == row["sav"] for row in rows)
    assert "Loudest heads" in (folder / "run/report.html").read_text()
    assert "Loudest heads" in (folder / "run/figures/methods.svg").read_text()


def test_weights_and_biases_has_it(finished):
    folder, _, _ = finished
    summary = read_back(folder / "run").summary
    results = json.loads((folder / "run/results.json").read_text())["methods"]["loudest"]
    assert summary["test/loudest/accuracy"] == pytest.approx(results["accuracy"], abs=1e-6)


def test_pages_and_figures_come_again_with_the_plugin(finished):
    folder, _, _ = finished
    page = (folder / "run/report.html").read_bytes()
    command_line(folder, "report", "run", "--plugins", "loudest_voter.py")
    assert (folder / "run/report.html").read_bytes() == page
    done = command_line(folder, "report", "run", "run", "--plugins=loudest_voter.py")
    assert "Loudest heads" in done.stdout
    only = ("--only", "methods", "--out", "drawn")
    command_line(folder, "figures", "run", "--plugins", "loudest_voter.py", *only)
    assert "Loudest heads" in (folder / "drawn/methods.svg").read_text()


def test_its_classifier_predicts_where_the_plugin_is_named(finished, esc_root):
    folder, _, _ = finished
    clip = next((esc_root / "audio").glob("1-*.wav"))
    words = ["predict", "--classifier", "run/classifier.safetensors", "--method", "loudest", "--csv", clip]
    done = command_line(folder, *words, "--plugins", "loudest_voter.py")
    assert clip.name in done.stdout
    without = launched(folder, words, outside())
    assert without.returncode == 1
    assert "the method 'loudest' is unknown here" in without.stderr


def test_a_sweep_varies_what_its_row_reads(finished):
    folder, settings, _ = finished
    grid = ("methods=[sav,loudest]", "sweep.grid.voter.sav_top_k=[1,3]", "run.dir=swept")
    done = command_line(folder, "sweep", *settings, *grid, *LEAN)
    assert "Loudest heads" in done.stdout
    with (folder / "swept/sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    by_method = {name: [row for row in rows if row["method"] == name] for name in ("sav", "loudest")}
    assert len(by_method["sav"]) == len(by_method["loudest"]) > 3
    for one, other in zip(by_method["sav"], by_method["loudest"], strict=True):
        assert (one["sav_top_k"], one["accuracy"]) == (other["sav_top_k"], other["accuracy"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "must be an existing Python file"),
        ("METHODS = [3]", "must be a list of calm_pl.methods.Method, but contains 3"),
        ("1 / 0", "cannot be loaded: ZeroDivisionError"),
        (VOTER.replace('"loudest",', '"sav",', 1), "sav already exists"),
    ],
)
def test_plugins_that_cannot_be_are_refused(launch, small_job, tmp_path, text, told):
    if text is not None:
        (tmp_path / "bad_plugin.py").write_text(text)
    for words in (["plugins=[bad_plugin.py]"], ["--plugins", "bad_plugin.py"]):
        result = launch("fit-free", *small_job, *words)
        assert result.returncode == 1
        assert told in result.stderr
        assert "Traceback" not in result.stderr


def test_a_plugin_does_not_take_the_name_of_a_module(launch, small_job, tmp_path):
    (tmp_path / "json.py").write_text("METHODS = []")
    result = launch("fit-free", *small_job, "--plugins", "json.py")
    assert "another module is already named 'json'" in result.stderr


def test_the_page_on_adding_a_method_can_be_followed(launch, small_job, tmp_path):
    page = (REPO / "docs/add-a-method.md").read_text(encoding="utf-8")
    (tmp_path / "few_heads_voter.py").write_text(page.split("```python\n")[1].split("```")[0])
    plugin = ("--plugins", "few_heads_voter.py")
    launch("fit-free", *plugin, *small_job, "methods=[sav,few_heads]", check=True)
    assert "few_heads" in json.loads((tmp_path / "run/results.json").read_text())["methods"]
    clip = REPO / "calm_pl/assets/esc10/audio/1-100032-A-0.ogg"
    words = ("--classifier", "run/classifier.safetensors", "--method", "few_heads", "--csv", clip)
    assert clip.name in launch("predict", *plugin, *words, check=True).stdout


def test_voters_named_by_a_program_of_its_own(lalm, esc_root, tmp_path):
    """The documented use that ended in KeyError after all the work."""
    settings = DataSettings(str(esc_root), shots=4, n_options=3, num_workers=0, draws=2)
    data = FewShotDataModule(ESC50(settings), lalm.preparer)
    data.prepare()
    module = FitFreeModule(lalm, {"sav": Sav(), "calm_k10": Calm(top_k=10)}, data.task())
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        use_distributed_sampler=False,
        callbacks=[RunRecord(tmp_path)],
    )
    trainer.validate(module, datamodule=data, verbose=False)
    trainer.test(module, datamodule=data, verbose=False)
    results = json.loads((tmp_path / "results.json").read_text())
    assert list(results["methods"]) == ["zero_shot", "sav", "calm_k10"]
    assert any("calm_k10" in remark for remark in results["remarks"])
    stored = load_classifier(tmp_path / "classifier.safetensors")
    assert list(stored.voters) == ["sav", "calm_k10"]
    assert isinstance(stored.voters["calm_k10"], Calm)
    assert stored.voters["calm_k10"].get_params()["top_k"] == 10
