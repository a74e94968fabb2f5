"""The table at the end of a job."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from calm_pl.data.questions.counting import clip_ids, counted
from calm_pl.data.settings import AUTO
from calm_pl.methods import METHODS
from calm_pl.methods.table import ORACLE_SUFFIX, PSEUDO_SUFFIX
from calm_pl.metrics.cells import percent, span
from calm_pl.metrics.differences import cluster_kind
from calm_pl.models.clap_facts import is_clap
from calm_pl.report.console import print_table

if TYPE_CHECKING:
    from calm_pl.data.loading.base import FewShotDataModule
    from calm_pl.data.questions.task import Task
    from calm_pl.evaluation.module import FitFreeModule

_MAX_DIFFERENCES = 6
_ZERO_SHOT = "zero_shot"  # as in calm_pl.evaluation.lineup, which needs torch


def print_results(
    module: FitFreeModule, data: FewShotDataModule, title: str, run_dir: Path, elapsed: float
) -> None:
    """Print every method's metrics, followed by notes on them.

    Args:
        module: after test.
        data: what it was tested on.
        title: what stands above the table.
        run_dir: the run folder.
        elapsed: seconds that the whole job took.
    """
    console = Console()
    results = module.results
    print_table(title, results.headings(), results.rows(), results.groups(), console=console)
    for note in notes(module, data):
        console.print(note, highlight=False)
    for warning in module.warnings:
        console.print(f"Warning: {warning}", highlight=False, style="yellow", soft_wrap=True)
    spent = f"{elapsed:.0f} s in all"
    if module.waiting.worked:
        spent += f", {module.waiting.waited:.0f} of them waiting for clips"
    console.print(f"Results: {run_dir} ({spent})", highlight=False, soft_wrap=True)
    began = time.time() - elapsed
    of_this_job = [one for one in run_dir.glob("wandb/offline-run-*") if one.stat().st_mtime >= began]
    for offline in sorted(of_this_job)[-1:]:
        console.print(f"W&B, offline: wandb sync {offline}", highlight=False, soft_wrap=True)


def _what_is_shown(options: int, among: str, asked: bool, voted: bool, clap: bool) -> str:
    """Return what the options of the questions are to zero-shot and to voters."""
    zero_shot = f"Zero-shot chooses among {options} options"
    if asked and not voted:
        return f"{zero_shot}, which include the correct class."
    if clap:  # its embeddings are of the sound alone
        others = f"the other methods among {among}" if asked else f"The methods choose among {among}"
        first = f"{zero_shot}, which include the correct class, {others}" if asked else others
        return f"{first}; a CLAP model's embeddings do not depend on options."
    if asked:
        return (
            f"{zero_shot}, the voters among {among}; both are shown the options, which include the correct"
            " class."
        )
    return (
        f"The voters choose among {among}; the question shows {options} options, which include the correct"
        " class."
    )


def notes(module: FitFreeModule, data: FewShotDataModule | None) -> list[str]:
    """Return the notes on the numbers, one sentence per item."""
    from calm_pl.evaluation import odd_clips
    from calm_pl.evaluation.pseudo_labelled import pseudo_fit
    from calm_pl.pseudo.reporting import sentences

    support, query, task = module.support_coverage, module.query_coverage, module.task
    lines = [_what_intervals(task)]
    if task.num_draws > 1:
        lines.append(_two_chances(module))
    first = task.rounds[0]
    each = " in each draw" if len(task.rounds) > 1 else ""
    drawn = counted([task.support[n] for n in first.support], "support")
    asked, voted = _ZERO_SHOT in module.results, len(set(module.results) - {_ZERO_SHOT}) > 0
    unused = "; zero-shot uses no support clips" if asked else ""
    lines.append(f"{drawn} of {len(task.classes)} classes{each}, {counted(task.query, 'query')}{unused}.")
    if len(module.results) > 1:
        lines.append(_what_holds(module))
    lines += _oracle_gaps(module)
    options = len(task.query[0].options)
    if options:
        among = "the same options" if task.only_options else f"{len(task.classes)} classes"
        lines.append(_what_is_shown(options, among, asked, voted, is_clap(module.lalm.identity())))
    if (pseudo := pseudo_fit(module.sources)) is not None:
        lines += sentences(pseudo)
    if task.multi_label:
        lines.append(
            "A clip is asked one question per label; accuracy is over questions, and exact match counts"
            " clips with every prediction correct."
        )
    lines += [f"Data: {note}." for note in (data.notes if data else ())]
    cut = clip_ids(task.support, support.cut) | clip_ids(task.query, query.cut)
    if cut:
        lines.append(
            f"{len(cut):,} clips were longer than the model's window of"
            f" {module.lalm.preparer.max_seconds:g} s and were truncated"
            + (f" ({data.settings.long_clips})." if data else ".")
        )
    lines += module.lalm.doubts()
    lines += _chosen_batches(module, data)
    waited = module.waiting.warning(module.ran_on)
    lines += [] if waited is None else [waited]
    check = getattr(module.lalm, "self_check", None)
    if check is not None and check.invariance.warning is not None:
        lines.append(check.invariance.warning)
    lines += odd_clips.sentences(
        odd_clips.odd_clips(task, support, query), odd_clips.num_unjudged(task, support, query)
    )
    for name, questions, coverage in (("support", task.support, support), ("query", task.query, query)):
        skipped = len(clip_ids(questions, (failure.position for failure in coverage.failures)))
        if skipped:
            total = len(clip_ids(questions))
            lines.append(
                f"Coverage of the {name}: {total - skipped:,} of {total:,} clips; {skipped:,} skipped, listed"
                " in skipped.csv."
            )
    return lines


def _chosen_batches(module: FitFreeModule, data: FewShotDataModule | None) -> list[str]:
    """Say how many clips went through the model at a time, where a GPU's memory decided it."""
    if data is None or data.settings.batch_size != AUTO or module.ran_on != "cuda":
        return []
    sizes = [f"{size} {split} clips" for split, size in data.batch_sizes.items()]
    if not sizes:
        return []
    return [f"Batches of up to {' and '.join(sizes)}, by the GPU's memory (data.batch_size=auto)."]


