"""The base class of voters: parameters, fitting, scoring in bounded memory, prediction."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from calm_pl.functional import HeadScorer, clip_chunks
from calm_pl.validation import check_settings
from calm_pl.voters.checks import LARGEST, Vectors, as_labels, as_vectors, label_array
from calm_pl.voters.scikit_learn import MethodAndParameter, classifier_tags, not_fitted_error
from calm_pl.voters.settings import VoterSettings
from calm_pl.voters.state import (
    Form,
    check_between,
    check_names,
    check_tensor,
    check_weights,
)
from calm_pl.voters.support import Support, as_heldout, gather_support

CENTROIDS = Form("CHD")


class Decision(NamedTuple):
    """A voter's scores and winning classes for a batch.

    Attributes:
        scores_NC: eq. 9 or 13, vote counts or log-probabilities, float32.
        winner_N: class index, ties resolved.
    """

    scores_NC: Tensor
    winner_N: Tensor


class HeadVoter(VoterSettings, ABC):
    """A classifier on head vectors with scikit-learn's interface.

    A subclass also inherits its parameters from a `VoterSettings` dataclass, whose fields have a default and
    a rule and become attributes of the voter. They are checked on construction and again by `fit`.
    `_fit_heads` sets the attributes listed in `fitted_forms`.

    Attributes:
        fitted_params_: the parameters that predictions use: those of the last fit, with what the fit chose.
        classes_: labels in class order, (C,).
        centroids_: (C, H, D) float32 (eq. 1).
    """

    fitted_params_: Any
    classes_: np.ndarray
    centroids_: Tensor
    _live_H: Tensor
    fitted_forms: ClassVar[Mapping[str, Form]] = {}

    @property
    def reads(self) -> str:
        """What its vectors are: `heads`, or another value of `calm_pl.methods.Reads`."""
        return "heads"

    @property
    def num_read(self) -> int:
        """How many of the first heads predictions read: all after them may be anything, such as zero."""
        self._check_fitted()
        return self.centroids_.shape[1]

    # Fitting

    def fit(self, vectors: Vectors, labels: Any, heldout: tuple[Vectors, Any] | None = None) -> Self:
        """Fit on labelled head vectors.

        Args:
            vectors: (N, H, D) floating tensor or array, (N, F) for one head; 16-bit input is upcast.
            labels: N hashable labels, none of them None or NaN. Torch and NumPy scalars are converted to
                numbers.
            heldout: (vectors, labels) of further clips, from which reliabilities are then estimated.

        Raises:
            ValueError: invalid shapes, values or labels; the message names them.
        """
        return self.fit_support(gather_support(vectors, labels), heldout)

    def fit_support(self, support: Support, heldout: tuple[Vectors, Any] | None = None) -> Self:
        """Fit on a support set whose centroids are known; its clips may be spread over ranks."""
        held = None if heldout is None else as_heldout(support, heldout)
        fresh = self._begun(support)
        fresh._fit_heads(support, held)
        return self._take(fresh)

    def _begun(self, support: Support) -> Self:
        """Return a copy to be fitted, so that a fit that fails leaves the previous one intact."""
        fresh = copy.copy(self)
        fresh.fitted_params_ = self._checked_params()
        fresh.classes_ = label_array(support.classes, support.label_dtype)
        fresh.centroids_ = support.centroids_CHD
        fresh._live_H = support.live_H
        return fresh

    def _take(self, fresh: Self) -> Self:
        for name in self.fitted_forms:
            bad = (~torch.isfinite(getattr(fresh, name))).nonzero().tolist()
            if bad:
                raise ValueError(
                    f"Expected the fit to be finite, but `{name}` is not at {bad[0]}: the vectors or the"
                    " parameters are too extreme. Scale the vectors, or use parameters nearer the defaults."
                )
        self.__dict__.update(fresh.__dict__)
        return self

    @abstractmethod
    def _fit_heads(self, support: Support, heldout: Support | None) -> None:
        """Set the attributes listed in `fitted_forms`."""

    @abstractmethod
    def decide_vectors(self, x_NHD: Tensor, candidates_NC: Tensor | None = None) -> Decision:
        """Return the decision on one chunk of clips, on the device of `centroids_`, among its candidates."""

    @abstractmethod
    def probabilities(self, scores_NC: Tensor) -> Tensor:
        """Return scores as probabilities, (N, C) float32, rows sum to 1."""

    def to(self, device: torch.device) -> Self:
        """Move the fitted state to the device on which votes are to be computed."""
        self._check_fitted()
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.to(device))
        return self

    # Prediction

    def vote(self, vectors: Vectors, candidates_NC: Tensor | None = None) -> Decision:
        """Return scores and winners of N clips as tensors; every other prediction is derived from these.

        Args:
            vectors: (N, H, D) head vectors.
            candidates_NC: bool, the classes allowed for each clip; all if None. The others get no vote and no
                posterior.
        """
        self._check_fitted()
        x_NHD = as_vectors(vectors)
        if x_NHD.shape[1:] != self.centroids_.shape[1:]:
            raise ValueError(
                f"Expected vectors of shape (N, {self.centroids_.shape[1]}, {self.centroids_.shape[2]}),"
                f" but got {tuple(x_NHD.shape)}."
            )
        parts = [
            self.decide_vectors(x, None if candidates_NC is None else candidates_NC[chunk].to(x.device))
            for chunk, x in self._chunks(x_NHD)
        ]
        device = self.centroids_.device
        if not parts:
            return Decision(
                torch.zeros(0, len(self.classes_), device=device),
                torch.zeros(0, dtype=torch.int64, device=device),
            )
        decision = Decision(*(torch.cat(column) for column in zip(*parts, strict=True)))
        return with_finite_scores(decision, candidates_NC)

    def decision_function(self, vectors: Vectors) -> Any:
        """Return scores (eq. 9 or 13, vote counts or log-probabilities); NumPy in, NumPy out.

        Returns:
            (N, C) float32; with two classes, as in scikit-learn, (N,): the second's score minus the first's.
        """
        scores_NC = self.vote(vectors).scores_NC
        return self._like(
            vectors, scores_NC[:, 1] - scores_NC[:, 0] if scores_NC.shape[1] == 2 else scores_NC
        )

    def predict_proba(self, vectors: Vectors) -> Any:
        """Return class probabilities (N, C) float32 in the order of `classes_`; NumPy in, NumPy out."""
        return self._like(vectors, self.probabilities(self.vote(vectors).scores_NC))

    def predict(self, vectors: Vectors) -> np.ndarray:
        """Return labels (N,), with the dtype of the labels that were fitted, if they were an array."""
        winner_N = self.vote(vectors).winner_N.cpu().numpy()
        return self.classes_[winner_N]

    def score(self, vectors: Vectors, labels: Any) -> float:
        """Return the accuracy in [0, 1]. Clips whose label is not in `classes_` count as wrong."""
        predicted = self.predict(vectors)
        truth = as_labels(labels, len(predicted)).values
        if not truth:
            raise ValueError("Expected at least one clip to score, but got none.")
        return sum(p == t for p, t in zip(predicted.tolist(), truth, strict=True)) / len(truth)

    def _chunks(self, x_NHD: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Yield clips in chunks whose vectors and scores fit in memory, on the device of `centroids_`."""
        for chunk in self._clip_chunks(len(x_NHD)):
            yield chunk, x_NHD[chunk].to(self.centroids_.device)

    def _clip_chunks(self, num_clips: int) -> Iterator[slice]:
        classes, heads, dim = self.centroids_.shape
        return clip_chunks(num_clips, heads * max(classes, dim))

    def _check_fitted(self) -> None:
        if not hasattr(self, "fitted_params_"):
            raise not_fitted_error()(f"This {type(self).__name__} is not fitted yet; call `fit` first.")

    @staticmethod
    def _like(vectors: Vectors, result: Tensor) -> Any:
        return result if isinstance(vectors, Tensor) else result.cpu().numpy()

    # Parameters

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        taken = list(inspect.signature(cls.__init__).parameters)[1:]
        known = [one.name for one in dataclasses.fields(cls)]
        if sorted(taken) != sorted(known):
            raise TypeError(
                f"Expected `{cls.__name__}.__init__` to take its parameters, {known}, but it takes {taken}:"
                " keep them in a `VoterSettings` that the voter inherits, see docs/add-a-method.md."
            )

    def __post_init__(self) -> None:
        """Check the parameters.

        Raises:
            ValueError: a parameter that breaks its rule; the message names it.
        """
        self._checked_params()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; `deep` exists for scikit-learn and has no effect."""
        return {one.name: vars(self)[one.name] for one in dataclasses.fields(self)}

    def fitted_params(self) -> dict[str, Any]:
        """Return the parameters to store with `fitted_state`, with what the fit chose in its place."""
        self._check_fitted()
        return dict(vars(self.fitted_params_))

    def set_params(self, **params: Any) -> Self:
        """Set parameters, like assigning the attributes; the next `fit` checks and uses them."""
        unknown = set(params) - set(self.get_params())
        if unknown:
            raise ValueError(
                f"Expected parameters among {sorted(self.get_params())}, but got {sorted(unknown)}."
            )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def _checked_params(self) -> VoterSettings:
        """Return a copy of the current parameters, without the voter.

        Raises:
            ValueError: a parameter that breaks its rule; the message names it.
        """
        check_settings(self)
        bases = [base for base in type(self).__mro__ if issubclass(base, VoterSettings)]
        own = next(base for base in bases if not issubclass(base, HeadVoter))
        if dataclasses.fields(own) != dataclasses.fields(self):
            raise TypeError(
                f"Expected {type(self).__name__} to declare its parameters in a `VoterSettings` dataclass and"
                f" to inherit it, but some are declared in addition to those of {own.__name__}."
            )
        return own(**self.get_params())

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({inner})"

    # The dataclass would compare by value; a voter equals only itself, like scikit-learn's estimators.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    # scikit-learn

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags."""
        return classifier_tags()

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether it is fitted, for `check_is_fitted`."""
        return hasattr(self, "fitted_params_")

    @property
    def n_features_in_(self) -> int:
        """Return the number of values per clip, H·D."""
        self._check_fitted()
        return self.centroids_[0].numel()

    # State

    def fitted_state(self) -> dict[str, Tensor]:
        """Return the fitted tensors except the centroids, by attribute name without the underscore."""
        self._check_fitted()
        return {name.rstrip("_"): getattr(self, name) for name in self.fitted_forms}

    def load_fitted_state(
        self, classes: Sequence[Hashable], centroids_CHD: Tensor, state: dict[str, Tensor]
    ) -> Self:
        """Restore a fitted voter from its state; the inverse of `fitted_state`.

        Args:
            classes: labels in class order.
            centroids_CHD: float32.
            state: tensors by name.

        Raises:
            ValueError: a tensor that is missing, unknown, of the wrong shape or dtype, not finite or out of
                range; the message names it.
        """
        self._check_state(classes, centroids_CHD, state)
        self.fitted_params_ = self._checked_params()
        self.classes_ = label_array(classes)
        self.centroids_ = centroids_CHD
        for name in self.fitted_forms:
            setattr(self, name, state[name.rstrip("_")])
        return self

    def _check_state(
        self, classes: Sequence[Hashable], centroids_CHD: Tensor, state: Mapping[str, Tensor]
    ) -> None:
        sizes = {"C": len(classes)}
        check_tensor("centroids", centroids_CHD, CENTROIDS, sizes)
        check_between("centroids", centroids_CHD, -LARGEST, LARGEST)
        if len(classes) < 2 or 0 in centroids_CHD.shape:
            raise ValueError(
                f"`centroids` must have 2 classes or more, but have the shape {tuple(centroids_CHD.shape)}"
            )
        sizes = dict(zip(CENTROIDS.shape, centroids_CHD.shape, strict=True))
        forms = {name.rstrip("_"): form for name, form in self.fitted_forms.items()}
        check_names(list(state), list(forms))
        for name, form in forms.items():
            check_tensor(name, state[name], form, sizes)
        self.check_values(state)

    def check_values(self, state: Mapping[str, Tensor]) -> None:
        """Raise ValueError for values outside their range; shapes and finiteness are already checked."""


class ScoreVoter(HeadVoter):
    """A voter that only uses the heads' scores against centroids (eq. 2).

    Attributes:
        reliability_: (C, H) or (H,) float32.
        weights_: (C, H) or (H,) float32, rows sum to 1.
    """

    reliability_: Tensor
    weights_: Tensor
    score = MethodAndParameter(HeadVoter.score)
    fitted_forms: ClassVar[Mapping[str, Form]] = {"reliability_": Form("H"), "weights_": Form("H")}

    def check_values(self, state: Mapping[str, Tensor]) -> None:
        """Raise ValueError for weights that do not sum to 1 and for reliabilities outside [-1, 1]."""
        check_weights(state["weights"])
        check_between("reliability", state["reliability"], -1, 1)

    @property
    def num_read(self) -> int:
        """How many of the first heads predictions read: up to the last one with a weight."""
        self._check_fitted()
        return int(self.weights_.reshape(-1, self.weights_.shape[-1]).ne(0).any(0).nonzero().max()) + 1

    def scorer(self) -> HeadScorer:
        """Return the scorer of heads against `centroids_`, kept for the next batch but not stored."""
        made_from = self.centroids_, self._scored_heads(), self.fitted_params_.score
        known = _SCORERS.get(self)
        if known is None or any(one is not other for one, other in zip(known[0], made_from, strict=True)):
            centroids_CHD, heads, score = made_from
            kept_CKD = centroids_CHD if heads is None else centroids_CHD[:, heads]
            known = made_from, HeadScorer(kept_CKD, score)
            _SCORERS.pop(self, None)
            if known[1].num_bytes + sum(one.num_bytes for _, one in _SCORERS.values()) <= _MOST_KEPT:
                _SCORERS[self] = known
        return known[1]

    def _scored_heads(self) -> Tensor | None:
        """Return the heads whose scores predictions need, all at once, (K,) int64; None for all in turn."""
        return None

    def _clip_chunks(self, num_clips: int) -> Iterator[slice]:
        heads = self._scored_heads()
        return self.scorer().chunks(num_clips, 1 if heads is None else len(heads))


_SCORERS: WeakKeyDictionary[ScoreVoter, tuple[tuple[Tensor, Tensor | None, str], HeadScorer]] = (
    WeakKeyDictionary()
)
"""Scorers with what they were made from; not on the voters, which predicting must not change."""
_MOST_KEPT = 2**30
"""Bytes of all scorers that are kept: the voters of many folds and draws must not fill the memory. Beyond it
they are made anew for each batch."""


def among(decision: Decision, candidates_NC: Tensor | None) -> Decision:
    """Return the decision; if no candidate has a score, the first candidate wins."""
    if candidates_NC is None:
        return decision
    empty_N1 = (decision.scores_NC == 0).all(-1, keepdim=True)
    scores_NC = torch.where(empty_N1, candidates_NC.to(torch.float32), decision.scores_NC)
    return Decision(scores_NC, torch.where(empty_N1[:, 0], scores_NC.argmax(-1), decision.winner_N))


def with_finite_scores(decision: Decision, candidates_NC: Tensor | None = None) -> Decision:
    """Return the decision.

    Raises:
        ValueError: a clip with a score that is NaN or +infinity. Classes that are not candidates have
            -infinity.
    """
    scores_NC = decision.scores_NC
    bad_N = (scores_NC.isnan() | scores_NC.isposinf()).any(-1)
    if candidates_NC is not None:
        bad_N &= candidates_NC.any(-1).to(bad_N.device)
    if bool(bad_N.any()):
        raise ValueError(
            f"Expected finite scores, but those of clip {int(bad_N.nonzero()[0])} of {len(bad_N)} are not:"
            " the fitted state is damaged. Fit the voter again."
        )
    return decision
