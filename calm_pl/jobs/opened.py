"""An opened job: run folder, data, model and bank of a configuration, made alike for every command."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from calm_pl.config.schema import Config, ModelConfig, TrainerConfig
from calm_pl.jobs.lightning_imports import import_lightning
from calm_pl.jobs.paths import require_paths
from calm_pl.jobs.stopping import end_with_parent

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

    from calm_pl.data.loading.base import FewShotDataModule
    from calm_pl.evaluation.clip_counts import SkipPolicy
    from calm_pl.jobs.record import JobRecord
    from calm_pl.models import DeferredLALM, FrozenLALM


@dataclass
class Job:
    """An opened job, as commands use it.

    Attributes:
        config: the configuration.
        record: run folder, hash and times.
        data: the benchmark, with `preparer` and `bank` set.
        lalm: the model; its weights are loaded when they are needed.
    """

    config: Config
    record: JobRecord
    data: FewShotDataModule
    lalm: DeferredLALM | FrozenLALM

    @property
    def policy(self) -> SkipPolicy:
        """What to do about clips that cannot be read."""
        from calm_pl.evaluation.clip_counts import SkipPolicy

        return SkipPolicy(self.config.data.on_bad_clip == "skip", self.config.data.max_skipped_fraction)

    def run(self, module: LightningModule, evaluate: bool = True) -> bool:
        """Fit on the support and, if asked, evaluate the query, on the ranks that the configuration says.

        Returns:
            whether this is the rank that prints.

        Raises:
            CalmError: anything the user can mend; also where a signal ended the job, and how to go on then.
        """
        from calm_pl.jobs.stages import dashboards, run_stages
        from calm_pl.jobs.trainer import build_trainer

        self.record.load_seconds = time.perf_counter() - self.record.started
        trainer = build_trainer(self.config, self.record)
        with dashboards(trainer):
            run_stages(trainer, module, self.data, evaluate)
        return trainer.is_global_zero


def begin(model: ModelConfig, trainer: TrainerConfig, quiet: bool) -> None:
    """Import Lightning, and refuse what cannot work before anything is read or written.

    Args:
        model: which model, and where it is put.
        trainer: devices and ranks.
        quiet: suppress routine output.

    Raises:
        RunError: an installed version, a device, or a model spread over GPUs by several ranks.
    """
    import_lightning(quiet)
    from calm_pl.jobs.hardware import refuse_spread_model
    from calm_pl.jobs.trainer import trainer_on
    from calm_pl.jobs.versions import refuse_other_versions

    refuse_other_versions()
    end_with_parent()
    refuse_spread_model(model, trainer_on(trainer, logger=False, enable_progress_bar=False))


@contextmanager
def opened(
    config: Config,
    quiet: bool = True,
    record: JobRecord | None = None,
    prepare: Callable[[FewShotDataModule], None] | None = None,
    lock: bool = True,
    model_of: Callable[[Config], DeferredLALM | FrozenLALM] | None = None,
) -> Iterator[Job]:
    """Open a job on this process, or on a rank that Lightning started; close its bank at the end.

    Args:
        config: the configuration.
        quiet: suppress routine output.
        record: that of a job of which this one is a part; opened from the configuration where None.
        prepare: what is done to the data, or asked of them, before the model is touched.
        lock: keep other jobs out of the run folder; not where nothing of value is written there.
        model_of: builds the model, if several jobs share it; None builds its own.

    Raises:
        CalmError: anything the user can mend.
    """
    require_paths(config)
    begin(config.model, config.trainer, quiet)
    from calm_pl.jobs.record import open_record

    own = None if record is not None else open_record(config, lock)
    try:
        with _opened(config, record or own, prepare, model_of) as job:
            yield job
    finally:
        if own is not None:
            own.close()


@contextmanager
def _opened(
    config: Config,
    record: JobRecord | None,
    prepare: Callable[[FewShotDataModule], None] | None,
    model_of: Callable[[Config], DeferredLALM | FrozenLALM] | None,
) -> Iterator[Job]:
    from calm_pl.jobs.batch_size import batch_size_for
    from calm_pl.jobs.parts import build_data, build_model, open_bank, refuse_for_model, teller

    assert record is not None
    tell = teller(config)
    data = build_data(config)  # first: a wrong root shows in a moment, a 7B takes a minute to load
    if tell is not None:
        tell(f"{data.benchmark.facts.title}: {_counts(data)} in {data.root}")
    if prepare is not None:
        prepare(data)
    lalm = (model_of or build_model)(config)
    refuse_for_model(config, lalm)
    data.preparer = lalm.preparer
    data.bank = open_bank(config, lalm)
    data.batch_rule = partial(batch_size_for, config, data, lalm.preparer)
    try:
        yield Job(config, record, data, lalm)
    finally:
        if data.bank is not None:
            data.bank.bank.close()


def _counts(data: FewShotDataModule) -> str:
    listing = data.read()
    return f"{len(listing.clips):,} clips of {len(listing.classes):,} classes"


def with_callbacks(config: Config, *names: str) -> Config:
    """Return the configuration of a job that leaves nothing but what these callbacks write."""
    return dataclasses.replace(
        config, callbacks=list(names), wandb=dataclasses.replace(config.wandb, mode="disabled")
    )
