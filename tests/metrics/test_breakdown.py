"""Results by subset, by hand and against a slow loop."""

import numpy as np
import pytest
import torch

from calm_pl.metrics import EqualErrorRate, break_down

#            bona fide          attack A        attack B
SUBSET = ["", "", "", "", "A", "A", "A", "B", "B"]
LABEL = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
# By draw: in the first one bona fide clip is wrong, in the second one of attack A too.
PREDICTED = np.array([[0, 0, 0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 0, 1, 1, 1, 1]]).T
CONFIDENCE = np.array(
    [[0.9, 0.8, 0.7, 0.6, 0.9, 0.8, 0.7, 0.9, 0.9], [0.9, 0.8, 0.7, 0.6, 0.65, 0.8, 0.7, 0.9, 0.9]]
).T


def test_counts_and_accuracies_by_hand():
    parts = break_down(SUBSET, LABEL, PREDICTED, CONFIDENCE)
    assert list(parts) == ["A", "B"]
    assert (parts["A"].n, parts["A"].accuracy) == (3, pytest.approx((3 / 3 + 2 / 3) / 2))
    assert parts["B"] == (2, 1.0, None)


def test_each_attack_is_set_against_all_bona_fide_clips():
    parts = break_down(SUBSET, LABEL, PREDICTED, CONFIDENCE, positive=0)
    for name in ("A", "B"):
        rates = []
        for draw in range(2):
            sure = CONFIDENCE[:, draw]
            score = torch.tensor(np.where(PREDICTED[:, draw] == 0, sure, 1 - sure), dtype=torch.float32)
            own = torch.tensor([s in ("", name) for s in SUBSET])
            metric = EqualErrorRate(9, 0)
            metric.update(torch.stack([score, 1 - score], 1), torch.tensor(LABEL), torch.arange(9))
            rates.append(float(metric.of(own)))
        assert parts[name].eer == pytest.approx(np.mean(rates), abs=1e-6)
    # B's scores are 0.1, below every bona fide one but none: no error at a threshold of 0.4.
    assert parts["B"].eer == 0.0
    assert parts["A"].eer > 0


def test_a_subset_of_positives_alone_has_no_rate():
    parts = break_down(["x", "x", ""], np.array([0, 0, 1]), np.zeros((3, 1), int), np.ones((3, 1)), 0)
    assert parts["x"] == (2, 1.0, None)


def test_without_positives_there_is_no_rate():
    parts = break_down(["x", "x"], np.array([1, 1]), np.ones((2, 1), int), np.ones((2, 1)), 0)
    assert parts["x"].eer is None


def test_no_subsets():
    assert break_down(["", ""], np.array([0, 1]), np.array([[0], [1]]), np.ones((2, 1)), 0) == {}
