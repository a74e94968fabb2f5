"""Masks that are learned: better than random ones, nothing else trained, the same at every size of memory."""

import csv
import dataclasses
import random

import numpy as np
import pytest
import soundfile
import torch
from lightning.pytorch import Trainer

from calm_pl import FrozenLALM
from calm_pl.functional.masks import random_mask, trained_mask
from calm_pl.masks.module import MaskModule
from calm_pl.masks.settings import MaskRecipe, TextSettings
from calm_pl.masks.texts import TextDataModule
from calm_pl.models.identity import parameters_hash
from calm_pl.models.masks import HeadMask

RECIPE = MaskRecipe(steps=3, lr=0.3, warmup=1, save_every=1)


@pytest.fixture(scope="module")
def waves():
    rng = np.random.default_rng(0)
    time = np.arange(6_000) / 16_000
    return [
        (0.4 * np.sin(2 * np.pi * rng.uniform(200, 3_000) * time) + 0.1 * rng.standard_normal(6_000)).astype(
            np.float32
        )
        for _ in range(12)
    ]


@pytest.fixture(scope="module")
def task(waves, tmp_path_factory):
    """A list of the clips, each with an answer."""
    folder = tmp_path_factory.mktemp("task")
    return write_task(folder, waves, [f"word {'abc'[n % 3]}" for n in range(len(waves))])


