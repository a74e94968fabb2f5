"""Figures from plain arrays, one function each, for papers and pages. Floor 2; Matplotlib without pyplot.

Every function takes lists, NumPy arrays or tensors and returns a `matplotlib.figure.Figure` with a `width` in
inches (`SINGLE` and `DOUBLE` are one and two columns) and a `theme` (`light` or `dark`). `save` writes it as
SVG, PDF or PNG, with the same bytes every time.
"""

from calm_pl.figures.agreement import Agreement, agreement, agreement_figure, head_overlap
from calm_pl.figures.calibration import Judged, calibration_figure, confidence_bins
from calm_pl.figures.class_reliability import class_reliability_figure, rank_correlation
from calm_pl.figures.confusion import Confusion, confusion_figure, largest_confusions
from calm_pl.figures.det import Scored, det_figure, error_rates
from calm_pl.figures.head_map import head_map_figure, strongest_counts
from calm_pl.figures.methods import Estimate, methods_figure
from calm_pl.figures.ordering import cluster_order
from calm_pl.figures.saving import FORMATS, save
from calm_pl.figures.sparsity import Point, accuracy_over_heads_figure, shots_by_heads_figure
from calm_pl.figures.style import DOUBLE, SINGLE, THEMES
from calm_pl.figures.survival import effective_heads, survival, survival_figure

__all__ = [
    "DOUBLE",
    "FORMATS",
    "SINGLE",
    "THEMES",
    "Agreement",
    "Confusion",
    "Estimate",
    "Judged",
    "Point",
    "Scored",
    "accuracy_over_heads_figure",
    "agreement",
    "agreement_figure",
    "calibration_figure",
    "class_reliability_figure",
    "cluster_order",
    "confidence_bins",
    "confusion_figure",
    "det_figure",
    "effective_heads",
    "error_rates",
    "head_map_figure",
    "head_overlap",
    "largest_confusions",
    "methods_figure",
    "rank_correlation",
    "save",
    "shots_by_heads_figure",
    "strongest_counts",
    "survival",
    "survival_figure",
]
