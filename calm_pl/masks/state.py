"""Checkpoint of a mask's training, from which an interrupted training resumes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from calm_pl.atomic_files import replacing
from calm_pl.errors import ModelError, RunError

_FORMAT = "calm_pl.masks.state.1"


class MaskState(NamedTuple):
    """Logits and AdamW's averages. Noise, order of clips, τ and learning rate follow from the step.

    Attributes:
        job: hash of the settings of the training.
        step: number of steps done.
        logits_LA: M, float32.
        mean_LA: AdamW's running mean of gradients.
        square_LA: AdamW's running mean of their squares.
    """

    job: str
    step: int
    logits_LA: Tensor
    mean_LA: Tensor
    square_LA: Tensor

    def save(self, path: Path) -> None:
        """Write a safetensors file; it appears under its name only when complete."""
        from safetensors.torch import save

        tensors = {"logits": self.logits_LA, "mean": self.mean_LA, "square": self.square_LA}
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        header = {"format": _FORMAT, "job": self.job, "step": str(self.step)}
        with replacing(path) as part:
            part.write_bytes(save(plain, metadata=header))


def load_state(path: Path, job: str, shape: tuple[int, int]) -> MaskState | None:
    """Load a checkpoint; None if training has not begun.

    Args:
        path: the file.
        job: hash of the settings of the training.
        shape: layers and heads of the model.

    Raises:
        RunError: the file belongs to other settings, or cannot be read.
    """
    from calm_pl.models.masks import read_tensors

    if not path.exists():
        return None
    try:
        header, tensors = read_tensors(path, _FORMAT, "a checkpoint")
        state = _checked(header, tensors, shape)
    except (ModelError, ValueError) as error:
        raise RunError(f"{path}: cannot be read as a checkpoint: {error}. Delete it.") from error
    if state.job != job:
        raise RunError(
            f"{path.parent} holds an unfinished training with other settings, weights or clips (hash"
            f" {state.job[:8]}, not {job[:8]}). Choose another run.dir, or set run.overwrite=true."
        )
    return state


def _checked(header: dict[str, str], tensors: dict[str, Tensor], shape: tuple[int, int]) -> MaskState:
    names = ("logits", "mean", "square")
    if set(tensors) != set(names):
        raise ValueError(
            f"it must hold {', '.join(names)}, but holds {', '.join(sorted(tensors)) or 'nothing'}"
        )
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != shape or tensor.dtype != torch.float32 or not tensor.isfinite().all():
            raise ValueError(f"`{name}` must be finite float32 of the shape {shape}")
    if (tensors["square"] < 0).any():
        raise ValueError("`square` must be 0 or more")
    step = header.get("step", "")
    if not (step.isascii() and step.isdigit() and 0 < int(step) < 2**31):
        raise ValueError(f"`step` must be a whole number above 0, but is {step!r:.40}")
    return MaskState(header.get("job", ""), int(step), *(tensors[name] for name in names))
