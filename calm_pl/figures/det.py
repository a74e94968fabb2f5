"""Detection error trade-off: false acceptances against false rejections, with the equal error rate."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from calm_pl.figures.arrays import as_array
from calm_pl.figures.style import SINGLE, drawing, looks, new_figure, theme_named

_TICKS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95)
_MOST_POINTS = 1000
_NORMAL = NormalDist()


class Scored(NamedTuple):
    """Scores of one method.

    Attributes:
        score_N: higher scores favour the positive class.
        positive_N: whether the clip belongs to the positive class.
    """

    score_N: Any
    positive_N: Any


class ErrorRates(NamedTuple):
    """Error rates when clips that score at least a threshold are accepted, from the highest threshold down.

    Attributes:
        false_accept_T: share of negatives that are accepted.
        false_reject_T: share of positives that are rejected.
    """

    false_accept_T: np.ndarray
    false_reject_T: np.ndarray

    @property
    def eer(self) -> float:
        """Mean of both rates at the threshold where they are closest; ties: the higher threshold."""
        place = int(np.abs(self.false_accept_T - self.false_reject_T).argmin())
        return float(self.false_accept_T[place] + self.false_reject_T[place]) / 2


def error_rates(score_N: Any, positive_N: Any) -> ErrorRates:
    """Return the rates at every threshold that changes them, starting where nothing is accepted.

    Args:
        score_N: higher scores favour the positive class.
        positive_N: whether the clip belongs to the positive class; both kinds must occur.
    """
    score_N = as_array(score_N, "score_N", 1)
    positive_N = as_array(positive_N, "positive_N", 1) > 0
    positives = int(positive_N.sum())
    negatives = len(positive_N) - positives
    if not positives or not negatives:
        raise ValueError(f"Expected both classes, but {positives} of {len(positive_N)} clips are positive.")
    order = np.argsort(-score_N, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score_N[order])), len(order) - 1)
    accepted = np.cumsum(positive_N[order])[last]
    false_accept = np.append(0, last + 1 - accepted) / negatives
    return ErrorRates(false_accept, 1 - np.append(0, accepted) / positives)


def det_figure(methods: Mapping[str, Scored], *, width: float = SINGLE, theme: str = "light") -> Figure:
    """Draw the detection error trade-off on normal-deviate axes, marking the equal error rate.

    Args:
        methods: scores by label.
        width: in inches.
        theme: `light` or `dark`.
    """
    colours = theme_named(theme)
    if not methods:
        raise ValueError("Expected at least one of `methods`, but got none.")
    curves = {label: error_rates(*scored) for label, scored in methods.items()}
    styles = looks(colours, list(methods))
    seen = np.concatenate([np.concatenate(curve) for curve in curves.values()])
    inner = seen[(seen > 0) & (seen < 1)]
    floor = max(0.0005, 0.8 * float(inner.min())) if len(inner) else 0.005
    ceiling = min(0.97, max(0.5, 1.3 * max(curve.eer for curve in curves.values())))
    with drawing(colours):
        figure = new_figure(width, min(width, 3.6) + 0.12 * -(-len(methods) // 2))
        axes = figure.subplots()
        axes.plot(*[_deviate(np.array([floor, ceiling]))] * 2, color=colours.muted, lw=0.7, ls=(0, (4, 2)))
        for label, curve in curves.items():
            style = styles[label]
            thin = np.unique(np.linspace(0, len(curve[0]) - 1, _MOST_POINTS).round().astype(int))
            x, y = (_deviate(np.clip(rate[thin], floor / 2, 1 - floor / 2)) for rate in curve)
            name = f"{label}, EER {100 * curve.eer:.1f} %"
            axes.plot(x, y, color=style.colour, ls=style.dash)
            mark = _deviate(np.array([np.clip(curve.eer, floor, 0.99)]))
            axes.plot(
                mark, mark, color=style.colour, marker=style.marker, ls="none", markersize=5, clip_on=False
            )
            axes.plot([], [], color=style.colour, ls=style.dash, marker=style.marker, label=name)
        ticks = [tick for tick in _TICKS if floor <= tick <= ceiling]
        for set_ticks, set_limits in ((axes.set_xticks, axes.set_xlim), (axes.set_yticks, axes.set_ylim)):
            set_ticks(_deviate(np.array(ticks)), [f"{100 * tick:g}" for tick in ticks])
            set_limits(*_deviate(np.array([floor, ceiling])))
        axes.set_box_aspect(1)
        axes.grid(True)
        axes.set_xlabel("false acceptance, %")
        axes.set_ylabel("false rejection, %")
        figure.legend(loc="outside lower center", ncols=1 if len(methods) < 3 else 2)
    return figure


def _deviate(rate: np.ndarray) -> np.ndarray:
    """Return the normal deviate of a rate, Φ^(-1)."""
    return np.array([_NORMAL.inv_cdf(float(one)) for one in rate])
