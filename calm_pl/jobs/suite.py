"""Run a suite: one job after the other, each model loaded once, failures told at the end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from calm_pl.config.compose import config_hash
from calm_pl.config.suite import Suite
from calm_pl.errors import CalmError, StoppedRunError
from calm_pl.jobs.fit_free import fit_free
from calm_pl.jobs.parts import build_model, load_arguments
from calm_pl.jobs.provenance import COMMAND
from calm_pl.jobs.record import RUN, hash_of_results, is_rank_zero
from calm_pl.runs.folder import SUITE, find_runs

if TYPE_CHECKING:
    from calm_pl.config.schema import Config
    from calm_pl.models.deferred import DeferredLALM

PAGE = "index.html"


def one_at_a_time() -> Callable[[Config], DeferredLALM]:
    """Return a `build_model` that gives the last model again where the next job has the same."""
    kept: dict[object, DeferredLALM] = {}

    def model_of(config: Config) -> DeferredLALM:
        key = (load_arguments(config.model), config.bank.dir, config.model.self_check)
        if key not in kept:
            kept.clear()  # its memory is needed
            kept[key] = build_model(config)
        return kept[key]

    return model_of


def run_suite(suite: Suite, quiet: bool = True) -> int:
    """Run all jobs that are not finished yet, then print and write the table of all.

    Returns:
        the exit status: 1 if a job failed.

    Raises:
        StoppedRunError: a signal ended a job; the same command goes on from there.
    """
    model_of = one_at_a_time()
    failed: dict[str, str] = {}
    total = len(suite.jobs)
    for number, job in enumerate(suite.jobs, 1):
        config = job.config
        tell = _say if is_rank_zero() else _hush
        assert config.run.dir is not None
        done = hash_of_results(Path(config.run.dir) / RUN) == config_hash(config)
        if done and not config.run.overwrite:
            tell(f"[{number}/{total}] {job.name}: finished earlier")
            continue
        tell(f"[{number}/{total}] {job.name}")
        command = COMMAND.get()
        started = COMMAND.set(command and command._replace(started=time.perf_counter()))
        try:
            fit_free(config, quiet, model_of)
        except StoppedRunError:
            raise
        except CalmError as error:
            failed[job.name] = str(error)
            if is_rank_zero():
                print(f"error: {job.name}: {error}", file=sys.stderr, flush=True)
        finally:
            COMMAND.reset(started)
    if is_rank_zero():
        _summarise(suite, failed)
    return 1 if failed else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _hush(text: str) -> None:
    pass


def _summarise(suite: Suite, failed: dict[str, str]) -> None:
    from calm_pl.atomic_files import write_text
    from calm_pl.report.overview import overview
    from calm_pl.report.overview_page import write_overview_page
    from calm_pl.report.overview_terminal import print_overview

    suite.folder.mkdir(parents=True, exist_ok=True)
    write_text(suite.folder / SUITE, json.dumps({"runs": suite.order}, indent=2) + "\n")
    notes = [*suite.left_out, *(f"{name} failed: {error}" for name, error in failed.items())]
    finished = [name for name in suite.order if (suite.folder / name / RUN).is_file() and name not in failed]
    if finished:
        runs = find_runs(suite.folder / name for name in finished)
        table = overview(runs)
        print_overview(table)
        write_overview_page(table, runs, suite.folder / PAGE, suite.folder.name, notes)
    for note in notes:
        print(note)
    if finished:
        print(f"Page: {suite.folder / PAGE}")
