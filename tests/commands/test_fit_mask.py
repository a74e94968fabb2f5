"""`fit-mask` as a user runs it: files, faults, ranks, kills."""

import csv
import json
import signal
import time

import numpy as np
import pytest
import soundfile
import torch
from rank_processes import Job
from safetensors import safe_open

from calm_pl.errors import RunError
from calm_pl.models.masks import load_mask

STEPS = 24


@pytest.fixture(scope="module")
def manifest(esc_root, tmp_path_factory):
    """Clips of the small ESC-50 and their class as text; one fold to validate on."""
    path = tmp_path_factory.mktemp("lists") / "clips.csv"
    with (esc_root / "meta" / "esc50.csv").open(newline="") as file, path.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["file", "answer", "split"])
        for row in csv.DictReader(file):
            split = "validation" if row["fold"] == "1" else "train"
            rows.writerow([f"audio/{row['filename']}", row["category"], split])
    return path


@pytest.fixture(scope="module")
def settings(manifest, esc_root, tiny_folder):
    """Overrides of a training that takes a second."""
    return [
        f"model.path={tiny_folder}",
        f"task.manifest={manifest}",
        f"task.root={esc_root}",
        "task.name=three",
        "task.num_workers=0",
        "task.batch_size=4",
        f"mask.steps={STEPS}",
        "mask.lr=0.5",
        "mask.warmup=4",
        "mask.save_every=4",
        "mask.validate_every=12",
        "mask.log_every=5",
        "trainer.accelerator=cpu",
        "trainer.devices=1",
        "wandb.mode=disabled",
        "run.dir=run",
    ]


@pytest.fixture(scope="module")
def whole(settings, tmp_path_factory):
    """What a training that nobody stops leaves."""
    folder = tmp_path_factory.mktemp("whole")
    done = Job(folder, ["fit-mask", *settings], 1, 0, "first").wait()
    assert done.statuses == [0], done.output
    return folder / "run", done.output


def test_what_a_run_leaves(whole, manifest, tiny_folder):
    run, output = whole
    assert sorted(path.name for path in run.iterdir()) == [
        "config.yaml",
        "logs",
        "mask.safetensors",
        "results.json",
    ]
    mask = load_mask(run / "mask.safetensors")
    assert torch.equal(mask.on_LA, mask.logits_LA >= 0)
    assert mask.logits_LA.shape == (4, 8)
    assert (mask.task, mask.question, mask.model["path"]) == ("three", "", str(tiny_folder))
    assert mask.training["settings"]["steps"] == STEPS
    results = json.loads((run / "results.json").read_text())
    assert results["heads_on"] == mask.num_on == sum(results["heads_on_by_layer"])
    assert (results["n_train"], results["n_validation"]) == (36, 9)
    assert [one["step"] for one in results["validations"]] == [12, 24]
    assert results["validations"][-1] == mask.training["validation"]
    assert f"{mask.num_on} of 32 heads are on." in output
    assert "validation after step 12" in output
    with (run / "logs" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    taus = [float(row["train/tau"]) for row in rows if row["train/tau"]]
    assert taus[0] == pytest.approx(4.0 - 3.5 * 4 / 7.2)
    assert taus[-1] == 0.5
    assert {"train/loss", "train/share_on", "mask/share_on", "train/lr", "val/loss"} <= set(rows[0])
    with safe_open(run / "mask.safetensors", "pt") as file:
        assert sorted(file.keys()) == ["logits", "mask"]


def test_validation_is_what_the_model_says_under_the_mask(whole, lalm, esc_root, manifest):
    """`exact` counts clips whose answer greedy decoding gives; the loss is a mean over all tokens."""
    import soundfile

    run, _ = whole
    mask = load_mask(run / "mask.safetensors")
    with manifest.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "validation"]
    lalm.use_mask(mask)
    try:
        log_p = tokens = exact = 0
        for row in rows:
            wave = soundfile.read(esc_root / row["file"], dtype="float32")[0]
            inputs = lalm.preparer([wave], [""])
            with torch.no_grad():
                scores = lalm.answer_scores(inputs, [row["answer"]])
            log_p, tokens = log_p + float(scores.log_p_NS.sum()), tokens + scores.log_p_NS.shape[1]
            exact += lalm.generate(inputs, tokens)[0] == row["answer"]
    finally:
        lalm.use_mask(None)
    last = mask.training["validation"]
    assert last["loss"] == pytest.approx(-log_p / tokens, rel=1e-4)
    assert last["exact"] == pytest.approx(exact / len(rows))


def until_saved(job, run):
    end = time.monotonic() + 60
    while not (run / "mask_state.safetensors").exists():
        assert time.monotonic() < end
        assert any(rank.is_alive() for rank in job.ranks), job.output.read_text()
        time.sleep(0.002)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=str)
def test_a_stopped_training_goes_on_to_the_same_mask(settings, whole, tmp_path, number):
    args, run = ["fit-mask", *settings], tmp_path / "run"
    job = Job(tmp_path, args, 1, 0, "stopped")
    until_saved(job, run)
    job.kill(number)
    done = job.wait()
    assert done.statuses == [-signal.SIGKILL if number == signal.SIGKILL else 128 + number], done.output
    assert not (run / "mask.safetensors").exists()
    if number == signal.SIGTERM:
        assert "Stopped by SIGTERM. The state after step" in done.output
        assert "run the same command again to resume" in done.output
    again = Job(tmp_path, args, 1, 0, "again").wait()
    assert again.statuses == [0], again.output
    assert "resuming after step" in again.output
    found, expected = (load_mask(path / "mask.safetensors") for path in (run, whole[0]))
    assert torch.equal(found.logits_LA, expected.logits_LA)
    assert not (run / "mask_state.safetensors").exists()
    assert json.loads((run / "results.json").read_text())["resumed_from_step"] > 0


