"""Sparse Attention Vectors (arXiv 2412.00142): the k best heads, one vote each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from calm_pl.functional import SCORES, majority_vote, top_heads
from calm_pl.voters.base import Decision, ScoreVoter
from calm_pl.voters.checks import check_choice, check_top_k
from calm_pl.voters.support import Support


@dataclass(frozen=True)
class SavParams:
    """Hyper-parameters of `Sav`."""

    top_k: int | None = 20
    score: str = "cosine"

    def __post_init__(self) -> None:
        check_top_k(self.top_k)
        check_choice("score", self.score, SCORES)


class Sav(ScoreVoter):
    """SAVs: heads ranked by nearest-centroid accuracy, the `top_k` best vote, the majority wins (eqs. 3, 4).

    Args:
        top_k: heads that vote; all where None, and never more than there are and than a mask left on.
        score: `cosine` or `dot`.

    Attributes:
        reliability_: (H,) accuracy of each head on the support clips, or on the held-out clips where
            `fit` was given some.
        heads_: (K,) kept heads, best first; ties to the lower index.
        weights_: (H,) 1/K on the kept heads.
    """

    fitted_names = ("reliability_", "weights_", "heads_")
    heads_: Tensor

    def __init__(self, top_k: int | None = 20, score: str = "cosine") -> None:
        self.params = SavParams(top_k, score)

    def _fit_heads(self, support: Support, heldout: Support | None) -> None:
        judged = support if heldout is None else heldout
        device = support.centroids_CHD.device
        hits_H = torch.zeros(support.centroids_CHD.shape[1], dtype=torch.float64, device=device)
        for chunk, s_NHC in self._scores(judged.x_NHD):
            hits_H += (s_NHC.argmax(-1) == judged.y_N[chunk].to(device)[:, None]).sum(0)
        hits_H = support.all_reduce(hits_H)
        total = support.all_reduce(torch.tensor(float(len(judged.y_N)), device=device))
        self.reliability_ = (hits_H / total.clamp(min=1)).to(torch.float32)
        self.heads_ = top_heads(self.reliability_, self.params.top_k, support.live_H)
        self.weights_ = torch.zeros_like(self.reliability_)
        self.weights_[self.heads_] = 1 / len(self.heads_)

    def decide(self, s_NHC: Tensor) -> Decision:
        """Vote counts (N, C) and the winner; ties as METHOD states them in `majority_vote`."""
        counts_NC, winner_N = majority_vote(s_NHC[:, self.heads_])
        return Decision(counts_NC, winner_N)

    def probabilities(self, scores_NC: Tensor) -> Tensor:
        """Shares of the votes."""
        return scores_NC / scores_NC.sum(-1, keepdim=True)
