"""Every figure on made-up data: small, awkward, and of a benchmark's size."""

import numpy as np

from calm_pl.figures import (
    DOUBLE,
    SINGLE,
    Estimate,
    Judged,
    Point,
    Scored,
    accuracy_over_heads_figure,
    agreement,
    agreement_figure,
    calibration_figure,
    class_reliability_figure,
    confusion_figure,
    det_figure,
    head_map_figure,
    methods_figure,
    shots_by_heads_figure,
    strongest_counts,
    survival_figure,
)

METHODS = ["zero-shot", "SAVs", "CALM-Global", "CALM", "CALM-Auto", "GDA"]
# Long, short, alike, not Latin, with signs that TeX and XML would read.
LABELS = [
    "opening or closing car electric windows",
    "a",
    "a_b",
    "$x^2$ <b>&amp;",
    "猫の声",
    "new\nline",
    "α, β",
]
WIDTHS = (SINGLE, DOUBLE)


def labels(count):
    return [LABELS[c] if c < len(LABELS) else f"{LABELS[c % 3]} {c}" for c in range(count)]


def every_figure(num_classes, num_layers, heads_per_layer, theme, width):
    """All figures of a size, by name."""
    rng = np.random.default_rng(0)
    num_heads, names = num_layers * heads_per_layer, labels(num_classes)
    r_RCH = np.clip(rng.normal(0.4, 0.2, (4, num_classes, num_heads)), 0, 1)
    weights = np.exp(2 * r_RCH[0])
    weights /= weights.sum(1, keepdims=True)
    confusion = rng.poisson(0.2, (num_classes, num_classes + 1)) + np.eye(num_classes, num_classes + 1) * 9
    answers = 40 * num_classes
    confidence = rng.beta(4, 2, answers)
    positive = np.arange(answers) % 9 == 0
    accuracy = confusion.diagonal() / confusion.sum(1)
    ks = [k for k in (5, 20, 100, 300, 500) if k < num_heads] + [None]
    shots = {(s, k): rng.uniform(0.5, 1) for s in (1, 5, 20) for k in ks if (s, k) != (1, ks[0])}
    scores = {m: Scored(rng.normal(positive * (i + 1) / 2), positive) for i, m in enumerate(METHODS)}
    made = {"theme": theme, "width": width}
    return {
        "survival": survival_figure(weights, names, **made),
        "head_map": head_map_figure(strongest_counts(weights, num_layers), **made),
        "confusion": confusion_figure(confusion, names, **made),
        "class_reliability": class_reliability_figure(
            r_RCH[0].mean(1), accuracy, names, [12] * len(names), **made
        ),
        "agreement": agreement_figure({m: agreement(r_RCH) for m in METHODS[1:4]}, **made),
        "calibration": calibration_figure(
            {m: Judged(confidence, rng.random(answers) < confidence) for m in METHODS}, **made
        ),
        "det": det_figure(scores, **made),
        "methods": methods_figure(
            {m: Estimate(0.8, 0.7, 0.999, rng.uniform(0.7, 0.9, 10)) for m in METHODS}, chance=0.75, **made
        ),
        "over_heads": accuracy_over_heads_figure(
            {m: [Point(k, rng.uniform(0.8, 1, 3)) for k in ks] for m in METHODS[2:4]},
            num_heads=num_heads,
            **made,
        ),
        "shots": shots_by_heads_figure(dict.fromkeys(METHODS[2:4], shots), num_heads=num_heads, **made),
    }
