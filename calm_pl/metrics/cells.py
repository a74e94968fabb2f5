"""Metrics as the cells of a table: in per cent, with intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calm_pl.metrics.info import MetricInfo
    from calm_pl.metrics.intervals import Interval


def columns(metric: MetricInfo) -> list[str]:
    """Return the headings of a metric and of its interval, if it has one."""
    return [metric.title, "95 %"] if metric.interval else [metric.title]


def percent(fraction: float) -> str:
    """Format a fraction in per cent, one digit; a dash for NaN."""
    return "–" if math.isnan(fraction) else f"{100 * fraction:.1f}"


def span(interval: Interval) -> str:
    """Format an interval of fractions in per cent."""
    return f"{100 * interval.low:.1f}–{100 * interval.high:.1f}"


def points(interval: Interval) -> str:
    """Format an interval of differences in percentage points."""
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"
