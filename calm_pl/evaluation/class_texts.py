"""Contenders that compare clips with a sentence about each class, for CLAP models."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from calm_pl.data.questions.task import Task
from calm_pl.evaluation.batch_prediction import BatchPrediction
from calm_pl.evaluation.contenders import Contender, FittedVoter, RoundQuery, RoundSupport
from calm_pl.models import DeferredLALM, FrozenLALM
from calm_pl.voters import Comparison

ALL_CLASSES = "zero_shot_all_classes"
TIP_ADAPTER = "tip_adapter_zero_shot"
CACHE = "tip_adapter"
"""The method whose cache Tip-Adapter adds to zero-shot."""
ALPHA = 1.0
"""Weight of the cache, as published."""


class ClassTexts(Contender):
    """Zero-shot among all classes, however many options the questions show.

    Args:
        name: name of the row.
        lalm: a CLAP model; embedding the sentences needs its weights, even if all clips are cached.
        task: the classes.
    """

    def __init__(self, name: str, lalm: FrozenLALM | DeferredLALM, task: Task) -> None:
        super().__init__(name)
        self._lalm = lalm
        self._labels = task.shown

    def logits(self, query: RoundQuery) -> Tensor:
        """Return scale times cosine of clips and sentences, (n, C) float32; -inf beyond the candidates."""
        x_nE = query.vectors()[:, 0]
        logits_nC = self._lalm.similarities(x_nE, [list(self._labels)] * len(x_nE))
        if query.candidates_nC is None:
            return logits_nC
        return logits_nC.masked_fill(~query.candidates_nC, -torch.inf)

    def predict(self, query: RoundQuery) -> BatchPrediction:
        """Return the class whose sentence is nearest; ties go to the lower class index."""
        logits_nC = self.logits(query)
        return BatchPrediction(logits_nC.argmax(-1), torch.softmax(logits_nC, -1))


class TipAdapter(ClassTexts):
    """Tip-Adapter (arXiv 2207.09519), training-free: zero-shot logits plus the cache of the support.

    Score of class c: scale·cos(x, text_c) + α·Σ exp(-β·(1 - cos(x, x_n))) over its support clips n, with
    α = 1 and β = 5.5.

    Args:
        name: name of the row.
        lalm: see `ClassTexts`.
        task: the classes.
        base: the contender whose cache is fitted before this one.
    """

    def __init__(self, name: str, lalm: FrozenLALM | DeferredLALM, task: Task, base: FittedVoter) -> None:
        super().__init__(name, lalm, task)
        self._base = base

    def fit(self, part: RoundSupport) -> None:
        """Do nothing: the cache is fitted already."""

    def predict(self, query: RoundQuery) -> BatchPrediction:
        """Return the class with the highest score, and the softmax of all."""
        voter = self._base.fitted[query.number]
        assert isinstance(voter, Comparison)
        scores_nC = self.logits(query) + ALPHA * voter.cache_scores(query.vectors())
        return BatchPrediction(scores_nC.argmax(-1), torch.softmax(scores_nC, -1).to(torch.float32))


def class_text_contenders(
    methods: Collection[str], lalm: FrozenLALM | DeferredLALM, task: Task, others: Sequence[Contender]
) -> list[Contender]:
    """Return those of the methods that compare clips with sentences about the classes.

    Args:
        methods: keys of all methods to evaluate.
        lalm: a CLAP model.
        task: the classes.
        others: the other contenders, among them the cache that Tip-Adapter needs.
    """
    found: list[Contender] = []
    if ALL_CLASSES in methods:
        found.append(ClassTexts(ALL_CLASSES, lalm, task))
    if TIP_ADAPTER in methods:
        base = next(one for one in others if one.name == CACHE)
        assert isinstance(base, FittedVoter)
        found.append(TipAdapter(TIP_ADAPTER, lalm, task, base))
    return found
