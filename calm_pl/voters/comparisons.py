"""Baselines: standard classifiers on plain features, most of them scikit-learn's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calm_pl.functional import unit
from calm_pl.validation import one_of, setting
from calm_pl.voters.base import Decision, HeadVoter
from calm_pl.voters.gram import clip_places, over_ranks
from calm_pl.voters.sav import Sav
from calm_pl.voters.settings import VoterSettings
from calm_pl.voters.support import Support

MAX_FEATURES = 2**28
"""Maximum of support clips times features: 2 GB in float64, held by every rank."""
_LEAST_P = 1e-30


def _nearest_centroid() -> Any:
    from sklearn.neighbors import NearestCentroid

    return NearestCentroid()


def _logistic_regression() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


def _nearest_neighbours() -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(n_neighbors=5)


class TipCache:
    """The cache model of Tip-Adapter (arXiv 2207.09519), with scikit-learn's methods.

    The score of class c is Σ exp(-β·(1 - cos(x, x_n))) over its support clips n; probabilities
    are the classes' shares. The model's zero-shot scores, which the paper adds, exist for CLAP models only:
    see `calm_pl.evaluation.class_texts`.
    """

    beta = 5.5
    """β, as published."""

    def fit(self, rows_NF: np.ndarray, y_N: np.ndarray) -> TipCache:
        """Keep the support clips."""
        self.rows_NF, self.y_NC = _unit_rows(rows_NF), np.eye(int(y_N.max()) + 1)[y_N]
        return self

    def scores(self, rows_NF: np.ndarray) -> np.ndarray:
        """Return the cache's score of each class, (N, C)."""
        cosines_NM = _unit_rows(rows_NF) @ self.rows_NF.T
        return np.asarray(np.exp(-self.beta * (1 - cosines_NM)) @ self.y_NC)

    def predict_proba(self, rows_NF: np.ndarray) -> np.ndarray:
        """Return each class's share of the cache's scores, (N, C)."""
        scores_NC = self.scores(rows_NF)
        return np.asarray(scores_NC / scores_NC.sum(1, keepdims=True))

    def predict(self, rows_NF: np.ndarray) -> np.ndarray:
        """Return the class with the highest score; ties go to the lower class index."""
        return np.asarray(self.predict_proba(rows_NF).argmax(1))


def _unit_rows(rows_NF: np.ndarray) -> np.ndarray:
    norm_N1 = np.linalg.norm(rows_NF, axis=1, keepdims=True)
    return np.asarray(rows_NF / np.where(norm_N1 > 0, norm_N1, 1))


CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "nearest_centroid": _nearest_centroid,
    "logistic_regression": _logistic_regression,
    "knn": _nearest_neighbours,
    "tip_adapter": TipCache,
}


@dataclass
class ComparisonSettings(VoterSettings):
    """Parameters of `Comparison`."""

    classifier: str = setting("logistic_regression", one_of(*CLASSIFIERS))
    """`nearest_centroid`, `logistic_regression` and `knn` are scikit-learn's; `tip_adapter` is `TipCache`."""
    features: str = setting("heads", one_of("heads", "best_head", "hidden", "tower"))
    """`heads`: all heads, scaled to unit length and concatenated; `best_head`: the one head with the highest
    nearest-centroid accuracy on the support; `hidden`: the vectors are hidden states, (N, 1, E); `tower`:
    they are mean and standard deviation of the audio tower's states, (N, 2, E)."""


