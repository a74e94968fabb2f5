"""Sparse Attention Vectors (arXiv 2412.00142): the k best heads, one vote each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from calm_pl.functional import candidate_scores, majority_vote, top_heads
from calm_pl.voters.base import Decision, ScoreVoter, among
from calm_pl.voters.evidence import NEAREST, reliability_sums
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
        sums = reliability_sums(support, heldout, self.fitted_params_.score, [NEAREST])[0]
        self.reliability_ = (sums.sums_CH.sum(0) / sums.counts_C.sum().clamp(min=1)).to(torch.float32)
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
