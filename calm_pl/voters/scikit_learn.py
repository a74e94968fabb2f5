"""What scikit-learn asks of an estimator. It is optional: nothing here imports it unless it asks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import MethodType
from typing import Any


class NotFittedError(ValueError, AttributeError):
    """A voter that is asked before it is fitted; scikit-learn's own class where that is loaded."""


def not_fitted_error() -> type[Exception]:
    """Return the class to raise: scikit-learn's, whose callers catch it, has the same bases as ours."""
    loaded = sys.modules.get("sklearn.exceptions")
    return NotFittedError if loaded is None else loaded.NotFittedError


def classifier_tags() -> Any:
    """Return the tags of a classifier on arrays of three axes, or of two for one head."""
    from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

    return Tags(
        estimator_type="classifier",
        target_tags=TargetTags(required=True),
        transformer_tags=None,
        regressor_tags=None,
        classifier_tags=ClassifierTags(),
        input_tags=InputTags(two_d_array=True, three_d_array=True),
    )


class MethodAndParameter:
    """An attribute that is a method when read, and a parameter when assigned.

    scikit-learn calls `score(vectors, labels)`, and `score` is the name of a setting too: `get_params` and
    `fitted_params_` tell its value.

    Args:
        method: what reading gives, bound.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        self.__doc__ = method.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        """Take the attribute's name."""
        self.name = name

    def __get__(self, voter: Any, owner: type | None = None) -> Any:
        """Return the method."""
        return self.method if voter is None else MethodType(self.method, voter)

    def __set__(self, voter: Any, value: Any) -> None:
        """Set the parameter."""
        vars(voter)[self.name] = value
