"""The page of several runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from calm_pl.atomic_files import write_text
from calm_pl.metrics.cells import percent, points
from calm_pl.metrics.info import MetricInfo
from calm_pl.report.comparison import Comparison, labels_of, ranking, remarks, shared_class_accuracies
from calm_pl.report.forest import Bar, forest
from calm_pl.report.html import Html, join, tag
from calm_pl.report.overview import NEAR_MEANS
from calm_pl.report.overview_cells import NEAR
from calm_pl.report.page import Section, page
from calm_pl.report.results import interval_cell, method_name, metrics_of, value_cell, verdict
from calm_pl.report.setting import flattened, told
from calm_pl.report.tables import Cell, table
from calm_pl.runs.entries import heading_of

_OWN = ("run.", "report.", "wandb.")  # sections that do not change results


def write_comparison_page(comparison: Comparison, target: Path) -> None:
    """Write the page; it appears under its name only when complete."""
    labels = labels_of(comparison.names)
    sections = [
        Section("results", "Results", _results(comparison, labels)),
        Section("differences", f"Differences from {labels[0]}", _differences(comparison, labels)),
        Section("settings", "Settings that differ", _settings(comparison, labels)),
        Section("classes", "Classes", join(_classes(comparison, labels))),
    ]
    several = [name for name in comparison.names if name not in labels]
    subtitle = "What was found, run by run, and how the others differ from the first."
    text = page(
        f"{len(comparison.runs)} runs compared",
        subtitle if several else " · ".join(comparison.names),
        sections,
    )
    write_text(target, text)


def _results(comparison: Comparison, labels: Sequence[str]) -> Html:
    shown = metrics_of(next(iter(comparison.runs[0].methods.values())))
    tables = []
    for metric in shown:
        rows = []
        for method in comparison.methods:
            row: list[str | Cell] = [method_name(method)]
            for run in comparison.runs:
                entry = run.methods.get(method, {})
                row += [value_cell(entry, metric.key), interval_cell(entry, metric.key)]
            rows.append(row)
        header = [head for label in labels for head in (label, "95 %")]
        tables.append(table(f"{metric.title} in %", ["method", *header], rows, sortable=True))
    return join([_ranking(comparison, labels, shown[0]), _runs(comparison, labels), *tables])


def _ranking(comparison: Comparison, labels: Sequence[str], metric: MetricInfo) -> Html:
    rows: list[list[str | Cell]] = []
    ranked = ranking(comparison, metric)
    for one in ranked:
        entry = comparison.runs[one.run].methods[one.method]
        value = value_cell(entry, metric.key)
        text = f"{value.shown} {NEAR}" if one.near else value.shown
        text = tag("strong", text) if one.rank == 1 else text
        rows.append(
            [
                method_name(one.method),
                Cell(tag("span", labels[one.run], class_="name")),
                Cell(str(one.rank), one.rank),
                Cell(text, value.value),
                interval_cell(entry, metric.key),
            ]
        )
    marked = any(one.near for one in ranked)
    return join(
        [
            table("Ranking", ["method", "run", "#", metric.title, "95 %"], rows, words=2, sortable=True),
            tag("p", f"{NEAR}: {NEAR_MEANS}.", class_="muted") if marked else None,
        ]
    )


def _runs(comparison: Comparison, labels: Sequence[str]) -> Html:
    facts: list[list[str | Cell]] = [
        [
            label,
            *([] if label == name else [Cell(tag("span", name, class_="name"))]),
            Cell(tag("span", heading_of(run), class_="name")),
            run.results["model"],
            Cell(f"{run.results['n_support']:,}"),
            Cell(f"{run.results['n_query']:,}"),
            Cell(f"{run.results['n_skipped']:,}"),
            tag("code", str(run.results.get("config_hash", ""))[:8]),
        ]
        for label, name, run in zip(labels, comparison.names, comparison.runs, strict=True)
    ]
    folder = [] if list(labels) == list(comparison.names) else ["folder"]
    heads = ["run", *folder, "what", "model", "support", "query", "skipped", "configuration"]
    return table("Runs", heads, facts, words=3 + len(folder))


def _differences(comparison: Comparison, labels: Sequence[str]) -> Html:
    rows: list[list[str | Cell]] = [
        [
            method_name(one.method),
            Cell(tag("span", labels[one.run], class_="name")),
            verdict(one.significant),
            Cell(f"{100 * one.difference:+.1f}", one.difference),
            Cell(points(one.interval), one.interval.low),
            Cell(f"{one.p_value:.3g}", one.p_value),
            Cell(f"{one.questions:,}", one.questions),
        ]
        for one in comparison.differences
    ]
    bars = [
        Bar(
            f"{method_name(one.method)}, {labels[one.run]}",
            one.difference,
            *one.interval,
            strong=one.significant,
        )
        for one in comparison.differences
    ]
    title = "Difference of accuracy in points, with 95 % intervals"
    heads = ["method", "run", "", "points", "95 %", "p", "questions"]
    drawing = tag("figure", forest(title, bars, zero=True), tag("figcaption", title)) if bars else None
    return join(
        [
            tag("div", table(title, heads, rows, words=3, sortable=True), drawing, class_="pair"),
            tag("ul", (tag("li", line) for line in remarks(comparison))),
        ]
    )


def _settings(comparison: Comparison, labels: Sequence[str]) -> Html:
    settings = [dict(flattened(run.config)) for run in comparison.runs]
    names = [
        name for name in dict.fromkeys(key for one in settings for key in one) if not name.startswith(_OWN)
    ]
    rows = [
        [name, *(told(one[name]) if name in one else "–" for one in settings)]
        for name in names
        if any(one.get(name) != settings[0].get(name) for one in settings[1:])
    ]
    if not rows:
        return tag("p", "None, apart from the output folder.")
    return table("Settings by run", ["setting", *labels], rows, words=1 + len(settings))


def _classes(comparison: Comparison, labels: Sequence[str]) -> Iterator[Html]:
    """Return one collapsible table per method."""
    two = len(comparison.runs) == 2
    yield tag("p", "Accuracy of each class in %, over the questions that all runs have.", class_="muted")
    for method in comparison.methods:
        rows: list[list[str | Cell]] = []
        for label, shares in shared_class_accuracies(comparison, method).items():
            cells = [Cell("–") if share is None else Cell(percent(share), share) for share in shares]
            old, new = shares[0], shares[-1]
            if two and old is not None and new is not None:
                cells.append(Cell(f"{100 * (new - old):+.1f}", new - old))
            elif two:
                cells.append(Cell("–"))
            rows.append([label, *cells])
        heads = ["class", *labels, *(["difference"] if two else [])]
        yield tag(
            "details",
            tag("summary", method_name(method)),
            table(f"{method_name(method)}: accuracy in %", heads, rows, sortable=True, tall=True),
        )
