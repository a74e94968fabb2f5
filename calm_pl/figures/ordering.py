"""An order of classes that puts confused classes next to each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def cluster_order(confusion_CC: np.ndarray, classes: Sequence[str]) -> list[int]:
    """Return class indices with confused classes adjacent, independent of the original order.

    Classes are clustered by average linkage on the share of predictions that they lose to each other.
    Clusters are joined so that their most similar ends meet. The cluster with the most confusions comes
    first; classes without any come last, by label.

    Args:
        confusion_CC: counts (C, C); further columns are ignored; rows are the truth.
        classes: labels, all different.
    """
    by_label = sorted(range(len(classes)), key=lambda c: classes[c])
    counts = confusion_CC[:, : len(classes)][np.ix_(by_label, by_label)].astype(np.float64)
    total = confusion_CC.sum(1, dtype=np.float64)[by_label, None]
    share = counts / np.maximum(total, 1e-12)
    np.fill_diagonal(share, 0)
    alike = share + share.T
    clusters = _clusters(alike)
    lost = share.sum(1)
    clusters.sort(key=lambda members: (len(members) == 1, -float(lost[members].sum()), members[0]))
    return [by_label[c] for members in clusters for c in members]


def _clusters(alike_CC: np.ndarray) -> list[list[int]]:
    """Cluster by average linkage until no two clusters have any similarity; ties: the first pair."""
    size = len(alike_CC)
    members: dict[int, list[int]] = {c: [c] for c in range(size)}
    link = alike_CC.copy()  # sums over pairs of members
    np.fill_diagonal(link, 0)
    mean = link.copy()
    while True:
        one, other = divmod(int(mean.argmax()), size)
        if mean[one, other] <= 0:
            return [list(cluster) for cluster in members.values()]
        one, other = min(one, other), max(one, other)
        members[one] = _joined(members[one], members.pop(other), alike_CC)
        link[one] += link[other]
        link[:, one] += link[:, other]
        link[[other]] = link[:, [other]] = 0
        link[one, one] = 0
        sizes = np.array([len(members.get(c, "x")) for c in range(size)])
        mean[other] = mean[:, other] = 0
        mean[one] = mean[:, one] = link[one] / (sizes * sizes[one])


def _joined(one: list[int], other: list[int], alike_CC: np.ndarray) -> list[int]:
    """Join two sequences of classes, reversing either, so that the most similar ends meet."""
    ways = [(a, b) for a in (one, one[::-1]) for b in (other, other[::-1])]
    left, right = max(ways, key=lambda way: alike_CC[way[0][-1], way[1][0]])
    return left + right
