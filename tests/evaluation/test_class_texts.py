"""Sentences about classes compete only among a question's candidates."""

from types import SimpleNamespace

import torch

from calm_pl.evaluation.class_texts import ALL_CLASSES, ClassTexts


def test_only_candidates_are_chosen():
    scores_NC = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [0.0, 5.0, 6.0]])
    lalm = SimpleNamespace(similarities=lambda x_NE, options: scores_NC)
    one = ClassTexts(ALL_CLASSES, lalm, SimpleNamespace(shown=("a", "b", "c")))
    allowed_NC = torch.tensor([[True, True, True], [False, True, True], [True, True, False]])
    for candidates_NC, expected in ((None, [0, 0, 2]), (allowed_NC, [0, 1, 1])):
        query = SimpleNamespace(vectors=lambda: torch.zeros(3, 1, 4), candidates_nC=candidates_NC)
        winner_N, proba_NC = one.predict(query)
        assert winner_N.tolist() == expected
        assert torch.allclose(proba_NC.sum(-1), torch.ones(3))
        assert candidates_NC is None or not proba_NC[~candidates_NC].any()
