"""Outputs of a finished sweep: table, summary, a Weights & Biases run, lines in the terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import yaml

from calm_pl.atomic_files import write_text
from calm_pl.cells import guarded
from calm_pl.jobs.record import JobRecord
from calm_pl.sweeps.printing import ON_THE_QUERY, print_sweep
from calm_pl.sweeps.settings import SweepJob
from calm_pl.sweeps.summary import Gap, gaps, with_oracle
from calm_pl.sweeps.table import Row, SweepTable, can_write_parquet, columns

if TYPE_CHECKING:
    from lightning.pytorch.loggers import WandbLogger


def record_results(
    job: SweepJob,
    record: JobRecord,
    table: SweepTable,
    rows: Sequence[Row],
    metric: str,
    notes: Sequence[str],
    board: WandbLogger | None,
) -> None:
    """Write and print everything, on rank 0.

    Args:
        job: the sweep.
        record: the job's record.
        table: the table to write to.
        rows: all rows, in the order of the sweep.
        metric: key of the metric that selects the oracle.
        notes: sentences about the data for the reader.
        board: the Weights & Biases run; None without one.
    """
    marked = with_oracle(rows, metric)
    paths = table.finish(marked)
    leads = gaps(rows, metric)
    summary = {
        "benchmark": record.benchmark,
        "model": record.model_path,
        "metric": metric,
        "note": ON_THE_QUERY,
        "limited": record.limit,
        "notes": list(notes),
        "chosen": [_lead(one) for one in leads],
        "seconds": round(time.perf_counter() - record.started, 3),
        "config_hash": record.config_hash,
        "complete": True,
    }
    if board is not None:
        _log(board, record, marked, leads, metric)
    write_text(record.run_dir / "sweep.json", json.dumps(summary, indent=2) + "\n")
    print_sweep(record.title, rows, metric)
    rounds = {(row["fold"], row["draw"]) for row in rows}
    if len(rounds) > 1:
        folds, draws = (len({place[n] for place in rounds}) for n in (0, 1))
        print(f"± is the standard deviation over {f'{draws} draws' if draws > 1 else f'{folds} folds'}.")
    for note in notes:
        print(f"Data: {note}")
    if not can_write_parquet():
        print("sweep.parquet was not written: pyarrow is not installed (pip install 'calm_pl[parquet]').")
    print(f"{len(marked):,} rows: {', '.join(map(str, paths))}")


def _lead(one: Gap) -> dict[str, Any]:
    means = {
        name: None if mean is None else mean._asdict()
        for name, mean in (("default", one.default), ("loo", one.loo), ("oracle", one.oracle))
    }
    settings = {name: value for name, value in (one.settings | one.best).items() if value is not None}
    return {"case": one.case, "method": one.method, **means, "oracle_settings": settings}


def _log(
    board: WandbLogger, record: JobRecord, rows: Sequence[Row], leads: Sequence[Gap], metric: str
) -> None:
    """Log the table, and per method and case the results of oracle and fair selection."""
    import wandb

    from calm_pl.jobs.dashboard import remove_replaced

    run = board.experiment
    run.config.update(yaml.safe_load(record.config_yaml), allow_val_change=True)
    names = columns()
    cells = [
        [guarded(cell) if isinstance(cell := row[name], str) else cell for name in names] for row in rows
    ]
    run.log({"sweep": wandb.Table(columns=list[str | int](names), data=cells)})
    for one in leads:
        around = [f"{name}={value}" for name, value in one.settings.items() if value is not None]
        for name, mean in (("default", one.default), ("loo", one.loo), ("oracle", one.oracle)):
            if mean is not None:
                path = "/".join(part for part in ("sweep", one.case, one.method, *around, name) if part)
                run.summary[f"{path}/{metric}"] = mean.value
    run.finish()
    remove_replaced(record.run_dir)