def _what_intervals(task: Task) -> str:
    """Explain ± and the intervals."""
    clusters = len(set(task.cluster_Q.tolist()))
    kind = cluster_kind([q.clip.groups for q in task.query], [q.clip.id for q in task.query])
    whole = "clips" if clusters >= task.num_clips else f"{clusters:,} {kind}"
    if len(task.rounds) == 1:
        return f"In %, 95 % intervals over {whole}."
    over = f"{task.num_draws} draws" if task.num_draws > 1 else f"{len(task.folds)} folds"
    folds = f", mean over {len(task.folds)} folds" if len(task.folds) > 1 < task.num_draws else ""
    draws = " and over draws" if task.num_draws > 1 else ""
    return f"In %, ± standard deviation over {over}{folds}; 95 % intervals over {whole}{draws}."


def _two_chances(module: FitFreeModule) -> str:
    """Return the width of the accuracy's interval from each source of uncertainty alone."""
    parts = []
    for name, result in module.results.items():
        chance = result.ci95_parts["accuracy"]
        assert chance.draws is not None
        widths = [percent((ends.high - ends.low) / 2) for ends in (chance.clips, chance.draws)]
        parts.append(f"{METHODS.title(name)} ±{widths[0]} (clips), ±{widths[1]} (draws)")
    return f"Half-width of the accuracy's interval from each source alone: {'; '.join(parts)}."


def _oracle_gaps(module: FitFreeModule) -> list[str]:
    """Compare settings selected on the query set with those selected on the support."""
    gaps = [
        f"{METHODS.title(name)} {percent(result.accuracy)}, selected by leave-one-out on the support"
        f" {percent(module.results[name.removesuffix(ORACLE_SUFFIX)].accuracy)}"
        for name, result in module.results.items()
        if name.endswith(ORACLE_SUFFIX)
    ]
    if not gaps:
        return []
    return [
        f"Oracle settings were selected on the query set: an upper bound, not a result. {'; '.join(gaps)}."
    ]


def _what_holds(module: FitFreeModule) -> str:
    holding = [one for one in module.differences if one.significant and _worth_telling(one.better, one.worse)]
    if not holding:
        return "No significant accuracy difference between methods (paired, 95 %)."
    parts = [
        f"{METHODS.title(one.better)} over {METHODS.title(one.worse)} +{percent(one.difference)}"
        f" ({span(one.interval)})"
        for one in holding[:_MAX_DIFFERENCES]
    ]
    if len(holding) > len(parts):
        parts.append(f"{len(holding) - len(parts)} more in results.json")
    return f"Significant accuracy differences (paired, 95 %): {'; '.join(parts)}."


def _worth_telling(first: str, second: str) -> bool:
    """Omit pairs of different methods where one is on pseudo-labels: too many, and of no interest."""
    labels = {method.endswith(PSEUDO_SUFFIX) for method in (first, second) if method != "zero_shot"}
    return len(labels) < 2 or first.removesuffix(PSEUDO_SUFFIX) == second.removesuffix(PSEUDO_SUFFIX)
