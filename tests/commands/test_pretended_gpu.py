"""Whole jobs on a pretended GPU give what they give on the CPU: nothing is left on the wrong device."""

import csv
import importlib.util
import io
import json
from pathlib import Path

import named_sets
import pytest
import torch
from conftest import LEAN
from pretended_gpu import pretended_gpu
from tiny_clap import build_clap

from calm_pl.data import BENCHMARKS
from calm_pl.evaluation import support_store
from calm_pl.methods import METHODS
from calm_pl.models.masks import load_mask
from calm_pl.voters import placing

COMPARED = ["knn", "nearest_centroid_best_head", "logistic_regression_hidden"]  # one of each kind
EVERY = [row.key for row in METHODS if "Comparison" not in (row.voter or "") and not row.needs_texts]
if importlib.util.find_spec("sklearn") is not None:
    EVERY += COMPARED
JOB = ("model.path=bundled:tiny_lalm", "model.dtype=float32", "data.batch_size=4")
PSEUDO = (
    *("data.support_labels=pseudo", "pseudo.rollouts=6", "pseudo.min_agreement=0.34"),
    *("pseudo.rounds=1", "pseudo.min_posterior=0.4"),
)


@pytest.fixture
def on_gpu(call, monkeypatch):
    """Run a command line on the pretended GPU; it must succeed."""

    def run(*args):
        with monkeypatch.context() as patch, pretended_gpu(patch):
            done = call(*args, *(["trainer.accelerator=gpu"] if args[0] != "predict" else []))
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def alike(ours, theirs):
    """Whether two tables have the same words, and numbers up to rounding."""
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            if "." in value and "." in other[name] and name not in ("clip", "file"):
                assert float(value) == pytest.approx(float(other[name]), abs=2e-3), name
            else:
                assert value == other[name], name


def test_clap(call, on_gpu, small_job, tmp_path):
    methods = "methods=[zero_shot,zero_shot_all_classes,tip_adapter,tip_adapter_zero_shot,gda]"
    job = ("fit-free", *small_job, f"model.path={build_clap(tmp_path / 'clap')}", methods)
    assert call(*job, "run.dir=cpu", "bank.dir=other").returncode == 0
    on_gpu(*job, "run.dir=gpu")
    alike(rows("gpu/predictions.csv"), rows("cpu/predictions.csv"))


def test_every_method_in_several_rounds_spilled_and_not(call, on_gpu, small_job, monkeypatch):
    job = ("fit-free", *small_job, *JOB, "data.draws=2", f"methods=[{','.join(EVERY)}]")
    assert call(*job, "run.dir=cpu", "bank.dir=other").returncode == 0
    on_gpu(*job, "run.dir=encoded")
    monkeypatch.setattr(support_store, "most_held", lambda device: 1)
    on_gpu(*job, "run.dir=spilled")
    monkeypatch.setattr(placing, "_BLOCKS", 2**60)
    on_gpu(*job, "run.dir=short_of_memory")
    expected = rows("cpu/predictions.csv")
    assert {f"{key}_confidence" for key in EVERY} <= expected[0].keys()
    alike(rows("encoded/predictions.csv"), expected)
    alike(rows("spilled/predictions.csv"), expected)
    alike(rows("short_of_memory/predictions.csv"), expected)
    (encoding,) = json.loads(Path("encoded/results.json").read_text())["encodings"]
    assert (encoding["device"], encoding["gpu"]) == ("cuda:0", "Pretended GPU")
    assert json.loads(Path("spilled/results.json").read_text())["encodings"] == []  # all from the bank


def test_the_memory_decides_how_many_clips_a_pass_takes(call, on_gpu, small_job, monkeypatch):
    job = ("fit-free", *small_job, *JOB[:-1], "methods=[zero_shot,sav,calm]")
    assert call(*job, "run.dir=cpu", "bank.dir=other").returncode == 0
    told = on_gpu(*job, "run.dir=gpu").stdout
    alike(rows("gpu/predictions.csv"), rows("cpu/predictions.csv"))
    found = {
        name: json.loads(Path(name, "results.json").read_text())["encodings"][0] for name in ("cpu", "gpu")
    }
    assert found["cpu"]["batch_size"] == {"support": 8, "query": 8}
    assert found["gpu"]["batch_size"] == {"support": 64, "query": 64}
    line = "Batches of up to 64 support clips and 64 query clips, by the GPU's memory (data.batch_size=auto)."
    assert line in " ".join(told.split())
    # Another number finds all that is cached; nothing is decoded, so that none is chosen.
    again = on_gpu(*job, "run.dir=again", "data.batch_size=2").stdout
    assert "by the GPU's memory" not in again
    assert json.loads(Path("again/results.json").read_text())["encodings"] == []
    alike(rows("again/predictions.csv"), rows("gpu/predictions.csv"))


def test_doctor_tells_how_many_clips_a_pass_will_take(on_gpu, small_job):
    job = small_job[:3]
    lines = " ".join(on_gpu("doctor", *job, "data.shots=4", "--no-model").stdout.split())
    assert "for a batch of 21 clips of 0 s (estimated; data.batch_size=auto)" in lines


