"""What to evaluate, as the LightningModule sees it: no files, no settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from calm_pl.data.questions.clips import Query, Round
from calm_pl.metrics.differences import clusters


@dataclass(frozen=True)
class Task:
    """Classes, questions and rounds.

    Attributes:
        classes: labels in class order.
        support: questions about support and held-out clips, by position.
        query: questions about query clips, by position.
        rounds: folds in their order, in each the draws in theirs.
        multi_label: a clip has several labels and is asked about each.
        positive: class index whose score an equal error rate is computed from.
        only_options: voters choose among the question's options.
        by_subset: what a clip's `subset` is, such as "attack"; None where results are not broken down.
        readable_labels: the model reads labels with spaces for underscores.
    """

    classes: tuple[str, ...]
    support: tuple[Query, ...]
    query: tuple[Query, ...]
    rounds: tuple[Round, ...]
    multi_label: bool = False
    positive: int | None = None
    only_options: bool = False
    by_subset: str | None = None
    readable_labels: bool = False

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """Labels as the model reads them, in class order."""
        return tuple(c.replace("_", " ") for c in self.classes) if self.readable_labels else self.classes

    @cached_property
    def folds(self) -> tuple[str, ...]:
        """Names of the folds in their order; one, empty, where there are none."""
        return tuple(dict.fromkeys(one.fold for one in self.rounds))

    @cached_property
    def num_draws(self) -> int:
        """Draws in each fold."""
        return len(self.rounds) // len(self.folds)

    @cached_property
    def fold_Q(self) -> np.ndarray:
        """The fold that each query question belongs to, an index into `folds`, (Q,)."""
        fold_Q = np.zeros(len(self.query), dtype=np.int64)
        for one in self.rounds:
            fold_Q[list(one.query)] = self.folds.index(one.fold)
        return fold_Q

    @cached_property
    def also_SC(self) -> np.ndarray | None:
        """Further classes of each support question's clip, (S, C) bool; None where all clips have one."""
        place = {label: c for c, label in enumerate(self.classes)}
        also_SC = np.zeros((len(self.support), len(self.classes)), dtype=bool)
        for row, query in zip(also_SC, self.support, strict=True):
            row[[place[label] for label in query.clip.labels if label in place]] = True
            row[query.label] = False
        return also_SC if also_SC.any() else None

    @cached_property
    def label_Q(self) -> np.ndarray:
        """True class of each query question, (Q,)."""
        return np.array([query.label for query in self.query], dtype=np.int64)

    @cached_property
    def clip_Q(self) -> np.ndarray:
        """The clip that each query question is about, numbered in order of appearance, (Q,)."""
        number: dict[str, int] = {}
        return np.array([number.setdefault(q.clip.id, len(number)) for q in self.query], dtype=np.int64)

    @cached_property
    def num_clips(self) -> int:
        """Number of distinct clips."""
        return int(self.clip_Q.max()) + 1 if len(self.clip_Q) else 0

    @cached_property
    def subset_Q(self) -> tuple[str, ...]:
        """The subset of each query question's clip."""
        return tuple(query.clip.subset for query in self.query)

    @cached_property
    def cluster_Q(self) -> np.ndarray:
        """Cluster of each query question, such as its source recording; resampled together, (Q,)."""
        return clusters([q.clip.groups for q in self.query], [q.clip.id for q in self.query])
