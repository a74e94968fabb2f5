"""The query clips of a rank, one fold at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from calm_pl.data.questions.task import Task
from calm_pl.evaluation.batch_prediction import BatchPrediction, listed, zero_shot_prediction
from calm_pl.evaluation.collect import Collector


class QueryClips:
    """Query clips for the voters.

    Args:
        task: classes and questions.
        collected: this rank's query clips.
        options: for each of its batches, class indices and scores of the options.

    Attributes:
        index_n: positions of the fold's clips among the task's questions, int64.
        x_NHD: their vectors.
        candidates_NC: the classes that voters may predict; None for all.
    """

    def __init__(
        self,
        task: Task,
        collected: Collector,
        options: Sequence[tuple[Tensor, Tensor]],
    ) -> None:
        self._task = task
        self._collected = collected
        # A batch has as many columns as its longest question has options.
        self._options = [row for options_NO, _ in options for row in options_NO]
        self._scores = [row for _, scores_NO in options for row in scores_NO]
        self._fold: str | None = None
        self._rows: list[int] = []
        self.index_n = np.zeros(0, dtype=np.int64)
        self.x_NHD = collected.rows([])
        self.candidates_NC: Tensor | None = None

    def turn_to(self, fold: str) -> None:
        """Load the clips of a fold."""
        if fold == self._fold:
            return
        task, self._fold = self._task, fold
        number = task.folds.index(fold)
        self._rows = [row for row, n in enumerate(self._collected.index) if task.fold_Q[n] == number]
        self.index_n = np.array([self._collected.index[row] for row in self._rows], dtype=np.int64)
        self.x_NHD = self._collected.rows(self._rows)
        if task.only_options:
            self.candidates_NC = listed(self._options_NO(), len(task.classes))

    def zero_shot(self) -> BatchPrediction:
        """Return the model's own predictions."""
        some = [self._scores[row] for row in self._rows]
        empty_0O = self.x_NHD.new_zeros(0, 1)
        scores_NO = pad_sequence(some, batch_first=True, padding_value=-torch.inf) if some else empty_0O
        return zero_shot_prediction(scores_NO, self._options_NO(), len(self._task.classes))

    def _options_NO(self) -> Tensor:
        some = [self._options[row] for row in self._rows]
        if not some:
            return torch.zeros(0, 1, dtype=torch.int64, device=self.x_NHD.device)
        return pad_sequence(some, batch_first=True, padding_value=-1)
