"""Settings selected on the evaluated clips themselves: an upper bound, not a result."""

from __future__ import annotations

import copy
import dataclasses

import torch
from torch import Tensor

from calm_pl.functional import candidate_scores, clip_chunks, posteriors
from calm_pl.functional.selection import Reliabilities, Setting, judge_settings
from calm_pl.voters.calm import CalmBase, setting_of
from calm_pl.voters.support import Support


class OracleSearch:
    """Count the correct predictions of every setting of a voter's grid and return the voter with the best.

    The voter's given settings and those it chose are included, so the oracle is never worse than the voter.

    Args:
        voter: fitted on `support`, with reliabilities not from further held-out clips.
        support: this rank's clips.
    """

    def __init__(self, voter: CalmBase, support: Support) -> None:
        self.voter = voter
        own = [setting_of(params) for params in (voter, voter.fitted_params_)]
        self.settings: list[Setting] = []
        self._evidence = {}
        for tau_p in dict.fromkeys((*(one.tau_p for one in own), *voter.grid.tau_p)):
            some = [one for one in own if one.tau_p == tau_p]
            if tau_p in voter.grid.tau_p:
                some += voter.grid.settings(tau_p, support.x_NHD.shape[1])
            self.settings += dict.fromkeys(some)
            found = voter.evidence(support, None, tau_p)
            # The support may be on another device than the voter.
            self._evidence[tau_p] = Reliabilities(*(part.to(voter.centroids_.device) for part in found))
        self.hits_S = torch.zeros(len(self.settings), dtype=torch.float64, device=voter.centroids_.device)

    def update(self, x_NHD: Tensor, y_N: Tensor, candidates_NC: Tensor | None = None) -> None:
        """Add query clips to the counts.

        Args:
            x_NHD: head vectors.
            y_N: class indices.
            candidates_NC: the classes allowed for each clip; all if None.
        """
        centroids_CHD = self.voter.centroids_
        classes, heads, dim = centroids_CHD.shape
        scorer = self.voter.scorer()
        for chunk in clip_chunks(len(x_NHD), heads * max(len(self.settings), classes, dim)):
            x, y = x_NHD[chunk].to(centroids_CHD.device), y_N[chunk].to(centroids_CHD.device)
            allowed_NC = None if candidates_NC is None else candidates_NC[chunk].to(x.device)
            s_NHC = candidate_scores(scorer(x), allowed_NC)
            hits = []
            for tau_p, evidence in self._evidence.items():
                some = [one for one in self.settings if one.tau_p == tau_p]
                judged = judge_settings(posteriors(s_NHC, tau_p), y, evidence, some)
                hits.append(judged.right_NS.sum(0))
            self.hits_S += torch.cat(hits)

    def best(self, hits_S: Tensor) -> CalmBase:
        """Return the voter with the setting of most hits; ties: the first.

        Args:
            hits_S: the sum of `hits_S` over all ranks.
        """
        setting = self.settings[int((hits_S == hits_S.max()).to(torch.uint8).argmax())]
        chosen = copy.copy(self.voter)
        chosen.fitted_params_ = dataclasses.replace(self.voter.fitted_params_, **setting._asdict())
        chosen.weigh(self._evidence[setting.tau_p])
        return chosen
