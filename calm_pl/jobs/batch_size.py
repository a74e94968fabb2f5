"""How many clips a forward pass takes with `data.batch_size=auto`: as many as fit into a GPU's memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from calm_pl.config.schema import Config, ModelConfig
from calm_pl.data.settings import usual_batch
from calm_pl.jobs.parts import scored_by

if TYPE_CHECKING:
    import torch

    from calm_pl.data.loading.base import FewShotDataModule
    from calm_pl.data.loading.loaders import Ahead
    from calm_pl.models.preparer import Preparer
    from calm_pl.models.sizes import Widths

MOST = 64
_RESERVED = 2**30  # of a GPU: libraries that CUDA loads later, votes, fits
_SHARE = 0.75  # of the rest: activations are estimated, and what is freed leaves gaps
_LEAST_PER_RANK = 4  # batches: with fewer, ranks wait for each other
_ON_THEIR_WAY = 16  # batches in shared memory: two of each of 4 processes, and as much room again
_MEL_BYTES = 4 * 128 * 100  # of a second of sound, as models take it


class ClipCost(NamedTuple):
    """What the memory of a pass depends on, but for the number of clips.

    Attributes:
        widths: of the model.
        seconds: of the longest clip, as far as the model hears it.
        tokens: of the longest prompt, sound included.
        each: bytes of a number.
        eager: attention that keeps all scores.
        caches: how many copies of keys and values are kept.
        rows: prompts that a clip becomes: one, or one per sampled answer.
    """

    widths: Widths
    seconds: float
    tokens: int
    each: int
    eager: bool
    caches: int
    rows: int

    def activations(self, clips: int) -> int:
        """Return the estimated bytes of a pass beside the weights."""
        from calm_pl.models.sizes import activation_bytes

        rows = clips * self.rows
        return activation_bytes(
            self.widths, rows, self.seconds, self.tokens, self.each, self.eager, self.caches
        )


class Weights(NamedTuple):
    """What the weights take.

    Attributes:
        size: bytes.
        each: bytes of a number that is computed.
    """

    size: int
    each: int


def weights_of(model: ModelConfig, on_gpu: bool) -> Weights | None:
    """Return what the weights take on a device; None if the model's files are not here."""
    from calm_pl.models.loading import checkpoint_family, checkpoint_folder
    from calm_pl.models.sizes import BYTES, stored_numbers, weight_bytes

    folder = checkpoint_folder(model.path, model.revision)
    if folder is None:
        return None
    counts = stored_numbers(folder)
    family = checkpoint_family(
        model.path, revision=model.revision, trust_remote_code=model.trust_remote_code, offline=True
    )
    dtype = family.computes_in(model.dtype)
    if dtype == "auto" and not on_gpu:
        dtype = "float32"
    stored = max(counts, key=lambda name: counts[name], default="F32")
    return Weights(
        weight_bytes(counts, dtype, model.quantization),
        BYTES.get(stored, 4) if dtype == "auto" else BYTES[dtype],
    )


def clip_cost(
    config: Config, data: FewShotDataModule, preparer: Preparer, weights: Weights, seconds: float
) -> ClipCost | None:
    """Return what a pass of the longest clips costs; None if it is not known, as with video.

    Args:
        config: the job.
        data: with its support and query.
        preparer: the model's.
        weights: of the model.
        seconds: of the longest clip.
    """
    sound = preparer.audio_tokens(round(seconds * preparer.sample_rate))
    if sound is None or data.benchmark.modality == "video":
        return None
    question = max((query.question for query in (*data.support, *data.query)), key=len)
    words = len(preparer.tokenizer(preparer.prompt(question))["input_ids"])
    widths = _widths_of(config)
    if widths is None:
        return None
    sampled = config.data.support_labels == "pseudo"
    return ClipCost(
        widths,
        seconds,
        sound + words,
        weights.each,
        config.model.attn == "eager",
        # Each option's text goes on from a copy of the prompt's.
        max({"letters": 0, "generate": 1, "text": 2}[scored_by(config)], int(sampled)),
        config.pseudo.rollouts if sampled else 1,
    )


def _widths_of(config: Config) -> Widths | None:
    """Return the sizes in the model's own configuration, the thinker's of models that speak.

    None for one that names them otherwise, as a plugin's family may.
    """
    from transformers import AutoConfig

    from calm_pl.models.checkpoint_path import local_path
    from calm_pl.models.sizes import widths_of

    m = config.model
    found = AutoConfig.from_pretrained(
        local_path(m.path),
        revision=m.revision,
        trust_remote_code=m.trust_remote_code,
        local_files_only=True,
    )
    try:
        return widths_of(getattr(found, "thinker_config", found))
    except AttributeError:
        return None


def batch_size_for(config: Config, data: FewShotDataModule, preparer: Preparer, ahead: Ahead) -> int:
    """Return how many clips a pass takes where that is left open: 8, or what fits on a CUDA device.

    Several ranks may find different numbers.

    Args:
        config: the job.
        data: with its support and query.
        preparer: the model's.
        ahead: what is to be encoded.
    """
    usual = usual_batch(config.data)
    if ahead.device.type != "cuda" or config.model.device_map is not None:
        return usual
    weights = weights_of(config.model, on_gpu=True)
    cost = None if weights is None else clip_cost(config, data, preparer, weights, ahead.seconds)
    if weights is None or cost is None:
        return usual
    taken = weights.size + _support_bytes(data, cost, ahead) + _RESERVED
    room = _SHARE * (_memory_of(ahead.device) - taken)
    most = _most_shared(ahead.seconds)
    if ahead.ranks > 1:
        most = min(most, ahead.questions // (_LEAST_PER_RANK * ahead.ranks))
    size = 1
    while 2 * size <= min(MOST, max(most, usual)) and cost.activations(2 * size) <= room:
        size *= 2
    return size


def _memory_of(device: torch.device) -> int:
    """Return the memory that this process can have: what is free, and what it holds."""
    import torch

    return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)


def _support_bytes(data: FewShotDataModule, cost: ClipCost, ahead: Ahead) -> int:
    """Return what this rank's share of the support's vectors takes on its device."""
    from calm_pl.evaluation.support_store import most_held

    w = cost.widths
    share = -(-len(data.support) // ahead.ranks)
    return min(most_held(ahead.device), share * w.layers * w.heads * w.head_dim * cost.each)


def _most_shared(seconds: float) -> int:
    """Return how many clips a batch may have so that those on their way fit into shared memory."""
    from calm_pl.data.loading.shared_memory import FOLDER

    if not os.path.isdir(FOLDER):
        return MOST
    space = os.statvfs(FOLDER)
    return int(space.f_blocks * space.f_frsize / (_ON_THEIR_WAY * max(1.0, seconds) * _MEL_BYTES))
