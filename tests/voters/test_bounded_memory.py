import numpy as np
import pytest
import torch
from head_vectors import noisy_clips
from torch.utils._python_dispatch import TorchDispatchMode

from calm_pl.functional import HeadScorer, chunks, scores
from calm_pl.voters import Calm, CalmGlobal, Sav

CLASSES, HEADS, DIM = 8, 6, 2
VOTERS = [Sav(), CalmGlobal(0.1), Calm(0.1), Calm(0.1, reliability_split="loo"), Calm(0.1, score="dot")]
each_voter = pytest.mark.parametrize("voter", VOTERS, ids=repr)


def many_clips():
    return noisy_clips(0, (10,) * CLASSES, HEADS, DIM, dtype=np.float32)


class LargestTensor(TorchDispatchMode):
    """Watches every operation; `values` is the size of the largest tensor that one returned."""

    values = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.values = max(self.values, tensor.numel())
        return result


@each_voter
@pytest.mark.parametrize("max_block", [1, 100, 500])
def test_chunks_change_nothing(monkeypatch, voter, max_block):
    x, y = many_clips()
    voter.fit(x, y)
    expected = voter.centroids_, voter.reliability_, voter.weights_, voter.decision_function(x)
    winners = voter.predict(x)
    monkeypatch.setattr(chunks, "MAX_BLOCK", max_block)
    voter.fit(x, y)
    found = voter.centroids_, voter.reliability_, voter.weights_, voter.decision_function(x)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
    assert voter.predict(x).tolist() == winners.tolist()


@each_voter
def test_scores_of_all_clips_are_never_held_at_once(monkeypatch, voter):
    # 80 clips of 6 heads and 8 classes would be 3840 scores; the clips themselves are 960 values.
    x, y = many_clips()
    monkeypatch.setattr(chunks, "MAX_BLOCK", 200)
    with LargestTensor() as watch:
        voter.fit(x, y)
        voter.predict_proba(x)
    assert 0 < watch.values <= x.size


@each_voter
def test_every_block_of_scores_keeps_the_bound(monkeypatch, voter):
    x, y = many_clips()
    blocks = []

    def recorded(*args):
        scores_NHC = products(*args)
        blocks.append(scores_NHC.numel())
        return scores_NHC

    products = HeadScorer._products
    monkeypatch.setattr(HeadScorer, "_products", recorded)
    monkeypatch.setattr(chunks, "MAX_BLOCK", 16 * 16 * CLASSES)  # 16 clips, 16 times their scores in a head
    monkeypatch.setattr(scores, "_CACHED", 200)  # one head of 16 clips
    voter.fit(x, y)
    voter.predict(x)
    assert max(blocks) <= 200
    assert sum(blocks) == 2 * len(x) * HEADS * CLASSES
