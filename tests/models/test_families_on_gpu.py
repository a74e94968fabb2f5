"""Every family on a pretended GPU gives what it gives on the CPU: nothing of it stays on the wrong device."""

import numpy as np
import pytest
import torch
from pretended_gpu import pretended_gpu
from test_families import BUILDERS, LENGTHS, QUESTIONS, needed

from calm_pl import FrozenLALM
from calm_pl.models.rollouts import Draws

OPTIONS = [["dog", "rain"], ["clock", "zero one"], ["x", "y"]]


def answers(lalm, inputs):
    """What the model makes of prompts: vectors, logits, scores of options, words."""
    output = lalm(inputs)
    draws = Draws(torch.ones(3, 2), torch.arange(6).reshape(3, 2), 1.0, 2)
    numbers = [
        output.vectors_NHD,
        output.logits_NV,
        lalm.head_vectors(inputs),
        lalm.option_text_scores(inputs, OPTIONS),
    ]
    return [one.cpu() for one in numbers], [lalm.generate(inputs, 2), lalm.sample(inputs, draws).answers]


@pytest.mark.parametrize("name", [needed(name) for name in BUILDERS])
def test_a_batch_of_mixed_lengths(name, tmp_path, monkeypatch):
    lalm = FrozenLALM.from_pretrained(str(BUILDERS[name](tmp_path / name)))
    rng = np.random.default_rng(0)
    waves = [0.1 * rng.standard_normal(length).astype(np.float32) for length in LENGTHS]
    if "video" in lalm.preparer.modalities:
        videos = [(rng.integers(0, 256, (4, 56, 56, 3), dtype=np.uint8), 2.0) for _ in waves]
    else:
        videos = None
    inputs = lalm.preparer(waves, QUESTIONS, videos)
    expected = answers(lalm, inputs)
    with monkeypatch.context() as patch, pretended_gpu(patch) as gpu:
        there = {key: one.to(gpu) for key, one in inputs.items()}
        assert lalm.to(gpu)(there).vectors_NHD.device == gpu
        found = answers(lalm, there)
    for ours, theirs in zip(found[0], expected[0], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
    assert found[1] == expected[1]
