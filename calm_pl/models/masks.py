"""A mask over a model's attention heads as a file, and the model that it belongs to."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from calm_pl.atomic_files import replacing
from calm_pl.cells import control_character
from calm_pl.errors import ModelError
from calm_pl.functional.masks import trained_mask
from calm_pl.models.heads import HeadLayout
from calm_pl.regular_files import open_regular

_FORMAT = "calm_pl.mask.1"
_HEXADECIMAL = re.compile("[0-9a-f]+")


@dataclass(frozen=True)
class HeadMask:
    """Which heads of a model are on.

    Attributes:
        on_LA: (L, A) bool.
        logits_LA: what it was made of, float32; None where that is not known.
        task: what it makes the model do, in the user's words.
        question: the text it was trained with beside the clip; empty for none.
        model: `checkpoint`, the weights it belongs to (see `FrozenLALM.checkpoint`), `path`, where they were,
            and the `system_prompt` it was trained with, if any; empty where that is not known.
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
            number = layers * heads
            needed = (number + 3) // 4
            if min(layers, heads) < 1 or len(digits) != needed or not _HEXADECIMAL.fullmatch(digits):
                raise ValueError(f"{number} heads need {needed} digits")
            bits = f"{int(digits, 16):0{4 * len(digits)}b}"
            if "1" in bits[number:]:
                raise ValueError("there are bits behind the last head")
            on = [bit == "1" for bit in bits[:number]]
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
    header, tensors = read_tensors(path, _FORMAT, "a mask")
    unknown = sorted(tensors.keys() - {"mask", "logits"})
    if "mask" not in tensors or unknown:
        found = ", ".join(sorted(tensors)) or "none"
        raise _fault(path, f"must hold the tensors mask and perhaps logits, but holds {found}")
    mask_LA, logits_LA = tensors["mask"], tensors.get("logits")
    if mask_LA.dtype != torch.uint8 or mask_LA.dim() != 2 or not mask_LA.numel():
        raise _fault(path, f"`mask` must be layers x heads of uint8, but is {_told(mask_LA)}")
    if int(mask_LA.max()) > 1:
        raise _fault(path, f"`mask` must hold 0 and 1, but holds {int(mask_LA.max())}")
    if logits_LA is not None:
        if logits_LA.dtype != torch.float32 or logits_LA.shape != mask_LA.shape:
            raise _fault(path, f"`logits` must be {_told(mask_LA, torch.float32)}, but is {_told(logits_LA)}")
        if not logits_LA.isfinite().all():
            raise _fault(path, "`logits` must be finite, but some are NaN or infinite")
    for key in ("task", "question"):
        if key not in header:
            raise _fault(path, f"`{key}` must be there, but is missing")
    if (code := control_character(header["task"])) is not None:
        raise _fault(path, f"`task` must hold no control characters, but holds {code}")
    model, training = (_section(path, header, key) for key in ("model", "training"))
    for key, value in model.items():
        if key in ("path", "checkpoint", "system_prompt") and not isinstance(value, str):
            raise _fault(path, f"`model.{key}` must be a string, but is {value!r:.60}")
    return HeadMask(mask_LA > 0, logits_LA, header["task"], header["question"], model, training)


def read_tensors(path: Path, form: str, what: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read the header and all tensors of a safetensors file.

    Args:
        path: the file.
        form: that its header must name.
        what: it is, for errors.

    Raises:
        ModelError: not there, not such a file, or of another format.
    """
    from safetensors import SafetensorError, safe_open

    try:
        os.close(open_regular(path))
        with safe_open(path, framework="pt") as file:
            header = dict(file.metadata() or {})
            if header.get("format") != form:
                raise ModelError(f"{path}: is not {what} of this version (format {form!r}).")
            return header, {key: file.get_tensor(key) for key in list(file.keys())}
    except OSError as error:
        raise ModelError(f"{path}: cannot be read as {what}: {error.strerror or error}.") from error
    except SafetensorError as error:
        raise ModelError(f"{path}: cannot be read as {what}: {error}.") from error


def _section(path: Path, header: dict[str, str], key: str) -> dict[str, Any]:
    try:
        section = json.loads(header[key])
    except KeyError as error:
        raise _fault(path, f"`{key}` must be there, but is missing") from error
    except (ValueError, RecursionError) as error:
        raise _fault(path, f"`{key}` cannot be read as JSON: {error}") from error
    if not isinstance(section, dict):
        raise _fault(path, f"`{key}` must be a section with keys, but is {section!r:.60}")
    return section


def _fault(path: Path, what: str) -> ModelError:
    return ModelError(f"{path}: cannot be read as a mask: {what}.")


def _told(tensor: Tensor, dtype: torch.dtype | None = None) -> str:
    return f"{_times(tensor.shape) or 'a number'} of {str(dtype or tensor.dtype).removeprefix('torch.')}"


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
    if not numbers.isfinite().all():
        raise ModelError(f"{path}: cannot be read as a mask: its numbers must be finite.")
    if len(numbers) % num_layers or len(numbers) < 2 * num_layers:
        raise ModelError(
            f"{path}: holds {len(numbers)} numbers, which are no {num_layers} layers of heads and one unused"
            " number each: it belongs to another model."
        )
    logits_LA = numbers.reshape(num_layers, -1)[:, :-1].contiguous()
    return HeadMask(trained_mask(logits_LA), logits_LA, task=path.stem)


def _times(shape: Any) -> str:
    return " x ".join(map(str, shape))