def test_pseudo_labels_and_oracles_of_a_spilled_support(call, on_gpu, small_job, monkeypatch):
    job = ("fit-free", *small_job, *JOB, "methods=[sav,calm]", "voter.select=oracle", *PSEUDO)
    assert call(*job, "run.dir=cpu", "bank.dir=other").returncode == 0
    monkeypatch.setattr(support_store, "most_held", lambda device: 1)
    on_gpu(*job, "run.dir=gpu")
    expected = rows("cpu/predictions.csv")
    assert {"calm_oracle", "sav+pl", "calm+pl"} <= expected[0].keys()
    alike(rows("gpu/predictions.csv"), expected)


def test_held_out_clips_and_candidates_of_a_spilled_support(call, on_gpu, small_job, monkeypatch):
    held = ("voter.reliability_split=heldout", "data.heldout_shots=1", "data.candidates=options")
    job = ("fit-free", *small_job, *JOB, "methods=[sav,calm,gda]", *held, "data.n_options=2")
    assert call(*job, "run.dir=cpu", "bank.dir=other").returncode == 0
    monkeypatch.setattr(support_store, "most_held", lambda device: 1)
    on_gpu(*job, "run.dir=gpu")
    alike(rows("gpu/predictions.csv"), rows("cpu/predictions.csv"))


def test_a_sweep_and_its_oracle(call, on_gpu, small_job, monkeypatch):
    grid = (
        "sweep.grid.voter.tau_p=[0.5,1]",
        "sweep.grid.data.shots=[2,4]",
        "methods=[zero_shot,sav,calm,calm_auto,gda]",
    )
    job = ("sweep", *small_job[:-1], *JOB, *grid)
    assert call(*job, "run.dir=cpu", "bank.dir=other").returncode == 0
    monkeypatch.setattr(support_store, "most_held", lambda device: 1)
    on_gpu(*job, "run.dir=gpu")
    alike(rows("gpu/sweep.csv"), rows("cpu/sweep.csv"))


@pytest.mark.parametrize("mode", ["text", "generate"])
def test_zero_shot_in_words(call, on_gpu, small_job, mode):
    job = (
        "fit-free",
        *small_job,
        *JOB,
        "methods=[zero_shot,sav]",
        f"zero_shot={mode}",
        "data.option_orders=2",
    )
    assert call(*job, "run.dir=cpu", "bank.dir=null").returncode == 0
    on_gpu(*job, "run.dir=gpu", "bank.dir=null")
    alike(rows("gpu/predictions.csv"), rows("cpu/predictions.csv"))


def test_predict(call, on_gpu, small_job, esc_root):
    job = ("fit-free", *small_job, *JOB, "methods=[sav,calm,gda,calm_auto]", "data.n_options=0")
    assert call(*job).returncode == 0
    files = sorted((esc_root / "audio").glob("1-*.wav"))
    for method in ("sav", "calm", "gda", "calm_auto"):
        ask = ("predict", "--classifier", "run/classifier.safetensors", "--method", method, "--csv", *files)
        sets = ("--coverage", "0.9") if method in ("gda", "calm_auto") else ()
        ours, theirs = (list(csv.DictReader(io.StringIO(run(*ask, *sets).stdout))) for run in (on_gpu, call))
        alike(ours, theirs)


def test_clips_of_several_labels(call, on_gpu, tmp_path, monkeypatch):
    monkeypatch.setitem(BENCHMARKS, "several", "named_sets:Several")
    root = named_sets.write(tmp_path / "sounds", named_sets.SEVERAL)
    sizes = ("data.shots=3", "data.n_options=3", "data.num_workers=0")
    job = ("fit-free", "data.benchmark=several", f"data.root={root}", *sizes, *JOB, *LEAN)
    job = (*job, "methods=[zero_shot,sav,calm_global,calm,calm_auto,gda]")
    assert call(*job, "run.dir=cpu", "bank.dir=other", "trainer.accelerator=cpu").returncode == 0
    on_gpu(*job, "run.dir=gpu")
    monkeypatch.setattr(support_store, "most_held", lambda device: 1)
    on_gpu(*job, "run.dir=spilled")
    expected = rows("cpu/predictions.csv")
    assert any("|" in row["options"] for row in expected)
    alike(rows("gpu/predictions.csv"), expected)
    alike(rows("spilled/predictions.csv"), expected)


def test_training_of_a_mask(call, on_gpu, esc_root, tmp_path):
    listing = tmp_path / "clips.csv"
    with (esc_root / "meta" / "esc50.csv").open(newline="") as file:
        named = [(row["filename"], row["category"], row["fold"] == "1") for row in csv.DictReader(file)]
    with listing.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["file", "answer", "split"])
        table.writerows(
            (f"audio/{name}", text, "validation" if last else "train") for name, text, last in named
        )
    task = (f"task.manifest={listing}", f"task.root={esc_root}", "task.name=three", "task.num_workers=0")
    steps = ("mask.steps=3", "mask.lr=0.5", "mask.warmup=1", "mask.save_every=2", "mask.validate_every=3")
    job = ("fit-mask", *JOB[:-1], *task, "task.batch_size=4", *steps, "wandb.mode=disabled")
    assert call(*job, "run.dir=cpu", "trainer.accelerator=cpu").returncode == 0
    on_gpu(*job, "run.dir=gpu")
    ours, theirs = (load_mask(Path(name, "mask.safetensors")).logits_LA for name in ("gpu", "cpu"))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-3)
    found, expected = (
        json.loads(Path(name, "results.json").read_text())["validations"][0] for name in ("gpu", "cpu")
    )
    assert found["loss"] == pytest.approx(expected["loss"], abs=1e-3)
