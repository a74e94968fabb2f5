"""What scikit-learn requires of an estimator. It is optional: it is only imported if it is calling."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import MethodType
from typing import Any


class NotFittedError(ValueError, AttributeError):
    """Raised by a voter that is not fitted yet; scikit-learn's class of this name if that is loaded."""


def not_fitted_error() -> type[Exception]:
    """Return the class to raise: scikit-learn's if loaded, which has the same bases as this one."""
    loaded = sys.modules.get("sklearn.exceptions")
    return NotFittedError if loaded is None else loaded.NotFittedError


def classifier_tags() -> Any:
    """Return the tags of a classifier on arrays of three axes, or two for one head."""
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
    """An attribute that is a method when read and a parameter when assigned.

    scikit-learn calls `score(vectors, labels)`, and `score` is also the name of a setting; `get_params` and
    `fitted_params_` return the setting's value.

    Args:
        method: the method that reading returns, bound.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        self.__doc__ = method.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        """Store the attribute's name."""
        self.name = name

    def __get__(self, voter: Any, owner: type | None = None) -> Any:
        """Return the method."""
        return self.method if voter is None else MethodType(self.method, voter)

    def __set__(self, voter: Any, value: Any) -> None:
        """Set the parameter."""
        vars(voter)[self.name] = value
