"""Checkpoint of a mask's training, from which an interrupted training resumes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from calm_pl.atomic_files import replacing
from calm_pl.errors import RunError

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


def load_state(path: Path, job: str) -> MaskState | None:
    """Load a checkpoint; None if training has not begun.

    Raises:
        RunError: the file belongs to other settings, or cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = [file.get_tensor(name) for name in ("logits", "mean", "square")]
            state = MaskState(header["job"], int(header["step"]), *tensors)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise RunError(f"{path}: cannot be read as a checkpoint: {error}. Delete it.") from error
    if state.job != job:
        raise RunError(
            f"{path.parent} holds an unfinished training with other settings, weights or clips (hash"
            f" {state.job[:8]}, not {job[:8]}). Choose another run.dir, or set run.overwrite=true."
        )
    return state
