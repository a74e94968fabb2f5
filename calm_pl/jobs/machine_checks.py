"""Checks of disk, device and memory, and how long the work will take there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from calm_pl.data.settings import AUTO
from calm_pl.jobs import forecast
from calm_pl.jobs.findings import Finding, Patient
from calm_pl.jobs.forecast import gib

_LEAST_FREE = 2**30  # bytes; a run folder without a bank of head vectors needs a few MB


def check_disk(patient: Patient) -> Iterator[Finding]:
    """The run folder can be written, and has room."""
    run = patient.config.run
    folder = Path(run.dir or "runs").absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(False, f"disk: {folder} cannot be written; choose another with run.dir=FOLDER")
        return
    free = shutil.disk_usage(folder).free
    room = f"{free / 2**30:.1f} GiB free in {folder}"
    yield Finding(
        free >= _LEAST_FREE, f"disk: {room}" + ("" if free >= _LEAST_FREE else "; at least 1 is needed")
    )


def check_device(patient: Patient) -> Iterator[Finding]:
    """Packages and devices are those that the job asks for."""
    from calm_pl.jobs.opened import begin
    from calm_pl.jobs.trainer import trainer_on

    config = patient.config
    begin(config.model, config.trainer, quiet=True)
    trainer = trainer_on(config.trainer, logger=False, enable_progress_bar=False)
    patient.ranks = trainer.world_size
    name, memory = forecast.device_facts_of(config.trainer)
    ranks = f"{trainer.world_size} processes, " if trainer.world_size > 1 else ""
    yield Finding(True, f"device: {ranks}{name}, {gib(memory)} of memory")


def check_memory(patient: Patient) -> Iterator[Finding]:
    """Weights and activations fit into the device's memory."""
    if not patient.is_ready:
        return
    assert patient.data is not None
    needed = forecast.memory_of(patient.config, patient.data, patient.preparer, patient.ranks)
    if needed is None:
        yield Finding(None, "memory: not known, since the model's files are not here yet", unmade=True)
        return
    _, memory = forecast.device_facts_of(patient.config.trainer)
    text = f"memory: {gib(needed.weights)} of weights"
    if needed.activations is not None:
        decided = "; data.batch_size=auto" if patient.config.data.batch_size == AUTO else ""
        text += (
            f", and about {gib(needed.activations)} for a batch of {needed.clips} clips of"
            f" {needed.seconds:.0f} s (estimated{decided})"
        )
    whole = needed.weights + (needed.activations or 0)
    patient.fits = fits = whole < memory
    advice = "" if fits else "; lower data.batch_size, or see model.quantization and model.device_map"
    yield Finding(fits, f"{text}, of {gib(memory)}{advice}")


def check_work(patient: Patient) -> Iterator[Finding]:
    """How many questions are to be encoded, and what the bank will grow by."""
    if not patient.is_ready:
        return
    assert patient.data is not None
    work = forecast.work_of(patient.config, patient.data, patient.model)
    patient.fresh = work.fresh
    if work.cached is None:
        yield Finding(
            None, f"work: at most {work.total:,} clips to encode; how many are cached is not known yet"
        )
    else:
        yield Finding(True, f"work: {work.total:,} clips, {work.cached:,} cached, {work.fresh:,} to encode")
    bank = patient.config.bank.dir
    if bank is None:
        yield Finding(None, "bank: none (bank.dir=null); the next run encodes all clips again")
    elif work.bytes_each is not None:
        needed, (folder, free) = work.fresh * work.bytes_each, free_above(Path(bank))
        room = f"bank: {gib(needed)} to write, {gib(free)} free in {folder}"
        fits = needed < free
        yield Finding(fits, room if fits else f"{room}; choose another disk with bank.dir=FOLDER")


def check_time(patient: Patient) -> Iterator[Finding]:
    """Some clips are encoded, and the time that the others will take is told."""
    if not patient.is_ready or patient.model is None or not patient.fresh:
        return
    assert patient.data is not None
    each = forecast.seconds_per_clip(patient.config, patient.data, patient.model)
    whole = each * patient.fresh / patient.ranks
    ranks = f" on {patient.ranks} processes" if patient.ranks > 1 else ""
    yield Finding(
        None,
        f"time: about {forecast.duration(whole)} for {patient.fresh:,} clips{ranks}, at {each:.2g} s per clip"
        f" (median of {forecast.TIMED_CLIPS}, one at a time; batches are quicker on a GPU)",
    )


def free_above(folder: Path) -> tuple[Path, int]:
    """Return the folder, or the nearest one above that is there, and the bytes free in it."""
    folder = folder.expanduser().absolute()
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder, shutil.disk_usage(folder).free
