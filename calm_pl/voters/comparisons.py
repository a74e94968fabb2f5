"""What a user would compare with, from scikit-learn: classifiers on plain feature vectors, nothing hand-made.

They take whatever vectors they are given as one row a clip: all heads, or the hidden state of the last layer
as a single head, (N, 1, E). They see the clips of one process and are no part of a stored classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from calm_pl.functional import unit
from calm_pl.voters.checks import Vectors, as_labels, as_vectors, check_choice
from calm_pl.voters.sav import Sav


def _nearest_centroid() -> Any:
    from sklearn.neighbors import NearestCentroid

    return NearestCentroid()


def _logistic_regression() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


def _nearest_neighbours() -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(n_neighbors=5)


CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "nearest_centroid": _nearest_centroid,
    "logistic_regression": _logistic_regression,
    "knn": _nearest_neighbours,
}
HEADS = ("all", "best")


class Comparison:
    """A scikit-learn classifier on unit-length heads side by side.

    `nearest_centroid` and `logistic_regression` keep scikit-learn's defaults (L2 penalty with C = 1, up to
    1,000 iterations, on rows scaled to mean square 1 a feature); `knn` takes 5 neighbours, or as many as
    there are clips.

    Args:
        classifier: a name of `CLASSIFIERS`.
        heads: `all`, or `best`: the one head with the highest nearest-centroid accuracy on the support.

    Attributes:
        classes_: labels in class order, (C,).
        model_: the fitted scikit-learn classifier.
        heads_: indices of the heads used.
    """

    classes_: np.ndarray
    model_: Any
    heads_: list[int]

    def __init__(self, classifier: str = "logistic_regression", heads: str = "all") -> None:
        check_choice("classifier", classifier, tuple(CLASSIFIERS))
        check_choice("heads", heads, HEADS)
        self.classifier, self.heads = classifier, heads

    def fit(self, vectors: Vectors, labels: Any) -> Self:
        """Fit on (N, H, D) vectors and N labels.

        Raises:
            ImportError: scikit-learn is not installed; says how to get it.
        """
        x_NHD = as_vectors(vectors)
        values: list[Hashable] = as_labels(labels, len(x_NHD))
        self.heads_ = list(range(x_NHD.shape[1]))
        if self.heads == "best":
            self.heads_ = Sav(top_k=1).fit(x_NHD, values).heads_.tolist()
        try:
            model = CLASSIFIERS[self.classifier]()
        except ImportError as error:
            raise ImportError(
                "Comparisons need scikit-learn: pip install 'calm_pl[compare]', or leave them out."
            ) from error
        if self.classifier == "knn":
            model.set_params(n_neighbors=min(5, len(x_NHD)))
        self.model_ = model.fit(self._rows(x_NHD), np.array(values))
        self.classes_ = self.model_.classes_
        return self

    def predict(self, vectors: Vectors) -> np.ndarray:
        """Labels (N,)."""
        return self.model_.predict(self._rows(as_vectors(vectors)))

    def predict_proba(self, vectors: Vectors) -> np.ndarray:
        """Class probabilities (N, C) in the order of `classes_`."""
        return self.model_.predict_proba(self._rows(as_vectors(vectors)))

    def score(self, vectors: Vectors, labels: Any) -> float:
        """Accuracy in [0, 1]."""
        return float(np.mean(self.predict(vectors) == np.array(as_labels(labels, len(vectors)))))

    def _rows(self, x_NHD: Tensor) -> np.ndarray:
        """Unit heads side by side, (N, F) float64, mean square 1 a feature."""
        u_NHD = unit(x_NHD[:, self.heads_])
        return (u_NHD * u_NHD.shape[2] ** 0.5).flatten(1).cpu().to(torch.float64).numpy()
