"""The job of a sweep: its run folder, its forward passes, its rows."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

from calm_pl.atomic_files import write_text
from calm_pl.errors import RunError
from calm_pl.jobs.opened import begin, opened, with_callbacks
from calm_pl.jobs.parts import refuse_no_options, scored_by, voters_of
from calm_pl.jobs.paths import require_paths
from calm_pl.jobs.record import SWEEP, JobRecord, is_rank_zero, model_name, run_folder
from calm_pl.jobs.stages import failed_run_ended

if TYPE_CHECKING:
    from lightning.pytorch.loggers import WandbLogger

    from calm_pl.sweeps.module import SweepModule
    from calm_pl.sweeps.points import Pass
    from calm_pl.sweeps.progress import SweepProgress
    from calm_pl.sweeps.settings import SweepJob
    from calm_pl.sweeps.table import Row, SweepTable


def run_sweep(job: SweepJob, quiet: bool = True) -> None:
    """Run a sweep on this process, or on the ranks that Lightning starts.

    Raises:
        CalmError: anything the user can fix.
    """
    require_paths(job)
    begin(job.model, job.trainer, quiet)
    with closing(_open_record(job)) as record, failed_run_ended():
        _run(job, record, quiet)


def _run(job: SweepJob, record: JobRecord, quiet: bool) -> None:
    from calm_pl.jobs.dashboard import build_wandb
    from calm_pl.jobs.parts import build_data
    from calm_pl.sweeps.points import main_metric, passes
    from calm_pl.sweeps.progress import SweepProgress
    from calm_pl.sweeps.results import record_results
    from calm_pl.sweeps.table import SweepTable

    works = passes(job)
    first = build_data(works[0].config).task()  # reports a wrong root before anything is written
    metric = main_metric(job, first.multi_label, first.positive)
    table = SweepTable(record.run_dir)
    table.known()  # reports a foreign file early
    board = _open_board(build_wandb(job.wandb, record)) if is_rank_zero() else None
    progress = SweepProgress(enabled=job.trainer.enable_progress_bar)
    rows: list[Row] = []
    notes: dict[str, None] = {}
    for work in works:
        module = _compute(job, work, record, table, progress, quiet)
        rows += module.rows
        notes |= dict.fromkeys(module.notes)
    progress.close()
    if module.global_rank == 0:
        record_results(job, record, table, rows, metric, list(notes), board)


def _compute(
    job: SweepJob, work: Pass, record: JobRecord, table: SweepTable, progress: SweepProgress, quiet: bool
) -> SweepModule:
    """Run one pass of the model over the data, and evaluate its points."""
    from calm_pl.evaluation.odd_clips import num_unjudged, odd_clips, sentences
    from calm_pl.sweeps.module import SweepModule
    from calm_pl.sweeps.points import points_of, too_many_heads

    config = with_callbacks(work.config, "progress")
    with opened(config, quiet, record, lambda data: refuse_no_options(config, data)) as part:
        heads = part.lalm.layout.num_heads
        points = points_of(job, work, heads)
        progress.expect(len(points) * len(part.data.rounds))
        module = SweepModule(
            part.lalm,
            [(point, voters_of(point.config).get(point.method)) for point in points],
            part.data.task(),
            scored_by(config),
            table,
            progress.add,
            part.policy,
        )
        part.run(module)
    module.notes = [f"{note}." for note in part.data.notes]
    support, query = module.support_coverage, module.query_coverage
    odd = odd_clips(module.task, support, query)
    module.notes += sentences(odd, num_unjudged(module.task, support, query), file="")
    if many := too_many_heads(work, heads):
        module.notes.append(f"top_k {', '.join(map(str, many))}: uses all {heads} heads of the model.")
    return module


def _open_record(job: SweepJob) -> JobRecord:
    """Create the run folder with the sweep's configuration.

    Raises:
        RunError: the folder cannot be written, holds results of another configuration, or is in use.
    """
    from calm_pl.config.compose import to_yaml
    from calm_pl.sweeps.settings import sweep_hash

    digest = sweep_hash(job)
    run_dir = run_folder(job.run, f"sweep-{job.data.benchmark}-{model_name(job.model)}", digest)
    record = JobRecord(
        run_dir, job.data.benchmark, job.model.path, to_yaml(job), digest, job.data.limit, "sweep"
    )
    if not is_rank_zero():
        return record
    record.claim(job.run.overwrite, SWEEP)
    write_text(record.run_dir / "config.yaml", record.config_yaml)
    write_text(record.run_dir / SWEEP, json.dumps({"config_hash": digest, "complete": False}) + "\n")
    return record


def _open_board(board: WandbLogger | None) -> WandbLogger | None:
    """Start the Weights & Biases run early: a missing account is reported before hours are spent."""
    if board is None:
        return None
    try:
        _ = board.experiment
    except Exception as error:
        if type(error).__module__.startswith("wandb."):
            raise RunError(f"Weights & Biases: {error} (wandb.mode=offline needs no account.)") from error
        raise
    return board