def test_a_state_of_other_settings_is_not_gone_on_from(settings, tmp_path, call, whole):
    from calm_pl.masks.state import MaskState

    nothing = torch.zeros(3, 4, 8)
    MaskState("0" * 64, 3, *nothing.unbind()).save(tmp_path / "run" / "mask_state.safetensors")
    result = call("fit-mask", *settings)
    assert result.returncode == 1
    assert "unfinished training with other settings" in result.stderr
    result = call("fit-mask", *settings, "run.overwrite=true", "mask.steps=2")
    assert result.returncode == 0, result.stderr


def test_two_ranks_average_their_gradients(settings, tmp_path, lalm, manifest, esc_root):
    """Against one process that does both ranks' work; each rank draws its own noise."""
    import soundfile

    from calm_pl.functional.masks import annealed_tau, left_gumbel, sample_masks, warmed_cosine
    from calm_pl.masks.module import MaskModule
    from calm_pl.masks.settings import MaskRecipe, TextSettings
    from calm_pl.masks.texts import StepBatches, TextDataModule
    from calm_pl.models.gates import HeadGates

    args = ["fit-mask", *settings, "mask.steps=3", "trainer.devices=2"]
    done = Job(tmp_path, args, 2, 0, "ranks").wait()
    assert done.statuses == [0, 0], done.output
    found = load_mask(tmp_path / "run" / "mask.safetensors")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["ranks"] == 2
    assert results["validations"][-1]["num_clips"] == 9  # each once, over both
    assert done.output.count("heads are on.") == 1

    data = TextDataModule(TextSettings(str(manifest), root=str(esc_root)), 0)
    data.prepare()
    recipe = MaskRecipe(steps=3, lr=0.5, warmup=4)
    module = MaskModule(lalm, recipe)
    optimizer = torch.optim.AdamW([module.logits_LA], weight_decay=0.0)
    batches = [list(StepBatches(len(data.train), 4, 0, rank, 2, 0, 3)) for rank in range(2)]
    gates = HeadGates(lalm.decoder)
    for step in range(3):
        losses = []
        for rank in range(2):
            clips = [data.train[n] for n in batches[rank][step]]
            noise = left_gumbel((4, 4, 8), module._generator(step, rank))
            gates.set(sample_masks(module.logits_LA, noise, annealed_tau(step, 3)).hard)
            waves = [soundfile.read(one.clip.path, dtype="float32")[0] for one in clips]
            scores = lalm.answer_scores(lalm.preparer(waves, [""] * len(waves)), [one.text for one in clips])
            losses.append(-scores.log_p_NS.sum() / scores.real_NS.sum())
            losses[-1].backward()
        module.logits_LA.grad /= 2
        optimizer.param_groups[0]["lr"] = warmed_cosine(step, 3, 4, 0.5, 1e-4)
        optimizer.step()
        optimizer.zero_grad()
    gates.remove()
    assert np.abs((found.logits_LA - module.logits_LA.detach()).numpy()).max() < 2e-3


def test_from_the_real_command_line(launch, settings):
    result = launch("fit-mask", *settings, "mask.steps=4", check=True)
    assert "heads are on." in result.stdout
    assert "Validation: cross-entropy" in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["mask.lr=0"], "mask.lr: must be a finite number above 0"),
        (["mask.setps=3"], "did you mean mask.steps?"),
        (["data.shots=3"], "data: unknown key"),
        (["model.mask=x.safetensors"], "model.mask: must be null to train a mask"),
        (["task.manifest=nowhere.csv"], "nowhere.csv: cannot be read"),
        (["trainer.strategy=nonsense"], "Lightning refuses"),
    ],
)
def test_faults(call, settings, more, message):
    result = call("fit-mask", *settings, *more)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_clip_that_cannot_be_read_is_named(call, settings, tmp_path):
    (tmp_path / "bad.wav").write_text("no sound")
    (tmp_path / "bad.csv").write_text("path,text\nbad.wav,x\n")
    own = [one for one in settings if not one.startswith("task.root")]
    result = call("fit-mask", *own, f"task.manifest={tmp_path / 'bad.csv'}")
    assert result.returncode == 1
    assert "bad.wav" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_clip_of_which_nothing_is_heard_is_told(call, settings, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(4_000), 16_000)
    (tmp_path / "one.csv").write_text("path,text\nsilent.wav,x\n")
    own = [one for one in settings if not one.startswith(("task.root", "mask.steps", "mask.warmup"))]
    result = call("fit-mask", *own, f"task.manifest={tmp_path / 'one.csv'}", "mask.steps=1", "mask.warmup=0")
    assert result.returncode == 0, result.stderr
    assert "1 clip is digitally silent: silent.wav.\n" in result.stdout
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["odd_sound"] == {"silent.wav": ["silent"]}


def test_print_config(call, settings):
    shown = call("fit-mask", *settings, "--print-config").stdout
    assert "tau_start: 4.0" in shown
    assert "question: ''" in shown


def test_what_every_job_refuses_at_its_start_it_refuses_too(call, settings, monkeypatch):
    def refuse():
        raise RunError("transformers 3 is not supported")

    monkeypatch.setattr("calm_pl.jobs.versions.refuse_other_versions", refuse)
    ended = call("fit-mask", *settings)
    assert (ended.returncode, "transformers 3 is not supported" in ended.stderr) == (1, True)
