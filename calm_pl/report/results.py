"""Results of a run on its page: table, intervals, differences, coverage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calm_pl.methods import METHODS
from calm_pl.metrics.cells import columns, percent, points, span
from calm_pl.metrics.info import METRICS, MetricInfo, kinds_in
from calm_pl.metrics.intervals import Interval
from calm_pl.report.forest import Bar, forest
from calm_pl.report.html import Html, join, tag
from calm_pl.report.tables import Cell, table
from calm_pl.runs.entries import deviation_of
from calm_pl.runs.folder import RunFolder

_ROWS_SHOWN = 50


def method_name(method: str) -> str:
    """Return the title of a method."""
    return METHODS.title(method)


def metrics_of(entry: dict[str, Any]) -> list[MetricInfo]:
    """Return the metrics that apply to a method's entry in `results.json`, in the order of the table."""
    return [metric for metric in METRICS.shown(kinds_in(entry)) if metric.key in entry]


def value_cell(entry: dict[str, Any], metric: str) -> Cell:
    """Return a metric in per cent, with its standard deviation over draws, else over folds."""
    value = entry.get(metric)
    if value is None:
        return Cell("–")
    deviation = deviation_of(entry, metric)
    return Cell(percent(value) + ("" if deviation is None else f" ± {percent(deviation)}"), value)


def interval_cell(entry: dict[str, Any], metric: str) -> Cell:
    """Return its 95 % interval over clips."""
    ends = entry.get("ci95", {}).get(metric)
    return Cell("–") if ends is None else Cell(span(Interval(*ends)), ends[0])


def results_section(run: RunFolder) -> Html:
    """Return the table of methods, the intervals as a drawing, significant differences and remarks."""
    shown = metrics_of(next(iter(run.methods.values())))
    header: list[str] = ["method"]
    rows: list[list[str | Cell]] = []
    for metric in shown:
        header += columns(metric)
    for name, entry in run.methods.items():
        row: list[str | Cell] = [method_name(name)]
        for metric in shown:
            row.append(value_cell(entry, metric.key))
            if metric.interval:
                row.append(interval_cell(entry, metric.key))
        rows.append(row)
    best = max(entry["accuracy"] for entry in run.methods.values())
    bars = [
        Bar(
            method_name(name),
            entry["accuracy"],
            *Interval(*entry["ci95"]["accuracy"]),
            strong=entry["accuracy"] == best,
        )
        for name, entry in run.methods.items()
    ]
    title = "Accuracy in %, with 95 % intervals"
    return join(
        [
            tag(
                "div",
                table("Results in %", header, rows, sortable=True, stacked=True),
                _figure(title, bars),
                class_="pair",
            ),
            tag("ul", (tag("li", line) for line in run.results.get("remarks", ()))),
            _differences(run.results.get("differences", ())),
        ]
    )


def _figure(title: str, bars: Sequence[Bar]) -> Html:
    return tag("figure", forest(title, bars), tag("figcaption", title))


def _differences(found: Sequence[dict[str, Any]]) -> Html | None:
    if not found:
        return None
    rows: list[list[str | Cell]] = [
        [
            f"{method_name(one['better'])} over {method_name(one['worse'])}",
            Cell(f"+{percent(one['difference'])}", one["difference"]),
            Cell(points(Interval(*one["ci95"])), one["ci95"][0]),
            Cell(f"{one['p_value']:.3g}", one["p_value"]) if one.get("p_value") is not None else "",
            verdict(one["significant"]),
        ]
        for one in found
    ]
    return join(
        [
            table(
                "Accuracy differences, paired on the same questions",
                ["difference", "points", "95 %", "p", "significant"],
                rows,
                sortable=True,
                stacked=True,
            ),
            tag(
                "p",
                "A difference is significant if its interval does not contain 0, that is, if p is below 0.05"
                " (paired, over source recordings or speakers, and draws). There is no correction for"
                " multiple comparisons: about 1 in 20 comparisons without a real difference will still look"
                " significant.",
                class_="muted",
            ),
        ]
    )


def verdict(significant: bool) -> Cell:
    """Return a cell that says whether a difference is significant, in a word and a colour."""
    word, style = ("significant", "strong") if significant else ("not significant", "open")
    return Cell(tag("span", word, class_=f"verdict {style}"), float(significant))


def coverage_section(run: RunFolder) -> Html:
    """Return which clips were evaluated and which were not, with the reasons."""
    r = run.results
    counts = [
        ("support clips", "n_support_clips"),
        ("questions about them", "n_support"),
        ("query clips", "n_query_clips"),
        ("questions about them", "n_query"),
        ("clips skipped", "n_skipped_clips"),
        ("clips missing on disk", "n_missing"),
        ("clips truncated to the model's window", "n_cut"),
        ("clips with little to hear", "n_odd"),
    ]
    alike = {one for one in ("n_support", "n_query") if r.get(one) == r.get(f"{one}_clips")}
    cards = (
        tag("div", tag("dt", text), tag("dd", f"{r[key]:,}"))
        for text, key in counts
        if r.get(key) is not None and key not in alike
    )
    notes = [tag("li", note) for note in r.get("notes", ())]
    return join(
        [
            tag("dl", cards, class_="cards"),
            tag("ul", notes) if notes else None,
            _listing(
                "Skipped: could not be read",
                ["split", "clip", "reason"],
                run.rows("skipped.csv"),
                "skipped.csv",
            ),
            _listing(
                "Missing: listed, but not on disk",
                ["clip", "labels", "path"],
                run.rows("missing.csv"),
                "missing.csv",
            ),
            _listing(
                "Read, but with little to hear",
                ["split", "clip", "labels", "what", "path"],
                run.rows("odd_clips.csv"),
                "odd_clips.csv",
            ),
        ]
    )


def _listing(caption: str, header: list[str], rows: list[list[str]], file: str) -> Html | None:
    if not rows:
        return None
    left = len(rows) - _ROWS_SHOWN
    more = tag("p", f"{left:,} more are in {file}.", class_="muted") if left > 0 else None
    return join([table(caption, header, rows[:_ROWS_SHOWN], words=len(header), tall=True), more])
