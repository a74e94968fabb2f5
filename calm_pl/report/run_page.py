"""The page of one run, from its folder and, with audio, from its clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calm_pl.atomic_files import write_text
from calm_pl.data import benchmark_facts
from calm_pl.errors import DataError
from calm_pl.report.figures import figures_section
from calm_pl.report.page import Section, page
from calm_pl.report.results import coverage_section, results_section
from calm_pl.report.setting import again_section, setting_section
from calm_pl.report.views import LARGEST_MATRIX, SoundRule, classes_view, heads_view
from calm_pl.runs.entries import heading_of
from calm_pl.runs.folder import RunFolder

SILENT = SoundRule()


def write_run_page(
    run: RunFolder,
    target: Path,
    rule: SoundRule = SILENT,
    paths: Mapping[str, Path] | None = None,
    why_silent: str = "",
) -> None:
    """Write a run's page; it appears under its name only when complete.

    Args:
        run: a finished run.
        target: the file.
        rule: which clips to embed.
        paths: files by clip id.
        why_silent: why there are no paths, if the rule asks for audio.
    """
    text = run_page(run, rule, paths or {}, why_silent)
    write_text(target, text)


def run_page(run: RunFolder, rule: SoundRule, paths: Mapping[str, Path], why_silent: str) -> str:
    """Return the page; see `write_run_page`."""
    heads = heads_view(run)
    classes = classes_view(run, rule, paths, why_silent, _licence(run))
    data: dict[str, Any] = {"classes": run.predictions.classes, "perClass": classes.data}
    sections = [
        Section("results", "Results", results_section(run)),
        Section("classes", "Classes and confusions", classes.body),
    ]
    if heads is not None:
        data["heads"] = heads.data
        sections.append(Section("heads", "Attention heads", heads.body))
    # The page itself draws intervals, and the confusions of as many classes as its script does.
    drawn = ("methods", "confusion") if len(run.predictions.classes) <= LARGEST_MATRIX else ("methods",)
    figures = figures_section(run.path, without=drawn)
    if figures is not None:
        sections.append(Section("figures", "Figures", figures))
    sections += [
        Section("coverage", "Data coverage", coverage_section(run)),
        Section("setting", "Settings", setting_section(run)),
        Section("again", "Reproduce this run", again_section(run)),
    ]
    subtitle = f"{heading_of(run)} · run {run.name}, training-free evaluation with calm_pl"
    return page(run.title, subtitle, sections, data, ("tables.js", "heads.js", "classes.js"))


def _licence(run: RunFolder) -> str:
    try:
        licence = benchmark_facts(run.results["benchmark"]).licence
    except DataError:  # a benchmark of another package, not installed here
        licence = ""
    credits = ""
    if str(run.config.get("data", {}).get("root", "")).startswith("bundled:"):
        credits = " (credits for the bundled recordings are in their ATTRIBUTION.txt)"
    return licence + credits
