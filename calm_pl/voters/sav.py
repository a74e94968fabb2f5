"""Sparse Attention Vectors (arXiv 2412.00142): the k best heads, one vote each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from calm_pl.functional import HeadScorer, candidate_scores, majority_vote, top_heads
from calm_pl.voters.base import Decision, ScoreVoter, among
from calm_pl.voters.settings import SavSettings
from calm_pl.voters.state import Form, check_heads
from calm_pl.voters.support import Support


class Sav(ScoreVoter, SavSettings):
    """SAVs: the `top_k` heads of highest nearest-centroid accuracy vote, the majority wins (eqs. 3, 4).

    Parameters are those of `SavSettings`.

    Attributes:
        reliability_: (H,) accuracy of each head on the support clips, or on the held-out clips if `fit` was
            given any.
        heads_: (K,) kept heads, best first; ties to the lower index.
        weights_: (H,) 1/K on the kept heads.
    """

    fitted_forms: ClassVar[Mapping[str, Form]] = {
        **ScoreVoter.fitted_forms,
        "heads_": Form("K", torch.int64),
    }
    fitted_params_: SavSettings
    heads_: Tensor

    def _fit_heads(self, support: Support, heldout: Support | None) -> None:
        judged = support if heldout is None else heldout
        device = support.centroids_CHD.device
        hits_H = torch.zeros(support.centroids_CHD.shape[1], dtype=torch.float64, device=device)
        scorer = HeadScorer(support.centroids_CHD, self.fitted_params_.score)
        for chunk, x_NHD in self._chunks(judged.x_NHD):
            y_N1 = judged.y_N[chunk].to(device)[:, None]
            for heads in scorer.blocks(len(x_NHD)):
                hits_H[heads] += (scorer(x_NHD, heads).argmax(-1) == y_N1).sum(0)
        hits_H = support.all_reduce(hits_H)
        total = support.all_reduce(torch.tensor(float(len(judged.y_N)), device=device))
        self.reliability_ = (hits_H / total.clamp(min=1)).to(torch.float32)
        self.heads_ = top_heads(self.reliability_, self.fitted_params_.top_k, support.live_H)
        self.weights_ = torch.zeros_like(self.reliability_)
        self.weights_[self.heads_] = 1 / len(self.heads_)

    def check_values(self, state: Mapping[str, Tensor]) -> None:
        """Raise ValueError for heads that do not exist and for unequal weights of the kept heads."""
        super().check_values(state)
        check_heads(state["heads"], len(state["weights"]))
        weights_H = torch.zeros_like(state["weights"])
        weights_H[state["heads"]] = 1 / len(state["heads"])
        if not torch.allclose(weights_H, state["weights"]):
            raise ValueError("`weights` must be equal for all heads in `heads`, but are not")

    def decide_vectors(self, x_NHD: Tensor, candidates_NC: Tensor | None = None) -> Decision:
        """Return vote counts (N, C) and the winner; `majority_vote` says how ties are resolved."""
        s_NKC = self.scorer()(x_NHD[:, self.heads_])
        return among(Decision(*majority_vote(candidate_scores(s_NKC, candidates_NC))), candidates_NC)

    def _scored_heads(self) -> Tensor:
        return self.heads_

    def probabilities(self, scores_NC: Tensor) -> Tensor:
        """Return each class's share of the votes."""
        return scores_NC / scores_NC.sum(-1, keepdim=True)
