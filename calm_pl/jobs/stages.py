"""Run a job's stages: fit on the support, evaluate the query; and what ends them."""

from __future__ import annotations

import logging
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from calm_pl.errors import RunError, StoppedRunError
from calm_pl.jobs.stopping import StoppedError, stoppable

# As PyTorch words it.
_WORKER_DIED = re.compile(r"DataLoader worker \(pid.*(?:exited unexpectedly|is killed by signal)", re.DOTALL)
# As Lightning words it, before it kills all processes of the job, this one too.
_RANK_DIED = re.compile(r"Child process with PID (\d+) terminated with code (-?\d+)")
_RANKS_LOG = "lightning.fabric.strategies.launchers.subprocess_script"

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer

    from calm_pl.data.loading.base import FewShotDataModule
    from calm_pl.evaluation.module import FitFreeModule


@contextmanager
def dashboards(trainer: Trainer) -> Iterator[None]:
    """Finish the job's run on Weights & Biases with it, rather than when the process ends."""
    with failed_run_ended():
        yield
    if trainer.is_global_zero:
        _finish(trainer)


@contextmanager
def failed_run_ended() -> Iterator[None]:
    """End the run on Weights & Biases as failed where the job fails.

    The next job of this process, as of a suite, would go on with it otherwise.
    """
    try:
        yield
    except BaseException:
        run = getattr(sys.modules.get("wandb"), "run", None)
        if run is not None:
            with suppress(Exception):  # the job's own error is what the user must see
                run.finish(exit_code=1)
        raise


def _finish(trainer: Trainer) -> None:
    from lightning.pytorch.loggers import WandbLogger

    from calm_pl.jobs.dashboard import remove_replaced

    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            try:
                logger.experiment.finish()
                remove_replaced(Path(logger.save_dir or "."))
            except Exception as error:  # its helper may be gone; the results are on disk
                print(f"Warning: Weights & Biases did not finish: {error}", file=sys.stderr)


def run_stages(
    trainer: Trainer, module: LightningModule, data: FewShotDataModule, evaluate: bool = True
) -> None:
    """Fit on the support, then score the query where it is to be evaluated.

    Raises:
        CalmError: anything the user can mend; also where a signal ended the job, and how to go on then.
    """
    from calm_pl.evaluation.module import FitFreeModule

    try:
        with stoppable(), told_plainly(trainer, _kept(data)), lost_ranks_told(_kept(data)):
            trainer.validate(module, datamodule=data, verbose=False)
            if evaluate and isinstance(module, FitFreeModule):
                search_query(trainer, module, data)
            if evaluate:
                trainer.test(module, datamodule=data, verbose=False)
    except StoppedError as stop:
        raise StoppedRunError(f"Stopped by {stop}. {_kept(data)}", stop.signal) from None


def _kept(data: FewShotDataModule) -> str:
    """Say what is left of a job that ended early, and how to go on."""
    if data.bank is None:
        return "Nothing was saved, since bank.dir is null."
    return f"Encoded clips are in {data.bank.bank.folder}; run the same command again to resume."


def search_query(trainer: Trainer, module: FitFreeModule, data: FewShotDataModule) -> None:
    """Read the query once where settings are chosen on it; the records wait for the results."""
    from lightning.pytorch.callbacks import ProgressBar

    from calm_pl.evaluation.oracle import OraclePass

    search = OraclePass(module)
    if not search.is_needed:
        return
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    waiting = [callback for callback in callbacks if not isinstance(callback, ProgressBar)]
    for callback in waiting:
        callbacks.remove(callback)
    trainer.test(search, datamodule=data, verbose=False)
    callbacks.extend(waiting)


@contextmanager
def told_plainly(trainer: Trainer, kept: str) -> Iterator[None]:
    """Turn what Lightning, ranks, workers and Weights & Biases raise for known reasons into errors for users.

    Args:
        trainer: that runs.
        kept: what is left of the job, and how to go on.

    Raises:
        RunError: such a reason.
    """
    from calm_pl.distributed import lost_another_rank

    try:
        yield
    except SystemExit as stop:
        # Lightning answers Ctrl-C with an exit of its own.
        raise (KeyboardInterrupt if trainer.interrupted else stop) from None
    except Exception as error:
        if type(error).__module__.startswith("wandb."):
            raise RunError(f"Weights & Biases: {error} (wandb.mode=offline needs no account.)") from error
        if trainer.world_size > 1 and lost_another_rank(error):
            raise RunError(
                f"Rank {trainer.global_rank} stopped because another rank did: its message says why, or if"
                f" there is none, the system ended it (kill -9; often for want of memory). {kept}"
            ) from error
        if _WORKER_DIED.search(str(error)):
            raise RunError(
                "A process that decodes clips was ended by the system (kill -9; often for want of memory):"
                f" use fewer (data.num_workers) or a smaller data.batch_size. {kept}"
            ) from error
        raise


@contextmanager
def lost_ranks_told(kept: str) -> Iterator[None]:
    """Say which rank ended before Lightning kills the others without a word.

    Args:
        kept: what is left of the job, and how to go on.
    """

    def tell(record: logging.LogRecord) -> bool:
        found = _RANK_DIED.search(record.getMessage())
        if found is None:
            return True
        number, code = map(int, found.groups())
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed (exit status {code})"
        print(
            f"error: The rank of process {number} {how}, so the job ends. {kept}", file=sys.stderr, flush=True
        )
        return False

    log = logging.getLogger(_RANKS_LOG)
    before = log.level
    log.setLevel(logging.INFO)
    log.addFilter(tell)
    try:
        yield
    finally:
        log.removeFilter(tell)
        log.setLevel(before)
