"""The job that trains a mask: its run folder, its trainer, and what it writes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calm_pl.atomic_files import write_text
from calm_pl.config.compose import to_yaml
from calm_pl.errors import StoppedRunError
from calm_pl.jobs.opened import begin
from calm_pl.jobs.parts import load_arguments
from calm_pl.jobs.paths import require_model
from calm_pl.jobs.record import MASK, RUN, JobRecord, is_rank_zero, run_files, run_folder
from calm_pl.jobs.stopping import StoppedError, stoppable
from calm_pl.masks.settings import MaskConfig
from calm_pl.runs.files import remove_files

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

    from calm_pl.masks.module import MaskModule
    from calm_pl.masks.texts import TextDataModule
    from calm_pl.models import FrozenLALM
    from calm_pl.models.masks import HeadMask

STATE = "mask_state.safetensors"
_RESUMES = "Run the same command again to resume from the last saved state."
_THREADS = 8  # hashing releases the GIL


def fit_mask(config: MaskConfig, quiet: bool = True) -> None:
    """Train on this process, or on the ranks that Lightning starts.

    Raises:
        CalmError: anything the user can fix.
    """
    require_model(config.model)
    begin(config.model, config.trainer, quiet)
    with closing(_open_record(config)) as record:
        _fit(config, record)


def _fit(config: MaskConfig, record: JobRecord) -> None:
    from lightning.pytorch.loggers import WandbLogger

    from calm_pl.jobs.stages import dashboards, told_plainly
    from calm_pl.masks.module import MaskModule
    from calm_pl.masks.state import load_state
    from calm_pl.masks.texts import TextDataModule

    data = TextDataModule(config.task, config.seed)
    data.prepare()
    lalm = _load_model(config)
    data.preparer = lalm.preparer
    state_file = record.run_dir / STATE
    if config.run.overwrite and is_rank_zero():
        state_file.unlink(missing_ok=True)
    job = state_hash(record, lalm, data)
    state = load_state(state_file, job, (lalm.layout.num_layers, lalm.layout.heads_per_layer))
    module = MaskModule(lalm, config.mask, config.seed, job, state_file, state, config.model.self_check)
    data.first, data.num_steps = module.first, config.mask.steps
    record.load_seconds = time.perf_counter() - record.started
    trainer = _build_trainer(config, record, module, bool(data.validation))
    try:
        with dashboards(trainer), stoppable(), told_plainly(trainer, _RESUMES):
            for logger in trainer.loggers:
                if isinstance(logger, WandbLogger):
                    logger.log_hyperparams(dataclasses.asdict(config))
            trainer.fit(module, datamodule=data)
    except StoppedError as stop:
        module.save_state()
        kept = "Nothing was saved: no step was completed."
        if module.saved:
            kept = (
                f"The state after step {module.saved} of {config.mask.steps} is in {state_file}; run the same"
                " command again to resume."
            )
        raise StoppedRunError(f"Stopped by {stop}. {kept}", stop.signal) from None
    if trainer.is_global_zero:
        _write(config, record, module, data)
        state_file.unlink(missing_ok=True)


def _load_model(config: MaskConfig) -> FrozenLALM:
    from calm_pl.models import FrozenLALM

    arguments = dataclasses.asdict(load_arguments(config.model))
    del arguments["clap_template"]  # no audio language model has one
    return FrozenLALM.from_pretrained(**arguments)


def _open_record(config: MaskConfig) -> JobRecord:
    """Return the run folder; rank 0 checks that it can be written."""
    digest = _job_hash(config)
    folder = run_folder(config.run, f"mask-{config.task.name}", digest)
    record = JobRecord(
        folder, config.task.name, config.model.path, to_yaml(config), digest, job_type="fit-mask"
    )
    if is_rank_zero():
        record.claim(config.run.overwrite)
    return record


def _job_hash(config: MaskConfig) -> str:
    """Return the SHA-256 of the settings that affect the mask.

    The number of ranks is not included: a training may resume on more or fewer ranks, though with different
    noise.
    """
    kept = {
        name: part for name, part in dataclasses.asdict(config).items() if name in ("task", "mask", "seed")
    }
    for name in ("num_workers", "decode_seconds"):
        del kept["task"][name]
    for name in ("save_every", "validate_every", "log_every"):
        del kept["mask"][name]
    model = config.model
    kept["model"] = [model.path, model.revision, model.dtype, model.attn, model.quantization]
    kept["model"].append(model.system_prompt)
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def state_hash(record: JobRecord, lalm: FrozenLALM, data: TextDataModule) -> str:
    """Return the SHA-256 of settings, model, answers and sound files; a resumed training must match it."""
    clips = [one for part in (data.train, data.validation) for one in part]
    with ThreadPoolExecutor(_THREADS) as threads:
        content = list(threads.map(_content, [one.clip.path for one in clips]))
    named = [[len(data.train)], *([one.clip.id, one.text] for one in clips)]
    facts = [record.config_hash, lalm.identity(), named, content]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _content(path: Path) -> str:
    """Return the SHA-256 of a clip's file; empty if it cannot be read, which decoding will report."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _build_trainer(config: MaskConfig, record: JobRecord, module: MaskModule, validated: bool) -> Trainer:
    from calm_pl.jobs.trainer import build_loggers, trainer_on
    from calm_pl.masks.lines import MaskLines

    r = config.mask
    left = r.steps - module.first
    return trainer_on(
        config.trainer,
        max_epochs=1,  # the loader ends the training
        val_check_interval=min(r.validate_every, left) if validated else None,
        limit_val_batches=None if validated else 0,
        num_sanity_val_steps=0,
        log_every_n_steps=min(r.log_every, left),
        enable_progress_bar=False,
        logger=build_loggers(config.wandb, record, f"from-step-{module.first}" if module.first else ""),
        callbacks=[MaskLines()] if config.trainer.enable_progress_bar else [],
    )


