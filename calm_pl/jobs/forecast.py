"""What a job will need: clips to encode, room in the bank, memory, download, time."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from calm_pl.config.schema import Config, ModelConfig, TrainerConfig
from calm_pl.data.settings import AUTO
from calm_pl.jobs.parts import build_model, kept, load_arguments, open_bank, scored_by

if TYPE_CHECKING:
    from calm_pl.data.loading.base import FewShotDataModule
    from calm_pl.models import DeferredLALM, FrozenLALM
    from calm_pl.models.preparer import Preparer

TIMED_CLIPS = 3
_DOWNLOADED = (".safetensors", ".json", ".txt", ".jinja", ".model")


class Work(NamedTuple):
    """Questions of a job.

    Attributes:
        total: different ones.
        cached: those whose vectors the bank holds; None if that is not known.
        bytes_each: what one more takes in the bank; None if the model's heads are not known.
    """

    total: int
    cached: int | None
    bytes_each: int | None

    @property
    def fresh(self) -> int:
        """How many are to be encoded, at most."""
        return self.total - (self.cached or 0)


class Memory(NamedTuple):
    """What a process needs on its device.

    Attributes:
        weights: bytes.
        activations: bytes of the largest batch, estimated; None if the prompt's length is not known.
        clips: of that batch.
        seconds: of its longest clip.
    """

    weights: int
    activations: int | None
    clips: int
    seconds: float


def gib(size: float) -> str:
    """Format bytes."""
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 / 10 else f"{size / 2**20:,.1f} MiB"


def duration(seconds: float) -> str:
    """Format a time in its usual unit."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def device_of(trainer: TrainerConfig) -> str:
    """Return the kind of device that a job runs on."""
    import torch

    return "cuda" if torch.cuda.is_available() and trainer.accelerator != "cpu" else "cpu"


def device_facts_of(trainer: TrainerConfig) -> tuple[str, int]:
    """Return name and memory in bytes of the device that each process has."""
    import torch

    if device_of(trainer) == "cpu":
        return "CPU", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return torch.cuda.get_device_name(), torch.cuda.mem_get_info()[1]


def preparer_here(model: ModelConfig) -> Preparer | None:
    """Return the model's preparer, if its files are on this machine."""
    from calm_pl.models.loading import checkpoint_folder, load_preparer

    if checkpoint_folder(model.path, model.revision) is None:
        return None
    return load_preparer(
        model.path,
        revision=model.revision,
        trust_remote_code=model.trust_remote_code,
        offline=True,
        system_prompt=model.system_prompt,
        clap_template=model.clap_template,
    )


def work_of(config: Config, data: FewShotDataModule, model: FrozenLALM | None) -> Work:
    """Count the questions, and look up which the bank holds.

    Args:
        config: the job.
        data: with its support and query.
        model: if it is loaded; else what earlier runs noted about it is read from the bank's folder.
    """
    from calm_pl.data.loading.banked import look_up

    queries = [*data.support, *data.query]
    asked = {(query.clip.path, query.clip.video, query.question) for query in queries}
    has_bank = config.bank.dir is not None and Path(config.bank.dir).expanduser().is_dir()
    known = model or (_remembered(config) if has_bank else None)
    each = None if known is None else _record_bytes(config, known)
    if not has_bank or known is None:
        return Work(len(asked), None if has_bank else 0, each)
    link = open_bank(config, known)
    assert link is not None
    try:
        found = look_up(link, queries, data.media_rule(known.preparer), known.preparer.prompt)
    finally:
        link.bank.close()
    keys = {key: n in found.present for n, key in enumerate(found.keys)}
    return Work(len(keys), sum(keys.values()), each)


def _remembered(config: Config) -> DeferredLALM | None:
    """Return the model without its weights, if an earlier run left a note about it in the bank's folder."""
    from calm_pl.models.deferred import is_remembered

    assert config.bank.dir is not None
    memory = Path(config.bank.dir).expanduser() / "models"
    return build_model(config) if is_remembered(load_arguments(config.model), memory) else None


def _record_bytes(config: Config, model: FrozenLALM | DeferredLALM) -> int:
    """Return what a clip's head vectors take; hidden states and the tower's add a few per cent."""
    from calm_pl.models.sizes import BYTES

    layout = model.layout
    return layout.num_heads * layout.head_dim * BYTES[config.bank.dtype or model.identity()["dtype"]]


def download_size(path: str, revision: str | None = None) -> int | None:
    """Return the bytes of a hub's model that loading it needs; None if the hub does not answer."""
    from huggingface_hub import HfApi

    try:
        files = HfApi().model_info(path, revision=revision, files_metadata=True).siblings or []
    except Exception:  # no network, no such model, no access: the run will say which
        return None
    return sum(file.size or 0 for file in files if file.rfilename.endswith(_DOWNLOADED))


def memory_of(
    config: Config, data: FewShotDataModule, preparer: Preparer | None, ranks: int = 1
) -> Memory | None:
    """Return what weights and the largest batch take; None if the model's files are not here.

    Args:
        config: the job.
        data: with its support and query.
        preparer: the model's.
        ranks: number of processes.
    """
    import torch

    from calm_pl.data.loading.balance import batches_by_length, heard_seconds
    from calm_pl.data.loading.loaders import Ahead
    from calm_pl.jobs.batch_size import batch_size_for, clip_cost, weights_of

    if preparer is None:
        return None
    device = torch.device(device_of(config.trainer))
    weights = weights_of(config.model, device.type == "cuda")
    if weights is None:
        return None
    queries = [*data.support, *data.query]
    lengths = heard_seconds([query.clip for query in queries], data.media_rule(preparer))
    longest = min(max(lengths), preparer.max_seconds)
    s = data.settings
    ahead = Ahead(max(len(data.support), len(data.query)), longest, device, ranks)
    size = batch_size_for(config, data, preparer, ahead) if s.batch_size == AUTO else int(s.batch_size)
    windows = s.long_clips == "windows"  # a clip may fill several rows of a pass
    clips = size if windows else len(batches_by_length(lengths, size, s.batch_seconds)[0])
    cost = clip_cost(config, data, preparer, weights, longest)
    return Memory(weights.size, None if cost is None else cost.activations(clips), clips, longest)


def seconds_per_clip(config: Config, data: FewShotDataModule, model: FrozenLALM) -> float:
    """Decode and encode some clips, one at a time; return the median of their times.

    Args:
        config: the job.
        data: with its support and query.
        model: on its device.
    """
    import torch

    from calm_pl.data.loading.batches import ClipDataset, Collator
    from calm_pl.evaluation.encoding import encode

    queries = (data.query or data.support)[: TIMED_CLIPS + 1]
    task = data.task()
    clips = ClipDataset(queries, data.media_rule(model.preparer))
    collate = Collator(queries, model.preparer, torch.tensor([1]))
    times = []
    for n in range(len(queries)):
        start = time.perf_counter()
        batch = collate(clips.__getitems__([n])).to(model.model.device)
        if len(batch.index_N):  # could be read
            encode(model, batch, scored_by(config), task.shown, kept(config))
        if model.model.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:] or times)  # the first warms up
