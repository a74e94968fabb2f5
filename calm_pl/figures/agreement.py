"""Agreement between different supports on the most reliable heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from calm_pl.figures.arrays import as_array
from calm_pl.figures.style import SINGLE, drawing, looks, new_figure, theme_named

KEPT = (1, 2, 5, 10, 20, 50, 100, 200, 300, 500)


class Agreement(NamedTuple):
    """Overlap of the k most reliable heads, mean over pairs of supports.

    Attributes:
        k: numbers of heads.
        mean: mean over classes.
        low, high: 5th and 95th percentiles over classes.
        num_heads: H; two random choices of k heads share k/H of them.
    """

    k: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    num_heads: int


def head_overlap(reliability_RCH: Any, k: int) -> np.ndarray:
    """Return the share of the k most reliable heads that two supports have in common, mean over pairs, (C,).

    Ties go to the lower head index, as in the voters; this alone makes supports agree if reliabilities
    saturate.

    Args:
        reliability_RCH: reliabilities from R >= 2 supports; C is 1 if classes share them.
        k: number of heads, at most H.
    """
    return _overlap(_ranks(reliability_RCH), k)


def agreement(reliability_RCH: Any, kept: Sequence[int] = KEPT) -> Agreement:
    """Compute `head_overlap` at several k; values of H and above are omitted.

    Args:
        reliability_RCH: reliabilities from R >= 2 supports.
        kept: numbers of heads.
    """
    ranks_RCH = _ranks(reliability_RCH)
    num_heads = ranks_RCH.shape[-1]
    ks = tuple(k for k in kept if k < num_heads)
    overlap_KC = [_overlap(ranks_RCH, k) for k in ks]
    ends = [np.quantile(row, [0.05, 0.95]) for row in overlap_KC]
    return Agreement(
        ks,
        tuple(float(row.mean()) for row in overlap_KC),
        tuple(float(low) for low, _ in ends),
        tuple(float(high) for _, high in ends),
        num_heads,
    )


def _ranks(reliability_RCH: Any) -> np.ndarray:
    reliability_RCH = as_array(reliability_RCH, "reliability_RCH", 3, np.float32)
    if len(reliability_RCH) < 2:
        raise ValueError("Expected reliabilities from 2 or more supports, but got one.")
    order = np.argsort(-reliability_RCH, axis=-1, kind="stable")
    ranks = np.empty(order.shape, dtype=np.int32)
    np.put_along_axis(ranks, order, np.arange(order.shape[-1], dtype=np.int32)[None, None], axis=-1)
    return ranks


def _overlap(ranks_RCH: np.ndarray, k: int) -> np.ndarray:
    rounds, _, num_heads = ranks_RCH.shape
    if not 1 <= k <= num_heads:
        raise ValueError(f"Expected argument `k` to be 1 to {num_heads}, but got {k}.")
    # A head chosen by n supports is shared by n(n-1)/2 pairs.
    chosen_CH = (ranks_RCH < k).sum(0)
    return (chosen_CH * (chosen_CH - 1)).sum(-1) / (rounds * (rounds - 1) * k)


def agreement_figure(
    methods: Mapping[str, Agreement], *, width: float = SINGLE, theme: str = "light"
) -> Figure:
    """Draw overlap against k, with a band over classes, and the overlap expected by chance.

    Args:
        methods: overlaps by label, all for the same heads.
        width: in inches.
        theme: `light` or `dark`.
    """
    colours = theme_named(theme)
    if not methods:
        raise ValueError("Expected at least one of `methods`, but got none.")
    styles = looks(colours, list(methods))
    num_heads = max(one.num_heads for one in methods.values())
    with drawing(colours):
        figure = new_figure(width, 2.5)
        axes = figure.subplots()
        chance = np.geomspace(1, num_heads, 100)
        axes.plot(
            chance,
            chance / num_heads,
            color=colours.muted,
            lw=0.8,
            ls=(0, (4, 2)),
            label="expected by chance, k/H",
        )
        for label, one in methods.items():
            style = styles[label]
            if one.low != one.high:
                axes.fill_between(one.k, one.low, one.high, color=style.colour, alpha=0.16, lw=0)
            axes.plot(
                one.k,
                one.mean,
                color=style.colour,
                ls=style.dash,
                marker=style.marker,
                label=label,
                clip_on=False,
            )
        axes.set_xscale("log")
        ticks = [k for k in KEPT if k < num_heads and str(k)[0] in "125"]
        axes.set_xticks(ticks, [str(k) for k in ticks])
        axes.xaxis.minorticks_off()
        axes.set_xlim(0.9, num_heads)
        axes.set_ylim(0, 1)
        axes.grid(True, axis="y")
        axes.set_xlabel("number of most reliable heads, k")
        axes.set_ylabel("overlap between supports")
        figure.legend(loc="outside upper center", ncols=2)
    return figure
