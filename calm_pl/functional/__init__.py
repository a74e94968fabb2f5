"""Pure tensor maths of the methods. Floor 0: depends on torch only, not on audio or Lightning.

Shape letters, used in every name and docstring of this project:

    N clips, L decoder layers, A query heads per layer, H = L·A heads (layer-major, h = l·A + a),
    D head dimension, C classes, K kept heads.

Equation numbers are those of CALM (arXiv 2602.07077).
"""

from calm_pl.functional.calibration import (
    calibrate,
    calibrate_left_out,
    centred,
    evidence_shares,
    log_posteriors,
    mean_scores,
    most_likely,
    simplest_likely,
)
from calm_pl.functional.centroids import centroids_from_sums, class_sums, live_heads
from calm_pl.functional.chunks import clip_chunks
from calm_pl.functional.conformal import conformal_sets, conformal_threshold
from calm_pl.functional.consensus import NO_ANSWER, NO_ROLLOUT, Consensus, consensus
from calm_pl.functional.discriminants import HeadDiscriminants, head_discriminants
from calm_pl.functional.folds import FoldedClips, balanced_folds
from calm_pl.functional.gda import gda_dual, gda_left_out, gda_weights
from calm_pl.functional.leave_one_out import leave_one_out_scores
from calm_pl.functional.logistic import LogisticFits, logistic_fits, logistic_left_out
from calm_pl.functional.reliability import clip_reliability, is_highest, shrink, sum_by_class
from calm_pl.functional.sampling import hashed_uniforms, nucleus, sample_tokens
from calm_pl.functional.scores import HeadScorer, candidate_scores, head_scores, posteriors, unit
from calm_pl.functional.votes import majority_vote, posterior_votes, weighted_vote, weighted_votes
from calm_pl.functional.weights import head_weights, top_heads
from calm_pl.functional.whitening import (
    ScatterSums,
    apply_whitening,
    scatter_sums,
    whitened_cosines,
    whitening,
    without,
)

__all__ = [
    "NO_ANSWER",
    "NO_ROLLOUT",
    "Consensus",
    "FoldedClips",
    "HeadDiscriminants",
    "HeadScorer",
    "LogisticFits",
    "ScatterSums",
    "apply_whitening",
    "balanced_folds",
    "calibrate",
    "calibrate_left_out",
    "candidate_scores",
    "centred",
    "centroids_from_sums",
    "class_sums",
    "clip_chunks",
    "clip_reliability",
    "conformal_sets",
    "conformal_threshold",
    "consensus",
    "evidence_shares",
    "gda_dual",
    "gda_left_out",
    "gda_weights",
    "hashed_uniforms",
    "head_discriminants",
    "head_scores",
    "head_weights",
    "is_highest",
    "leave_one_out_scores",
    "live_heads",
    "log_posteriors",
    "logistic_fits",
    "logistic_left_out",
    "majority_vote",
    "mean_scores",
    "most_likely",
    "nucleus",
    "posterior_votes",
    "posteriors",
    "sample_tokens",
    "scatter_sums",
    "shrink",
    "simplest_likely",
    "sum_by_class",
    "top_heads",
    "unit",
    "weighted_vote",
    "weighted_votes",
    "whitened_cosines",
    "whitening",
    "without",
]
