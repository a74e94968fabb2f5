"""Mean average precision without each clip in turn, from one sort per class."""

from __future__ import annotations

import numpy as np


def precision_left_out(score_NC: np.ndarray, truth_NC: np.ndarray) -> np.ndarray:
    """Return mean average precision without each clip, (N,) float64; NaN if no class is left.

    The average precision of a class is the mean over its P positives of tp/n, the share of positives among
    the n clips with a score as high or higher. Without one clip, n falls by 1 at every positive with a score
    as high as the clip's or lower, and tp too if it is a positive itself; O(N·log N) per class for all clips.

    Args:
        score_NC: scores of clips.
        truth_NC: which classes they have, bool.
    """
    clips = len(score_NC)
    total_N, classes_N = np.zeros(clips), np.zeros(clips)
    for score_N, truth_N in zip(score_NC.T, truth_NC.T, strict=True):
        positives = int(truth_N.sum())
        if positives == 0:
            continue
        order = np.argsort(-score_N, kind="stable")
        sorted_N, pos_N = score_N[order], truth_N[order].astype(np.float64)
        # Clips with equal scores count together: to the end of their run, and from its start.
        start_N = np.searchsorted(-sorted_N, -sorted_N, side="left")
        n_N = np.searchsorted(-sorted_N, -sorted_N, side="right")
        tp_N = np.cumsum(pos_N)[n_N - 1]
        one_less_N = np.maximum(n_N - 1, 1)
        term_N = pos_N * tp_N / n_N
        above_N = np.concatenate([[0.0], np.cumsum(term_N)])[start_N]
        shorter_N = _from_here(pos_N * tp_N / one_less_N)[start_N]
        fewer_N = pos_N * (tp_N - 1) / one_less_N
        without_positive_N = above_N + _from_here(fewer_N)[start_N] - fewer_N
        is_positive = pos_N > 0
        left_N = np.where(is_positive, positives - 1, positives)
        sums_N = np.where(is_positive, without_positive_N, above_N + shorter_N)
        total_N[order] += np.divide(sums_N, left_N, out=np.zeros(clips), where=left_N > 0)
        classes_N[order] += left_N > 0
    return np.divide(total_N, classes_N, out=np.full(clips, np.nan), where=classes_N > 0)


def _from_here(values_N: np.ndarray) -> np.ndarray:
    """Return the sum of the values from each place to the end."""
    return values_N[::-1].cumsum()[::-1]
