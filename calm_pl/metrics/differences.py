"""Differences between methods, on the same clips and support draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from calm_pl.metrics.intervals import Interval
from calm_pl.metrics.paired import ClusterSums, difference_of, mcnemar

_LEAST_CLUSTERS = 10  # fewer clusters say too little about new ones


class Difference(NamedTuple):
    """Accuracy of one method minus that of another.

    Attributes:
        better: the method with the higher accuracy.
        worse: the other.
        difference: difference of the accuracies, 0 or more.
        interval: 95 %, paired, over clusters of clips and support draws.
        p_value: two-sided, of the test that the interval inverts.
        p_mcnemar: p-value of McNemar's exact test on the first draw, which treats clips as independent.
    """

    better: str
    worse: str
    difference: float
    interval: Interval
    p_value: float
    p_mcnemar: float

    @property
    def significant(self) -> bool:
        """Whether the difference is significant: its interval lies above 0."""
        return self.interval.low > 0


def pairwise_differences(right: Mapping[str, np.ndarray], cluster_N: np.ndarray) -> list[Difference]:
    """Compare every pair of methods, the largest difference first.

    Args:
        right: by method, which questions were predicted correctly in each draw, (R, N) bool.
        cluster_N: cluster of each question; clusters are left out whole.
    """
    if len(right) < 2:
        return []
    sums = {name: ClusterSums.of(right_RN, cluster_N) for name, right_RN in right.items()}
    found = []
    for first, second in combinations(right, 2):
        if right[first].mean() < right[second].mean():
            first, second = second, first
        paired = difference_of(sums[first], sums[second])
        exact = mcnemar(right[first][0], right[second][0])
        found.append(Difference(first, second, paired.mean, paired.interval, paired.p_value, exact.p_value))
    return sorted(found, key=lambda one: -one.difference)


def clusters(groups_N: Sequence[Sequence[str]], clips_N: Sequence[str]) -> np.ndarray:
    """Return the cluster number of each question: its source recording or speaker, else its clip.

    Of several kinds of groups, the coarsest that still gives `_LEAST_CLUSTERS` clusters is used.

    Args:
        groups_N: the groups of each question's clip, one per kind, in the data set's order of kinds.
        clips_N: the clip of each question.
    """
    return np.unique(_coarsest(groups_N, clips_N), return_inverse=True)[1]


def cluster_kind(groups_N: Sequence[Sequence[str]], clips_N: Sequence[str]) -> str:
    """Return what the clusters of `clusters` are, in the plural: "source recordings", "speakers", "clips".

    Groups are named by kind and name, such as "speaker 7"; "groups of clips" if they are not.
    """
    names = _coarsest(groups_N, clips_N)
    if list(names) == list(clips_N):
        return "clips"
    kinds = {name.partition(" ")[0] for name in names}
    if len(kinds) > 1 or not next(iter(kinds)).isalpha() or not all(" " in name for name in names):
        return "groups of clips"
    (kind,) = kinds
    return "source recordings" if kind == "recording" else f"{kind}s"


def _coarsest(groups_N: Sequence[Sequence[str]], clips_N: Sequence[str]) -> Sequence[str]:
    kinds = min((len(groups) for groups in groups_N), default=0)
    candidates = [[groups[kind] for groups in groups_N] for kind in range(kinds)]
    usable = [names for names in [*candidates, list(clips_N)] if len(set(names)) >= _LEAST_CLUSTERS]
    return min(usable, key=lambda names: len(set(names)), default=list(clips_N))
