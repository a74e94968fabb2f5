"""A mask over a model's attention heads as a file, and the model that it belongs to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from calm_pl.atomic_files import replacing
from calm_pl.errors import ModelError
from calm_pl.functional.masks import trained_mask
from calm_pl.models.heads import HeadLayout

_FORMAT = "calm_pl.mask.1"


@dataclass(frozen=True)
class HeadMask:
    """Which heads of a model are on.

    Attributes:
        on_LA: (L, A) bool.
        logits_LA: what it was made of, float32; None where that is not known.
        task: what it makes the model do, in the user's words.
        question: the text it was trained with beside the clip; empty for none.
        model: `checkpoint`, the weights it belongs to (see `FrozenLALM.checkpoint`), and `path`, where they
            were; empty where that is not known.
        training: settings and results of its training.
    """

    on_LA: Tensor
    logits_LA: Tensor | None = None
    task: str = ""
    question: str = ""
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def num_on(self) -> int:
        """How many heads are on."""
        return int(self.on_LA.sum())

    def code(self) -> str:
        """Encode the mask as text: `5x8:` and its bits, layer-major, as hexadecimal digits."""
        layers, heads = self.on_LA.shape
        bits = "".join("1" if on else "0" for on in self.on_LA.flatten().tolist())
        digits = (len(bits) + 3) // 4
        return f"{layers}x{heads}:{int(bits.ljust(4 * digits, '0'), 2):0{digits}x}"

    @classmethod
    def from_code(cls, code: str) -> Self:
        """Decode a mask from `code`, without anything else known about it.

        Raises:
            ModelError: not such letters.
        """
        try:
            shape, digits = code.split(":")
            layers, heads = map(int, shape.split("x"))
            bits = f"{int(digits, 16):0{4 * len(digits)}b}"
            on = [bit == "1" for bit in bits[: layers * heads]]
            return cls(torch.tensor(on).reshape(layers, heads))
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{code!r} is not a mask as `HeadMask.code` writes it.") from error

    def check(self, layout: HeadLayout, checkpoint: str, where: str) -> None:
        """Raise unless the mask belongs to a model.

        Args:
            layout: of the model's heads.
            checkpoint: see `FrozenLALM.checkpoint`.
            where: the model, for the message.

        Raises:
            ModelError: another number of layers or heads, or other weights.
        """
        theirs = (layout.num_layers, layout.heads_per_layer)
        if tuple(self.on_LA.shape) != theirs:
            raise ModelError(
                f"The mask has {_times(self.on_LA.shape)} layers x heads, but {where!r} has {_times(theirs)}:"
                " it belongs to another model."
            )
        own = self.model.get("checkpoint")
        if own not in (None, checkpoint):
            raise ModelError(
                f"The mask was trained on {self.model.get('path', 'another model')!r}, whose weights are not"
                f" those of {where!r}. A mask does not carry over to another model, nor from a base model to"
                " its Instruct version: train one with fit-mask."
            )

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file; it appears under its name only when complete."""
        from safetensors.torch import save

        tensors = {"mask": self.on_LA.to(torch.uint8).contiguous().cpu()}
        if self.logits_LA is not None:
            tensors["logits"] = self.logits_LA.detach().to(torch.float32).contiguous().cpu()
        header = {
            "format": _FORMAT,
            "task": self.task,
            "question": self.question,
            "model": json.dumps(self.model),
            "training": json.dumps(self.training),
        }
        with replacing(path) as part:
            part.write_bytes(save(tensors, metadata=header))
        return Path(path)


def load_mask(path: str | Path, num_layers: int | None = None) -> HeadMask:
    """Read a mask: a file of `HeadMask.save`, or a checkpoint of the released AHAMask code.

    A released checkpoint (`.pt`, `.pth`, `.ckpt`, `.bin`) holds `{"model": {"tensor": float32[L·(A+1)]}}`,
    one unused number behind each layer's, and says neither its model nor its shape.

    Args:
        path: the file.
        num_layers: L, which a released checkpoint needs.

    Raises:
        ModelError: not there, not such a file, or a shape that does not fit.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() in (".pt", ".pth", ".ckpt", ".bin"):
        return _read_released(path, num_layers)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != _FORMAT:
                raise ModelError(f"{path}: is not a mask of this version (format {_FORMAT!r}).")
            tensors = {key: file.get_tensor(key) for key in list(file.keys())}
        on_LA, logits_LA = tensors["mask"] > 0, tensors.get("logits")
        if on_LA.dim() != 2 or (logits_LA is not None and logits_LA.shape != on_LA.shape):
            raise ModelError(f"{path}: its mask must be of layers x heads, but is of {_times(on_LA.shape)}.")
        return HeadMask(
            on_LA,
            logits_LA,
            header["task"],
            header["question"],
            json.loads(header["model"]),
            json.loads(header["training"]),
        )
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as a mask: {error}") from error


def _read_released(path: Path, num_layers: int | None) -> HeadMask:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of many types, for what is no such file and for what it refuses to run
        raise ModelError(f"{path}: cannot be read as a mask: {str(error).splitlines()[0]}") from error
    try:
        numbers = content["model"]["tensor"].detach().to(torch.float32).flatten()
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path}: is not a checkpoint of the released AHAMask code: it must hold"
            ' {"model": {"tensor": numbers}}.'
        ) from error
    if num_layers is None:
        raise ModelError(f"{path}: does not say how many layers its model has: give them (--layers).")
    if len(numbers) % num_layers or len(numbers) < 2 * num_layers:
        raise ModelError(
            f"{path}: holds {len(numbers)} numbers, which are no {num_layers} layers of heads and one unused"
            " number each: it belongs to another model."
        )
    logits_LA = numbers.reshape(num_layers, -1)[:, :-1].contiguous()
    return HeadMask(trained_mask(logits_LA), logits_LA, task=path.stem)


def _times(shape: Any) -> str:
    return " x ".join(map(str, shape))
