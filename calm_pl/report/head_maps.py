"""Reliability and weight of every head, small enough for a page."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from calm_pl.errors import ModelError
from calm_pl.methods import METHODS

TOP_CLASSES = 5  # per head, by its rank within the class
MOST_VALUES = 2**20  # per method; with more, only the mean over classes is shown


class HeadMap(NamedTuple):
    """A method's reliabilities and weights of heads; R rows, one per class or one for all.

    Attributes:
        method: name.
        reliability_RH: fitted reliabilities.
        weights_RH: fitted weights; 0 on heads without a vote.
    """

    method: str
    reliability_RH: np.ndarray
    weights_RH: np.ndarray


def read_head_maps(classifier: Path) -> list[HeadMap]:
    """Read the head maps from `classifier.safetensors`; none if there is no such file.

    Raises:
        ModelError: the file cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    if not classifier.is_file():
        return []
    found = []
    try:
        with safe_open(classifier, framework="np") as file:
            names = set(file.keys())
            for method in _mapped():
                if {f"{method}.reliability", f"{method}.weights"} <= names:
                    pair = (
                        np.atleast_2d(file.get_tensor(f"{method}.{k}")) for k in ("reliability", "weights")
                    )
                    found.append(HeadMap(method, *pair))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{classifier}: cannot be read as a classifier: {error}") from error
    return found


def _mapped() -> list[str]:
    """Return the keys of the methods that have a map, in the order of the page."""
    rows = [row for row in METHODS if row.head_map is not None]
    return [row.key for row in sorted(rows, key=lambda row: row.head_map or 0)]


def head_data(one: HeadMap) -> dict[str, Any]:
    """Return a map as JSON: values in 255 steps of their range, and each head's most reliable classes.

    A weight's step is 0 only if the head has no vote; the smallest positive weight is step 1.
    """
    ranks_RH = _ranks(one.weights_RH, one.reliability_RH)
    rows = len(one.reliability_RH)
    dense = one.reliability_RH.size <= MOST_VALUES
    reliability_RH = one.reliability_RH if dense else one.reliability_RH.mean(0, keepdims=True)
    weights_RH = one.weights_RH if dense else one.weights_RH.mean(0, keepdims=True)
    trusted = np.argsort(ranks_RH, axis=0, kind="stable")[:TOP_CLASSES].T if rows > 1 else None
    return {
        "method": one.method,
        "perClass": dense and rows > 1,
        "mean": _steps(one.reliability_RH.mean(0)),
        "reliability": _steps(reliability_RH),
        "weights": _steps(weights_RH),
        "trusted": []
        if trusted is None
        else [[[int(c), int(ranks_RH[c, h]) + 1] for c in classes] for h, classes in enumerate(trusted)],
    }


def _ranks(weights_RH: np.ndarray, reliability_RH: np.ndarray) -> np.ndarray:
    """Return each head's rank in its row, 0 the strongest: by weight, then reliability, then lower index."""
    order_RH = np.lexsort((-reliability_RH, -weights_RH), axis=-1)
    ranks_RH = np.empty_like(order_RH)
    np.put_along_axis(ranks_RH, order_RH, np.arange(order_RH.shape[1])[None], axis=1)
    return ranks_RH


def _steps(values: np.ndarray) -> dict[str, Any]:
    """Convert values to bytes: 0 is exactly 0, 1 to 255 are equal steps over the range of the others."""
    values = values.astype(np.float64)
    others = values[values != 0]
    low, high = (float(others.min()), float(others.max())) if others.size else (0.0, 0.0)
    scaled = np.zeros_like(values) if high == low else (values - low) / (high - low)
    bytes_ = np.where(values == 0, 0, 1 + np.rint(254 * np.clip(scaled, 0, 1))).astype(np.uint8)
    return {"low": low, "high": high, "bytes": base64.b64encode(bytes_.tobytes()).decode()}
