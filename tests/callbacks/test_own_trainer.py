"""Callbacks in a user's own Trainer: the example of docs/callbacks.md, whole and in parts."""

import json
import re
import types

import pytest
from conftest import REPO
from lightning.pytorch import Trainer

from callbacks.predictions import PredictionWriter
from callbacks.progress import ClipProgress
from callbacks.report import ReportWriter
from callbacks.run_record import RunRecord
from callbacks.wandb_tables import WandbTables
from calm_pl import Calm, Sav, load_classifier
from calm_pl.data.benchmarks.esc50 import ESC50
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.settings import DataSettings
from calm_pl.errors import RunError
from calm_pl.evaluation.module import FitFreeModule

PLAIN = {
    "accelerator": "cpu",
    "devices": 1,
    "enable_model_summary": False,
    "enable_checkpointing": False,
}
QUIET = {**PLAIN, "logger": False, "enable_progress_bar": False, "use_distributed_sampler": False}


@pytest.fixture
def evaluated(esc_root, lalm):
    """Runs validation and test with some callbacks; returns the module."""

    def run(callbacks, loaders_only=False):
        data = FewShotDataModule(
            ESC50(DataSettings(str(esc_root), shots=4, n_options=3, num_workers=0)), lalm.preparer
        )
        data.prepare()
        module = FitFreeModule(lalm, {"calm": Calm()}, data.task())
        trainer = Trainer(**QUIET, callbacks=callbacks)
        if loaders_only:
            trainer.validate(module, data.val_dataloader(), verbose=False)
            trainer.test(module, data.test_dataloader(), verbose=False)
        else:
            trainer.validate(module, data, verbose=False)
            trainer.test(module, data, verbose=False)
        return module

    return run


def test_the_example_of_the_docs(esc_root, lalm, tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", (REPO / "docs" / "callbacks.md").read_text(), re.S)
    imports, steps = example.strip().split("\n\n")
    assert len(steps.splitlines()) == 6
    exec(compile(imports, "docs/callbacks.md", "exec"), {})
    monkeypatch.chdir(tmp_path)
    names = types.SimpleNamespace(
        **{one.__name__: one for one in (ESC50, FewShotDataModule, FitFreeModule, Sav, Calm)},
        **{one.__name__: one for one in (ClipProgress, PredictionWriter, RunRecord, ReportWriter)},
        DataSettings=lambda root, **more: DataSettings(root, n_options=3, num_workers=0, **more),
        Trainer=lambda **more: Trainer(**PLAIN, **more),
        root=str(esc_root),
        lalm=lalm,
    )
    exec(compile(steps, "docs/callbacks.md", "exec"), vars(names))
    folder = tmp_path / "runs" / "mine"
    assert {path.name for path in folder.iterdir()} == {
        *(
            "predictions.csv",
            "results.json",
            "results.md",
            "classifier.safetensors",
            "skipped.csv",
            "report.html",
        ),
    }
    results = json.loads((folder / "results.json").read_text())
    assert results["methods"]["calm"]["accuracy"] == names.module.results["calm"].accuracy
    assert results["benchmark"] == "ESC50"
    assert list(load_classifier(folder / "classifier.safetensors").voters) == ["sav", "calm"]
    assert "without a configuration" in (folder / "report.html").read_text()
    assert "query: 9 of 9 clips" in capsys.readouterr().err


def test_the_trainers_report_is_what_the_command_writes(evaluated, tmp_path, call):
    folder = tmp_path / "mine"
    evaluated([PredictionWriter(folder), RunRecord(folder, "mine"), ReportWriter(folder)])
    before = (folder / "report.html").read_bytes()
    assert call("report", folder, "--out", tmp_path / "again.html").returncode == 0
    assert (tmp_path / "again.html").read_bytes() == before


@pytest.mark.parametrize("reader", [ReportWriter, lambda folder: WandbTables(run_dir=folder)])
@pytest.mark.parametrize("missing", [PredictionWriter, RunRecord])
def test_a_reader_before_its_writers_is_refused_at_the_start(evaluated, tmp_path, reader, missing):
    writers = [one(tmp_path) for one in (PredictionWriter, RunRecord) if one is not missing]
    with pytest.raises(RunError, match=f"put {missing.__name__}"):
        evaluated([*writers, reader(tmp_path), missing(tmp_path)])
    assert list(tmp_path.glob("*.json")) == []


def test_bare_loaders_leave_the_classifier_out(evaluated, tmp_path):
    evaluated(
        [PredictionWriter(tmp_path), RunRecord(tmp_path, "bare"), ReportWriter(tmp_path)], loaders_only=True
    )
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["benchmark"], results["notes"], results["n_query"]) == ("bare", [], 9)
    assert not (tmp_path / "classifier.safetensors").exists()
    assert "Attention heads" not in (tmp_path / "report.html").read_text()


def test_tables_without_a_logger_do_nothing(evaluated, tmp_path):
    evaluated([WandbTables()])
    assert list(tmp_path.iterdir()) == []