class Comparison(HeadVoter, ComparisonSettings):
    """A classifier with scikit-learn's interface on one row of features per clip.

    `nearest_centroid` and `logistic_regression` keep scikit-learn's defaults (L2 penalty with C = 1, up to
    1,000 iterations); `knn` takes 5 neighbours, or as many as there are clips. Features are scaled to mean
    square 1. Every rank fits on the clips of all ranks. A stored classifier does not include it.

    Parameters are those of `ComparisonSettings`.

    Attributes:
        model_: the fitted classifier, on class indices.
        heads_: indices of the heads used.
    """

    model_: Any
    heads_: list[int]

    @property
    def reads(self) -> str:
        """What its vectors are, see `HeadVoter.reads`."""
        return "heads" if self.features == "best_head" else self.features

    def _fit_heads(self, support: Support, heldout: Support | None) -> None:
        if heldout is not None:
            raise ValueError("Expected no `heldout`: comparisons do not use held-out clips.")
        try:
            model = CLASSIFIERS[self.classifier]()
        except ImportError as error:
            raise ImportError(
                "Comparisons need scikit-learn: run pip install 'calm_pl[compare]', or leave them out."
            ) from error
        _, heads, dim = support.x_NHD.shape
        self.heads_ = list(range(heads))
        if self.features == "best_head":
            self.heads_ = Sav(top_k=1).fit_support(support).heads_.tolist()
        places = clip_places(support)
        total = len(places.y_N)
        if total * len(self.heads_) * dim > MAX_FEATURES:
            raise ValueError(
                f"Expected at most {MAX_FEATURES:,} values for scikit-learn, but got {total:,} support clips"
                f" of {len(self.heads_) * dim:,} features; use fewer clips per class."
            )
        y_N = places.y_N.cpu().numpy()
        rows_NF = over_ranks(support, places, self._rows(support.x_NHD)).cpu().numpy()
        # Sorted, so that the last bits depend on neither ranks nor batches.
        order_N = np.lexsort((rows_NF[:, -1], rows_NF[:, 0], y_N))
        if self.classifier == "knn":
            model.set_params(n_neighbors=min(5, total))
        with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
            # At one shot it takes many classes for a regression; labels are class indices here.
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            self.model_ = model.fit(rows_NF[order_N], y_N[order_N])
        if self.classifier == "nearest_centroid" and total == len(support.classes):
            # With one clip per class there is no spread to divide by: distances stay unscaled.
            self.model_.within_class_std_dev_ = np.ones(rows_NF.shape[1])

    def decide_vectors(self, x_NHD: Tensor, candidates_NC: Tensor | None = None) -> Decision:
        """Return log-probabilities and the prediction, or the most probable of the candidates."""
        rows_NF = self._rows(x_NHD).cpu().numpy()
        p_NC = torch.from_numpy(self.model_.predict_proba(rows_NF)).to(x_NHD.device)
        scores_NC = p_NC.clamp(min=_LEAST_P).log()
        if candidates_NC is not None:
            scores_NC = scores_NC.masked_fill(~candidates_NC, -torch.inf)
            return Decision(scores_NC.to(torch.float32), scores_NC.argmax(-1))
        winner_N = torch.from_numpy(self.model_.predict(rows_NF)).to(x_NHD.device)
        return Decision(scores_NC.to(torch.float32), winner_N)

    def cache_scores(self, x_NHD: Tensor) -> Tensor:
        """Return the scores of Tip-Adapter's cache, (N, C) float64, before they are made shares.

        Raises:
            ValueError: another classifier.
        """
        if not isinstance(self.model_, TipCache):
            raise ValueError(f"Expected `classifier` to be 'tip_adapter', but got {self.classifier!r}.")
        return torch.from_numpy(self.model_.scores(self._rows(x_NHD).cpu().numpy())).to(x_NHD.device)

    def probabilities(self, scores_NC: Tensor) -> Tensor:
        """Return the classifier's probabilities, renormalised over the candidates."""
        return torch.softmax(scores_NC, -1)

    def _rows(self, x_NHD: Tensor) -> Tensor:
        """Return the concatenated unit heads, (N, F) float64, scaled to mean square 1."""
        u_NHD = unit(x_NHD[:, self.heads_])
        return (u_NHD * u_NHD.shape[2] ** 0.5).flatten(1).to(torch.float64)