def write_task(folder, waves, answers):
    with (folder / "list.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "text"])
        for n, (wave, answer) in enumerate(zip(waves, answers, strict=True)):
            soundfile.write(folder / f"{n}.wav", wave, 16_000, subtype="FLOAT")
            rows.writerow([f"{n}.wav", answer])
    return str(folder / "list.csv")


def train(lalm, manifest, recipe, **more):
    data = TextDataModule(TextSettings(manifest, num_workers=0, batch_size=4), 0)
    data.prepare()
    data.preparer, data.num_steps = lalm.preparer, recipe.steps
    module = MaskModule(lalm, recipe, **more)
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=1,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(module, datamodule=data)
    return module


def cross_entropy(lalm, on_LA, waves, answers):
    lalm.use_mask(HeadMask(on_LA))
    with torch.no_grad():
        scores = lalm.answer_scores(lalm.preparer(waves, [""] * len(waves)), answers)
    lalm.use_mask(None)
    return -float(scores.log_p_NS.sum() / scores.real_NS.sum())


def test_a_learned_mask_does_clearly_better_than_random_ones(lalm, waves, tmp_path):
    """The task: say what the model says under a mask that is kept secret."""
    layers, heads, _ = lalm.layout
    secret = random_mask(layers, heads, layers * heads // 2, torch.Generator().manual_seed(5))
    lalm.use_mask(HeadMask(secret))
    said = lalm.generate(lalm.preparer(waves, [""] * len(waves)), 2)
    lalm.use_mask(None)
    assert all(said)
    assert len(set(said)) > 1
    manifest = write_task(tmp_path, waves, said)
    recipe = MaskRecipe(steps=60, lr=0.6, warmup=5, checkpoint_layers=False)
    on = trained_mask(train(lalm, manifest, recipe).logits_LA.detach())
    found = cross_entropy(lalm, on, waves, said)
    others = [
        cross_entropy(
            lalm, random_mask(layers, heads, int(on.sum()), torch.Generator().manual_seed(n)), waves, said
        )
        for n in range(20)
    ]
    assert 0 < int(on.sum()) < on.numel()
    assert found < min(others)
    assert found < np.mean(others) - 2 * np.std(others)


def test_nothing_but_the_logits_is_trained(tiny_folder, task):
    lalm = FrozenLALM.from_pretrained(str(tiny_folder))
    before = parameters_hash(lalm.model)
    module = train(lalm, task, RECIPE)
    assert parameters_hash(lalm.model) == before
    assert [name for name, _ in module.named_parameters()] == ["logits_LA"]
    assert list(module.state_dict()) == ["logits_LA"]
    assert module.logits_LA.dtype == torch.float32
    assert not lalm.model.training
    assert not torch.equal(module.logits_LA, MaskModule(lalm, RECIPE).logits_LA)
    inputs = lalm.preparer([np.ones(6_000, np.float32)], [""])
    fresh = FrozenLALM.from_pretrained(str(tiny_folder))
    assert torch.equal(lalm(inputs).logits_NV, fresh(inputs).logits_NV)  # no gate is left in it


def test_checkpointed_layers_change_nothing(lalm, task):
    logits = [
        train(lalm, task, dataclasses.replace(RECIPE, checkpoint_layers=on)).logits_LA for on in (True, False)
    ]
    assert torch.equal(*logits)


def test_seeds(lalm, task):
    first, again, other = (train(lalm, task, RECIPE, seed=seed).logits_LA for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_price_on_heads_switches_them_off(lalm, task):
    recipe = MaskRecipe(steps=40, lr=0.6, warmup=1, sparsity=100.0, checkpoint_layers=False)
    on = trained_mask(train(lalm, task, recipe).logits_LA)
    assert int(on.sum()) == 0


def test_a_model_in_bfloat16(tiny_folder, task):
    lalm = FrozenLALM.from_pretrained(str(tiny_folder), dtype="bfloat16")
    module = train(lalm, task, RECIPE)
    assert module.logits_LA.dtype == torch.float32
    assert torch.isfinite(module.logits_LA).all()
    moved = module.logits_LA.detach() - MaskModule(lalm, RECIPE).logits_LA.detach()
    assert float(moved.abs().min()) > 0.01


def test_a_masked_model_is_not_masked_again(tiny_folder):
    lalm = FrozenLALM.from_pretrained(str(tiny_folder))
    lalm.use_mask(HeadMask(torch.ones(lalm.layout[:2], dtype=torch.bool)))
    with pytest.raises(ValueError, match="without a mask"):
        MaskModule(lalm, RECIPE)


def test_the_steps_are_those_of_a_slow_loop(lalm, task, waves):
    """Gradient, noise, AdamW, learning rate and order of clips, step by step."""
    from calm_pl.data.questions.draws import stable_number
    from calm_pl.models.gates import HeadGates

    recipe = dataclasses.replace(RECIPE, sparsity=0.05)
    found = train(lalm, task, recipe, seed=7).logits_LA.detach()
    answers = [f"word {'abc'[n % 3]}" for n in range(len(waves))]
    order = list(range(len(waves)))
    random.Random(stable_number(0, "epoch", 0)).shuffle(order)  # the data module's own seed is 0

    def generator(*parts):
        return torch.Generator().manual_seed(stable_number(7, "mask", *parts) % 2**63)

    shape = lalm.layout[:2]
    m = 4.0 + 0.02 * torch.randn(*shape, generator=generator("start"))
    mean, square = torch.zeros(shape), torch.zeros(shape)
    gates = HeadGates(lalm.decoder)
    for step in range(3):
        tau = [4.0, 0.5, 0.5][step]  # the first 30 % of three steps end before the second
        rate = [0.3, 0.3, 1e-4][step]
        picked = order[4 * step : 4 * step + 4]
        noise = torch.empty(4, *shape).exponential_(generator=generator(step, 0)).log()
        soft = torch.sigmoid((m + noise) / tau)
        mask = (m + noise > 0).float().requires_grad_()
        gates.set(mask)
        inputs = lalm.preparer([waves[n] for n in picked], [""] * 4)
        scores = lalm.answer_scores(inputs, [answers[n] for n in picked])
        (-scores.log_p_NS.sum() / scores.real_NS.sum()).backward()
        slope = ((mask.grad + 0.05 / 4) * soft * (1 - soft) / tau).sum(0)
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        corrected = mean / (1 - 0.9 ** (step + 1))
        m = m - rate * corrected / ((square / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8)
    gates.remove()
    torch.testing.assert_close(found, m, rtol=0, atol=2e-4)