def _write(config: MaskConfig, record: JobRecord, module: MaskModule, data: TextDataModule) -> None:
    """Write mask, results and configuration, and print a few lines about them."""
    from calm_pl.functional.masks import trained_mask
    from calm_pl.media import odd_sentences
    from calm_pl.models.masks import HeadMask

    logits_LA = module.logits_LA.detach().cpu()
    last = module.validations[-1]._asdict() if module.validations else None
    training = {"settings": dataclasses.asdict(config.mask), "seed": config.seed, "validation": last}
    system = {} if config.model.system_prompt is None else {"system_prompt": config.model.system_prompt}
    mask = HeadMask(
        trained_mask(logits_LA),
        logits_LA,
        config.task.name,
        config.task.question,
        {"path": config.model.path, "checkpoint": module.lalm.checkpoint(), **system},
        training,
    )
    path = mask.save(record.run_dir / MASK)
    if config.run.overwrite:
        remove_files(record.run_dir, [name for name in run_files() if name not in (MASK, RUN)])
    results = _results(record, module, data, mask)
    write_text(record.run_dir / RUN, json.dumps(results, indent=2) + "\n")
    write_text(record.run_dir / "config.yaml", record.config_yaml)
    print(f"{mask.num_on} of {mask.on_LA.numel()} heads are on.")
    if last is not None:
        print(
            f"Validation: cross-entropy {last['loss']:.3f} per token, {last['exact']:.1%} of"
            f" {last['num_clips']} answers exactly right."
        )
    for line in odd_sentences(module.odd):
        print(line)
    print(f"Mask: {path}")


def _results(record: JobRecord, module: MaskModule, data: TextDataModule, mask: HeadMask) -> dict[str, Any]:
    return {
        "task": mask.task,
        "model": record.model_path,
        "heads": mask.on_LA.numel(),
        "heads_on": mask.num_on,
        "heads_on_by_layer": mask.on_LA.sum(1).tolist(),
        "n_train": len(data.train),
        "n_validation": len(data.validation),
        "odd_sound": module.odd,
        "ranks": module.trainer.world_size,
        "resumed_from_step": module.first,
        "validations": [one._asdict() for one in module.validations],
        "seconds": {
            "load": round(record.load_seconds, 3),
            "total": round(time.perf_counter() - record.started, 3),
        },
        "config_hash": record.config_hash,
    }
