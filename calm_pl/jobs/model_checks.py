"""Checks of the model: its files, whether it hears, and the prompt that it reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calm_pl.jobs import forecast
from calm_pl.jobs.findings import Finding, Patient, few
from calm_pl.jobs.forecast import gib
from calm_pl.jobs.machine_checks import free_above


def check_model_files(patient: Patient) -> Iterator[Finding]:
    """The model's files are there; it is not loaded."""
    from calm_pl.assets import resolve

    path, revision = patient.config.model.path, patient.config.model.revision
    folder = Path(resolve(path))
    if folder.is_dir():
        lacking = [name for name in ("config.json", "*.safetensors") if not any(folder.glob(name))]
        found = f"model: {folder}"
        yield Finding(
            not lacking, f"{found} lacks {' and '.join(lacking)}" if lacking else f"{found} is there"
        )
        return
    if folder.is_absolute() or path.startswith((".", "~")) or path.count("/") != 1:
        yield Finding(False, f"model: {path} is neither a folder nor an id on the hub (OWNER/NAME)")
        return
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_OFFLINE

    cached: Any = try_to_load_from_cache(path, "config.json", revision=revision)
    if isinstance(cached, str):
        yield Finding(True, f"model: {path} is in the hub's cache, {Path(cached).parent}")
    elif HF_HUB_OFFLINE:
        yield Finding(
            False, f"model: {path} is not in the hub's cache, and this machine is set to be offline"
        )
    else:
        yield from _download(path, revision)


def check_model(patient: Patient) -> Iterator[Finding]:
    """The model hears, and a clip's answer does not depend on its batch."""
    from calm_pl.models.loading import checkpoint_folder

    m = patient.config.model
    if checkpoint_folder(m.path, m.revision) is None:
        yield Finding(None, "model: not checked, since its files are not here yet", unmade=True)
        return
    if not patient.fits:
        yield Finding(None, "model: not loaded, since it does not fit into memory", unmade=True)
        return
    from calm_pl.jobs.parts import load_arguments, refuse_for_model
    from calm_pl.models.checks import hearing_check, invariance_check
    from calm_pl.models.clap import load_frozen

    arguments = dataclasses.asdict(load_arguments(patient.config.model)) | {"offline": True}
    lalm = load_frozen(**arguments).to(forecast.device_of(patient.config.trainer))
    layout = lalm.layout
    heads = f"{layout.num_heads:,} heads of {layout.head_dim} in {layout.num_layers} layers"
    gives = f"one embedding of {layout.head_dim}" if lalm.family.is_embedder else heads
    yield Finding(
        True,
        f"model: {type(lalm.model).__name__}, {gives}, hears clips up to {lalm.preparer.max_seconds:g} s",
    )
    refuse_for_model(patient.config, lalm)
    patient.model = lalm
    what = "embeddings" if lalm.family.is_embedder else "head vectors"
    for doubt in lalm.doubts():
        yield Finding(None, f"prompt: {doubt}")
    hearing = hearing_check(lalm)
    yield Finding(
        True,
        f"hearing: silence changes its {what} by {hearing.silence_change:.0%} of their norm, another"
        f" clip by {hearing.swap_change:.0%}",
    )
    drift = invariance_check(lalm)
    yield Finding(
        True,
        f"batches: a batch of {drift.batch_size} moves {what} by {drift.drift:.1e} of their norm"
        f" ({drift.dtype}), {drift.share:.1e} of what another clip does"
        + ("" if lalm.family.is_embedder else f", and changes {drift.changed_predictions} predictions"),
    )
    if drift.warning is not None:
        yield Finding(None, drift.warning)


def check_prompt(patient: Patient) -> Iterator[Finding]:
    """Show the first prompt as the model reads it."""
    if not patient.is_ready or patient.preparer is None:
        return
    assert patient.data is not None
    from calm_pl.models.families.clap import ClapPreparer

    first = (patient.data.query or patient.data.support)[0]
    if isinstance(patient.preparer, ClapPreparer):
        labels = patient.data.task().shown
        compared = [patient.preparer.sentence(labels[c]) for c in first.options]
        yield Finding(None, f"prompt: none; a clip is compared with sentences such as {few(compared)}")
        return
    shown = patient.preparer.prompt(first.question).rstrip("\n")
    yield Finding(None, f"prompt of {first.clip.id}, as the model reads it:\n{shown}")


def _download(path: str, revision: str | None) -> Iterator[Finding]:
    """Say how much the first run will download, and whether there is room."""
    from huggingface_hub.constants import HF_HUB_CACHE

    size = forecast.download_size(path, revision)
    text = f"model: {path} is not in the hub's cache; the first run will download it"
    if size is None:
        yield Finding(None, f"{text} (of unknown size: the hub does not answer)", unmade=True)
        return
    folder, free = free_above(Path(HF_HUB_CACHE))
    room = f"{text}, {gib(size)} of {gib(free)} free in {folder}"
    fits = size < free
    yield Finding(None if fits else False, room if fits else f"{room}; choose another disk with HF_HOME")
