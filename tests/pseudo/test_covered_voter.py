"""A voter of some classes answers in those of the task."""

import numpy as np
import pytest
import torch

from calm_pl.pseudo.covered import CoveredVoter
from calm_pl.voters import Calm, CalmGlobal, Sav

COVERED, NUM_CLASSES = (1, 3, 4), 6


@pytest.fixture(params=[Sav, CalmGlobal, Calm])
def covered(request):
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((3, 5, 4))
    y = np.arange(12) % 3
    x = centres[y] + 0.3 * rng.standard_normal((12, 5, 4))
    voter = request.param().fit(x, [COVERED[c] for c in y])
    return CoveredVoter(voter, COVERED, NUM_CLASSES), torch.tensor(x, dtype=torch.float32)


def test_winners_and_probabilities_stand_at_the_tasks_places(covered):
    one, x = covered
    found = one.predict(x)
    assert found.winner_N.tolist() == one.voter.predict(x.numpy()).tolist()
    proba = one.voter.predict_proba(x)
    assert torch.equal(found.proba_NC[:, list(COVERED)], proba)
    assert found.proba_NC[:, [0, 2, 5]].abs().sum() == 0


def test_only_candidates_are_chosen_and_nothing_where_none_is_covered(covered):
    one, x = covered
    candidates = torch.zeros(12, NUM_CLASSES, dtype=torch.bool)
    candidates[:6, [0, 3]] = True
    candidates[6:, [0, 2, 5]] = True
    found = one.predict(x, candidates)
    assert found.winner_N.tolist() == [3] * 6 + [NUM_CLASSES] * 6
    assert found.proba_NC[6:].abs().sum() == 0
    assert found.proba_NC[:6].sum(1).tolist() == pytest.approx([1] * 6)
